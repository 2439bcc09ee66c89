"""`health`, `ready` and `metrics`: what machines ask about this server."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import public


class Health(ApiHandler):
    """Alive: the event loop turns."""

    @public
    def get(self) -> None:
        """Ask nobody."""
        self.send({"status": "ok"})


class Ready(ApiHandler):
    """Database and storage answer."""

    @public
    async def get(self) -> None:
        """Raises what is wrong with the dependency that does not answer."""
        await self.ask(self.parts.state.check)
        self.send({"status": "ok"})


class Metrics(ApiHandler):
    """Numbers for Prometheus."""

    @public
    async def get(self) -> None:
        """Counted at this moment."""
        text = await self.ask(self.parts.state.metrics)
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(text)
