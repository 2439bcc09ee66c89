"""`conda-store/kernels/` and `conda-store/pins/`: what the panel shows and changes of kernels."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado import web

from conda_store.client import ServerUnreachable
from conda_store.errors import BadInput
from conda_store_labextension.handlers import Handler
from conda_store_labextension.kernels import CondaStoreKernelSpecManager
from conda_store_labextension.upstream import Unreachable

_LARGEST = 2**31
_PATIENCE_SECONDS = 5.0


class KernelsHandler(Handler):
    """`kernels/`"""

    @web.authenticated
    async def get(self) -> None:
        """What can be chosen, as the server said last; with `?refresh=1` it is asked, and not waited for for long."""
        manager = _found(self.kernel_spec_manager)
        if manager and self.get_query_argument("refresh", "") not in ("", "0"):
            await asyncio.to_thread(manager.listing.refresh, _PATIENCE_SECONDS)
        rows = [one.row() for one in manager.offered()] if manager else []
        self.answer({"enabled": manager is not None, "kernels": rows})


class PinsHandler(Handler):
    """`pins/`"""

    @web.authenticated
    async def post(self) -> None:
        """Pin a build: `{"build": 7}`."""
        manager, build = _needed(self.kernel_spec_manager), _build(self.get_json_body())
        try:
            kernel = await asyncio.to_thread(manager.pin, build)
        except ServerUnreachable as error:
            raise Unreachable(error.message) from error
        self.answer({"kernel_name": str(kernel.name), "display_name": kernel.display_name}, 201)


class PinHandler(Handler):
    """`pins/<build>/`"""

    @web.authenticated
    async def delete(self, build: str) -> None:
        """Pin a build no longer."""
        await asyncio.to_thread(_needed(self.kernel_spec_manager).unpin, int(build))
        self.set_status(204)
        self.finish()


def _found(manager: Any) -> CondaStoreKernelSpecManager | None:
    """The manager, where environments are kernels."""
    return manager if isinstance(manager, CondaStoreKernelSpecManager) and manager.active else None


def _needed(manager: Any) -> CondaStoreKernelSpecManager:
    found = _found(manager)
    if found is None:
        raise BadInput("Environments are no kernels here: an administrator switched that off, or no server is named.")
    return found


def _build(body: Any) -> int:
    build = body.get("build") if isinstance(body, dict) else None
    if not isinstance(build, int) or isinstance(build, bool) or not 0 < build < _LARGEST:
        raise BadInput('Say which build: {"build": 7}.')
    return build
