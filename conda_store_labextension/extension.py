"""Wires the extension into a Jupyter server: its connection, and its handlers below `<base_url>conda-store/`."""

from __future__ import annotations

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

from conda_store_labextension.connection import Connection
from conda_store_labextension.state import StateHandler


def load(server: ServerApp) -> None:
    """Add what the panel needs to `server`."""
    connection = Connection(parent=server)
    routes = [("connection", StateHandler)]
    base = url_path_join(server.web_app.settings["base_url"], "conda-store")
    handlers = [(url_path_join(base, path), handler, {"connection": connection}) for path, handler in routes]
    server.web_app.add_handlers(".*$", handlers)  # type: ignore[no-untyped-call]
    server.log.info("conda-store: passes requests on to %s", connection.url or "no server yet")
