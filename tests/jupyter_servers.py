"""A Jupyter server with the extension, in a thread of its own, spoken to by HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from traitlets.config import Config

BASE = "/a%40b/"
TOKEN = "of-jupyter"  # noqa: S105


class JupyterServer:
    """A server that serves; `http` speaks to what stands below `conda-store/`, as somebody who has Jupyter's token."""

    def __init__(self, app: ServerApp, port: int, folder: Path) -> None:
        self.app, self.port, self.folder = app, port, folder
        self.root = f"http://127.0.0.1:{port}{BASE}"
        self.http = httpx.Client(
            base_url=f"{self.root}conda-store/", headers={"Authorization": f"token {TOKEN}"}, timeout=30
        )

    @property
    def connection(self) -> Any:
        """That of the extension: a test may lead it to another conda-store."""
        return self.app.web_app.settings["conda_store_labextension"].parts.connection

    def save(self, path: str, **more: str) -> httpx.Response:
        """Save a download in the file browser's folder."""
        return self.http.post("save/", json={"path": path, **more})


@contextmanager
def running_jupyter(directory: Path, **options: Any) -> Iterator[JupyterServer]:
    """A server for the folder `directory/files`; `options` are those of `CondaStoreConnection`, or `Class__option`."""
    folder = directory / "files"
    folder.mkdir(parents=True)
    config = Config()
    config.ServerApp.jpserver_extensions = {"conda_store_labextension": True}
    config.ServerApp.root_dir = str(folder)
    config.ServerApp.base_url = BASE
    config.ServerApp.log_level = "WARN"
    config.IdentityProvider.token = TOKEN
    # What finds kernels asks conda-store by itself.
    config.CondaStoreKernelSpecManager.enabled = False
    for name, value in options.items():
        owner, _, option = name.rpartition("__")
        config[owner or "CondaStoreConnection"][option] = value
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONFIG", "DATA", "RUNTIME"):
            patch.setenv(f"JUPYTER_{name}_DIR", str(directory / name.lower()))
        patch.setenv("JUPYTER_NO_CONFIG", "1")
        thread.start()
        try:
            serving = _Serving(config)
            asyncio.run_coroutine_threadsafe(serving.open(), loop).result(60)
            server = JupyterServer(serving.app, serving.port, folder)
            try:
                yield server
            finally:
                server.http.close()
                asyncio.run_coroutine_threadsafe(serving.close(), loop).result(60)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


class _Serving:
    """What happens in the server's thread."""

    def __init__(self, config: Config) -> None:
        self.config = config

    async def open(self) -> None:
        """Listen."""
        self.app = ServerApp(config=self.config)
        self.app.init_signal = lambda: None  # type: ignore[method-assign]  # only a main thread may
        self.app.initialize(argv=[], new_httpserver=False)
        socket, self.port = bind_unused_port()
        self.http = HTTPServer(self.app.web_app)
        self.http.add_socket(socket)

    async def close(self) -> None:
        """Let go of everything."""
        self.http.stop()
        await self.app._cleanup()
        await self.http.close_all_connections()
        self.app.kernel_manager.context.destroy()
