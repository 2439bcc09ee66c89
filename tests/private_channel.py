"""A channel over HTTP that counts requests, asks for credentials and may redirect."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class WatchedServer:
    """Serves `directory` below `/chan`; `wanted` is the `Authorization` or `/t/…` that it asks for."""

    def __init__(self, directory: Path, wanted: str = "", redirect: str = "") -> None:
        self.requests: list[tuple[str, str | None]] = []
        self.wanted = wanted
        outer = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(directory))

            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Authorization")))
                wanted = outer.wanted
                if wanted.startswith("/t/"):
                    granted, self.path = self.path.startswith(f"{wanted}/"), self.path.removeprefix(wanted)
                else:
                    granted = not wanted or self.headers.get("Authorization") == wanted
                if not granted:
                    self.send_error(401)
                elif redirect and self.path.endswith((".conda", "repodata.json")):
                    self.send_response(302)
                    self.send_header("Location", redirect + self.path)
                    self.end_headers()
                else:
                    # Its 304 would name no validator, and rattler takes such an answer for an error.
                    del self.headers["If-Modified-Since"]
                    self.path = self.path.removeprefix("/chan")
                    super().do_GET()

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.root = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.root}/chan"


@contextmanager
def watched(directory: Path, wanted: str = "", redirect: str = "") -> Iterator[WatchedServer]:
    """A server for the time of a test."""
    made = WatchedServer(directory, wanted, redirect)
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()


def basic(user: str, password: str) -> str:
    """The header of HTTP's basic authentication (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
