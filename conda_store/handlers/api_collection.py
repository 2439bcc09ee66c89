"""`api/v1/gc/`: garbage collection."""

from __future__ import annotations

from conda_store.garbage import Garbage
from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.models import Acknowledgement, Answer


class Collections(ApiHandler):
    """`gc/`"""

    async def check(self, permission: str) -> None:
        """The disk is everybody's."""
        self.identity.require(permission, "*", "*")

    @needs_permission("setting::update")
    @describes(Answer[Garbage])
    async def get(self) -> None:
        """Say what would be removed from the disk now, and why; nothing is."""
        found = await self.ask(self.parts.collections.plan)
        self.answer(Garbage(size=found.size, removals=list(found.removals)))

    @needs_permission("setting::update")
    @describes(Acknowledgement)
    async def post(self) -> None:
        """Begin to remove what was deleted and what nothing needs, unless that goes on already."""
        await self.ask(self.parts.collections.begin, self.actor)
        self.answer(None, "Garbage collection has begun.")
