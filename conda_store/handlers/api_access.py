"""`access/` of a namespace and of an environment: who can see this, and why."""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.models import Access, Answer


class WhoHasAccess(ApiHandler):
    """`namespace/{namespace}/access/` and `environment/{namespace}/{name}/access/`"""

    @needs_permission("environment::update")
    @describes(Answer[list[Access]])
    async def get(self, namespace: str, name: str | None = None) -> None:
        """List who has which role here and why, tokens too; for those who work here."""
        found = await self.ask(self.parts.access.people, namespace, name)
        self.answer([*found, *await self.parts.access.tokens(namespace, name)])
