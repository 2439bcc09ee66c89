"""Wires the extension into a Jupyter server: its connection, and its handlers below `<base_url>conda-store/`."""

from __future__ import annotations

import re
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join

from conda_store.errors import CondaStoreError
from conda_store_labextension.connection import CondaStoreConnection
from conda_store_labextension.downloads import SaveHandler
from conda_store_labextension.handlers import Handler
from conda_store_labextension.kernel_handlers import KernelsHandler, PinHandler, PinsHandler
from conda_store_labextension.kernels import CondaStoreKernelSpecManager, surround
from conda_store_labextension.parts import Parts
from conda_store_labextension.proxy import ProxyHandler
from conda_store_labextension.state import StateHandler


class CondaStoreExtension(ExtensionApp):
    """What `jupyter server` loads; options are those of `classes`."""

    name = "conda_store_labextension"
    classes = [CondaStoreConnection, CondaStoreKernelSpecManager]  # noqa: RUF012  as Jupyter has it
    parts: Parts | None = None

    def _link_jupyter_server_extension(self, serverapp: Any) -> None:
        """Called before the server makes what finds kernels."""
        super()._link_jupyter_server_extension(serverapp)
        surround(serverapp)

    def initialize_handlers(self) -> None:
        """Add what the panel needs."""
        server: Any = self.serverapp
        connection = CondaStoreConnection(parent=self)
        base = url_path_join(server.web_app.settings["base_url"], "conda-store/")
        parts = {"parts": Parts(connection, base)}
        self.parts = parts["parts"]
        routes: list[tuple[str, type[Handler]]] = [
            (r"connection/?", StateHandler),
            (r"save/?", SaveHandler),
            (r"kernels/?", KernelsHandler),
            (r"pins/?", PinsHandler),
            (r"pins/(?P<build>[0-9]{1,10})/?", PinHandler),
            (r".*", ProxyHandler),
        ]
        escaped = re.escape("conda-store/")
        self.handlers.extend((escaped + path, handler, parts) for path, handler in routes)
        self._say_where(connection)

    async def stop_extension(self) -> None:
        """Let go of connections to conda-store."""
        if self.parts is not None:
            await self.parts.close()

    def _say_where(self, connection: CondaStoreConnection) -> None:
        try:
            self.log.info("conda-store: requests are passed on to %s", connection.address)
        except CondaStoreError as error:
            self.log.warning("conda-store: %s", error.message)
