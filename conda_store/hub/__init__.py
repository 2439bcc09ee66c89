"""What a Hub administrator imports into `jupyterhub_config.py` (docs/jupyterhub.md). Needs neither Hub nor server.

Here stands what describes conda-store to the Hub; what lets users choose an environment when their server starts is
`spawner`, which is loaded when `CondaStoreSpawnerMixin` is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from conda_store.hub.address import service_address
from conda_store.hub.rights import NAME, PREFIX

if TYPE_CHECKING:
    from conda_store.hub.spawner import CondaStoreSpawnerMixin

__all__ = [
    "NAME",
    "CondaStoreSpawnerMixin",
    "external_service",
    "roles",
    "scopes",
    "server_environment",
    "server_token_scopes",
    "service",
]


def service(
    url: str = "http://127.0.0.1:5000", *options: str, name: str = NAME, command: Sequence[str] = (), **more: Any
) -> dict[str, Any]:
    """An entry of `c.JupyterHub.services`: the Hub starts conda-store, listening on `url`, and stops it.

    `options` are those of `conda-store serve`, such as `--config=/etc/conda_store_config.py`; `more` are other keys of
    the entry, such as `environment`.
    """
    program = list(command) or [sys.executable, "-m", "conda_store"]
    return {
        "name": name,
        "url": url,
        "command": [*program, "serve", *options],
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": list(scopes()),
        **more,
    }


def external_service(url: str, api_token: str, *, name: str = NAME, **more: Any) -> dict[str, Any]:
    """The same for a conda-store that somebody else starts and stops, and that has `api_token` too."""
    entry = service(url, name=name, api_token=api_token, **more)
    return {key: value for key, value in entry.items() if key != "command"}


def scopes() -> dict[str, dict[str, Any]]:
    """For `c.JupyterHub.custom_scopes`."""
    read, write, admin, everything = (f"{PREFIX}{one}" for one in ("read", "write", "admin", "everything"))
    return {
        everything: {"description": "Be an administrator of conda-store.", "subscopes": [admin]},
        admin: {"description": "Do in conda-store all that one may do.", "subscopes": [write]},
        write: {"description": "Make and change environments in conda-store where one may.", "subscopes": [read]},
        read: {"description": "See and pull environments of conda-store where one may."},
    }


def roles(
    groups: Iterable[str] = (), users: Iterable[str] = (), *, everyone: bool = False, name: str = NAME
) -> list[dict[str, Any]]:
    """For `c.JupyterHub.load_roles`: who may use conda-store, and that conda-store may look up users.

    With `everyone` all users of the Hub may, by its role `user`.
    """
    access = {"scopes": [f"access:services!service={name}", f"{PREFIX}admin!user"]}
    own = {"name": f"{name}-service", "services": [name], "scopes": ["read:users:name", "read:users:groups"]}
    if everyone:
        return [own, {"name": "user", "scopes": ["self", *access["scopes"]]}]
    return [own, {"name": f"{name}-user", "groups": list(groups), "users": list(users), **access}]


def server_token_scopes(name: str = NAME) -> list[str]:
    """For `c.Spawner.server_token_scopes`: notebooks may use conda-store in their user's name."""
    return ["users:activity!user", "access:servers!server", f"access:services!service={name}", f"{PREFIX}admin!user"]


def server_environment(url: str, name: str = NAME) -> dict[str, str | Callable[[Any], str]]:
    """For `c.Spawner.environment`: where servers find conda-store, for their panel, kernels and command line.

    `url` is where they reach it: the Hub's public address (`https://hub.example.org`), or the service's own where they
    run on its machine (`http://127.0.0.1:5000`). An address with a path stands as it is.
    """
    return {"CONDA_STORE_URL": lambda spawner: service_address(url, spawner.hub.base_url, name)}


def __getattr__(name: str) -> Any:
    # It needs tornado, which a Hub has; whoever only describes services does not wait for it.
    if name == "CondaStoreSpawnerMixin":
        from conda_store.hub.spawner import CondaStoreSpawnerMixin

        return CondaStoreSpawnerMixin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
