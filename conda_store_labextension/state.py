"""`GET conda-store/connection`: where the server is, and whether it answers."""

from __future__ import annotations

from jupyter_server.base.handlers import APIHandler
from tornado import web

from conda_store_labextension.connection import Connection


class StateHandler(APIHandler):
    """Tells the panel what it is connected with."""

    def initialize(self, connection: Connection) -> None:
        """`connection` is that of the extension."""
        super().initialize()
        self.connection = connection

    @web.authenticated
    async def get(self) -> None:
        """Where requests go."""
        self.finish({"url": self.connection.url})
