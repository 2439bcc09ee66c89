"""Forms for settings: `/admin/settings/` (the deployment's), `/namespace/{namespace}/settings/` and
`/environment/{namespace}/{name}/settings/`."""

from __future__ import annotations

from typing import Any

from conda_store import setting_fields
from conda_store.errors import CondaStoreError
from conda_store.handlers.page_actions import FormHandler
from conda_store.handlers.verbs import needs_permission

_OFFERED = ("setting::read", "setting::update", "environment::update", "environment:create")


class SettingsPage(FormHandler):
    """All three levels."""

    @property
    def section(self) -> str:  # type: ignore[override]
        """Where in the top bar the level belongs."""
        return "environments" if "name" in self.path_kwargs else "namespaces" if self.path_kwargs else "admin"

    async def check(self, permission: str) -> None:
        """The deployment's settings concern everything."""
        names = self.path_kwargs
        self.identity.require(permission, names.get("namespace", "*"), names.get("name", "*"))

    @needs_permission("setting::read")
    async def get(self, namespace: str | None = None, name: str | None = None) -> None:
        """Every setting with what it says here and what counts otherwise."""
        await self._show(namespace, name)

    @needs_permission("setting::update")
    async def post(self, namespace: str | None = None, name: str | None = None) -> None:
        """Change what the form changes; with an error the form comes back as it was written."""
        texts = {field: self.get_body_argument(field, "", strip=False) for field in self.request.body_arguments}
        trusted = self.identity.may("setting::update", "*", "*")
        try:
            changes = setting_fields.read(texts)
            await self.ask(self.parts.settings.change, self.actor, changes, namespace, name, trusted=trusted)
        except CondaStoreError as error:
            self.set_status(error.status)
            await self._show(namespace, name, texts=texts, failure=error)
        else:
            self.redirect(self.request.path, status=303)

    async def _show(self, namespace: str | None, name: str | None, **values: Any) -> None:
        own = await self.ask(self.parts.settings.get, namespace, name, own=True)
        effective = await self.ask(self.parts.settings.get, namespace, name)
        groups = setting_fields.grouped(own, effective, deployment=namespace is None, environment=name is not None)
        may = {one: self.identity.may(one, namespace or "*", name or "*") for one in _OFFERED}
        places = {"namespace": namespace, "name": name, "may": may, "groups": groups}
        self.page("settings.html", **places, **({"texts": {}, "failure": None} | values))
