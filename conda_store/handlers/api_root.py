"""`api/v1/`: which version this is, what a caller may do, and the description of all of it."""

from __future__ import annotations

from conda_store._version import __version__
from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, public
from conda_store.models import Answer, Permissions, Version


class Root(ApiHandler):
    """`api/v1/`"""

    @public
    @describes(Answer[Version])
    def get(self) -> None:
        """Tell the version of this server."""
        self.answer(Version(version=__version__))


class OwnPermissions(ApiHandler):
    """`api/v1/permission/`"""

    @public
    @describes(Answer[Permissions])
    async def get(self) -> None:
        """Tell the caller what they may do."""
        who = self.identity
        data = Permissions(
            authenticated=who.name is not None,
            primary_namespace=await self.ask(self.parts.settings.home, who),
            entity_permissions=who.entity_permissions(),
            entity_roles=who.entity_roles(),
            expiration=who.expiration.isoformat().replace("+00:00", "Z") if who.expiration else None,
        )
        self.answer(data)


class OpenApi(ApiHandler):
    """`api/openapi.json`"""

    @public
    @describes("application/json")
    def get(self) -> None:
        """Describe this API as OpenAPI 3.1."""
        self.send(self.application.settings["openapi"])
