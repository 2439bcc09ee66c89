"""`GET conda-store/connection/`: where the server is, whether it answers, and as whom."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tornado import web

from conda_store.client.answers import NotAllowed, NotFound
from conda_store.errors import CondaStoreError
from conda_store_labextension.connection import Unconfigured
from conda_store_labextension.handlers import Handler

if TYPE_CHECKING:
    from conda_store_labextension.parts import Parts


class StateHandler(Handler):
    """Tells the panel what it is connected with."""

    @web.authenticated
    async def get(self) -> None:
        """Always 200: that conda-store is away is an answer, too."""
        self.answer(await state_of(self.parts))


async def state_of(parts: Parts) -> dict[str, Any]:
    """`url`, `state`, `message` for people, `user` and `version`."""
    told: dict[str, Any] = {"url": "", "state": "ok", "message": "", "user": None, "version": None}
    try:
        told["url"] = parts.connection.address
        version, caller = await asyncio.gather(_asked(parts, "api/v1/"), _asked(parts, "api/v1/permission/"))
        told["version"] = str(version["version"])
        return told | _of_caller(parts, caller)
    except Unconfigured as error:
        return told | {"state": "unconfigured", "message": error.message}
    except NotAllowed as error:
        return told | {"state": "refused", "message": error.message}
    except (NotFound, KeyError, TypeError, ValueError, AttributeError):
        message = f"{told['url']} answers otherwise than conda-store does: is it the address of conda-store?"
        return told | {"state": "unreachable", "message": message}
    except CondaStoreError as error:
        return told | {"state": "unreachable", "message": error.message}


async def _asked(parts: Parts, target: str) -> Mapping[str, Any]:
    headers = {"Accept": "application/json"}
    async with parts.upstream.open("GET", target, headers, seconds=parts.connection.state_seconds) as response:
        await parts.upstream.require_success(response)
        answer = json.loads(await parts.upstream.read(response))
    data: Mapping[str, Any] = answer["data"]
    return data


def _of_caller(parts: Parts, caller: Mapping[str, Any]) -> dict[str, Any]:
    if caller["authenticated"]:
        return {"user": os.environ.get("JUPYTERHUB_USER") or str(caller["primary_namespace"])}
    if parts.connection.credential():
        return {"state": "refused", "message": _NOT_KNOWN}
    if not caller["entity_permissions"]:
        return {"state": "refused", "message": _NOT_SIGNED_IN}
    return {"message": "You are not signed in at conda-store and see what everybody may see."}


_NOT_KNOWN = (
    "conda-store does not know the token of this Jupyter server, or it has expired. Under a JupyterHub the server's "
    "token needs the scope access:services!service=conda-store (c.Spawner.server_token_scopes, see conda_store.hub); "
    "elsewhere give another one with CONDA_STORE_TOKEN."
)
_NOT_SIGNED_IN = (
    "conda-store shows nothing without a token. Run 'conda-store login', or set the variable CONDA_STORE_TOKEN or "
    "c.CondaStoreConnection.token_file, and start the Jupyter server again."
)
