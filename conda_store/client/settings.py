"""Settings over the REST API, on three levels: deployment, namespace, environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conda_store.client.connection import Speaker, quoted
from conda_store.errors import BadInput


class Settings(Speaker):
    """Settings of the deployment (no names), of a namespace, or of an environment (both names)."""

    def settings(self, namespace: str | None = None, name: str | None = None, *, own: bool = False) -> dict[str, Any]:
        """The settings that count there, or with `own` only those that are set there."""
        params = {"own": "true"} if own else {}
        return self._connection.data("GET", _path(namespace, name), dict, params=params)

    def change_settings(
        self, changes: Mapping[str, Any], namespace: str | None = None, name: str | None = None
    ) -> None:
        """Set these; None takes one back, so that the level above counts again."""
        self._connection.tell("PUT", _path(namespace, name), json=dict(changes))


def _path(namespace: str | None, name: str | None) -> str:
    if name is not None and namespace is None:
        raise BadInput(f"Of which namespace is {name!r}? Settings of an environment need both names.")
    return "/".join(["setting", *(quoted(one) for one in (namespace, name) if one is not None), ""])
