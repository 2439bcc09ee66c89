"""`api/v1/overview/`: everything at a glance, for panels that keep a list up to date."""

from __future__ import annotations

from conda_store.glances import Everything
from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, filtered
from conda_store.models import Answer


class OverviewList(ApiHandler):
    """`overview/`"""

    @filtered("environment::read")
    @describes(Answer[Everything])
    async def get(self) -> None:
        """List all environments with status, role and newest build; 304 while nothing has changed."""
        found = await self.ask(self.parts.glances.everything, self.identity)
        self.set_header("ETag", found.etag)
        self.set_header("Content-Type", "application/json")
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
        else:
            self.finish(found.body)
