"""`api/v1/usage/`: what namespaces hold."""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, filtered
from conda_store.models import Answer, Usage


class NamespaceUsage(ApiHandler):
    """`usage/`"""

    @filtered("environment::read")
    @describes(Answer[dict[str, Usage]])
    async def get(self) -> None:
        """Count environments, builds and bytes of each namespace."""
        self.answer(await self.ask(self.parts.usage.get, self.identity))
