"""`api/v1/audit/`: who did what."""

from __future__ import annotations

from conda_store.audit import AuditEntry, AuditQuery
from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, filtered
from conda_store.models import Page


class AuditTrail(ApiHandler):
    """`audit/`"""

    @filtered("namespace::update")
    @describes(Page[AuditEntry], query=AuditQuery)
    async def get(self) -> None:
        """List who changed what, when and from where, the newest first."""
        asked = self.queried(AuditQuery)
        self.send(await self.ask(self.parts.audit.page, self.identity, asked, self.parts.page_limit))
