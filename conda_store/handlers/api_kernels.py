"""`api/v1/kernel/`: environments that notebooks can run in."""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, filtered
from conda_store.inputs import KernelQuery
from conda_store.models import Answer, RunnableBuild


class Kernels(ApiHandler):
    """`kernel/`"""

    @filtered("environment::read")
    @describes(Answer[list[RunnableBuild]], query=KernelQuery)
    async def get(self) -> None:
        """List builds that hold a Jupyter kernel, current ones and named ones; 304 while all is as it was."""
        found = await self.ask(self.parts.kernels.all, self.identity, self.queried(KernelQuery))
        self.set_header("ETag", found.etag)
        self.set_header("Content-Type", "application/json")
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
        else:
            self.finish(found.body)
