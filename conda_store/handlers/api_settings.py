"""`api/v1/setting/…`"""

from __future__ import annotations

from typing import Any

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.inputs import SettingChanges, SettingQuery
from conda_store.models import Acknowledgement, Answer


class Settings(ApiHandler):
    """`setting/`, `setting/{namespace}/` and `setting/{namespace}/{name}/`"""

    async def check(self, permission: str) -> None:
        """The deployment's settings concern everything."""
        names = self.path_kwargs
        self.identity.require(permission, names.get("namespace", "*"), names.get("name", "*"))

    @needs_permission("setting::read")
    @describes(Answer[dict[str, Any]], query=SettingQuery)
    async def get(self, namespace: str | None = None, name: str | None = None) -> None:
        """Show the settings that count here, or only those that are set here."""
        own = self.queried(SettingQuery).own
        self.answer(await self.ask(self.parts.settings.get, namespace, name, own=own))

    @needs_permission("setting::update")
    @describes(Acknowledgement, body=SettingChanges)
    async def put(self, namespace: str | None = None, name: str | None = None) -> None:
        """Change some settings; null takes one back."""
        changes = self.body(SettingChanges).root
        trusted = self.identity.may("setting::update", "*", "*")
        await self.ask(self.parts.settings.change, self.actor, changes, namespace, name, trusted=trusted)
        where = "/".join(filter(None, (namespace, name))) or "global"
        self.answer(None, f"{where} settings updated")
