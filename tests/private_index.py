"""A small package index (PEP 503, PEP 691) over HTTP that asks for credentials, counts requests, and may lead away."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.invented import make_wheel

# As large indexes say, so that uv asks for nothing twice unless it must.
_KEPT = {"Cache-Control": "max-age=600"}
_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class PrivateIndex:
    """Serves wheels below `/simple/` and `/files/`; `wanted` is the `Authorization` or `/t/…` that it asks for.

    `links` is the start of links in pages, `redirect` where requests for wheels are sent, `held` an event that they
    wait for; `refusal` is the status for who lacks credentials; `look` is called with each request.
    """

    folder: Path
    wanted: str = ""
    links: str = "../../files/"
    redirect: str = ""
    refusal: int = 401
    is_json: bool = False
    held: threading.Event | None = None
    look: Callable[[], object] = bool
    wheels: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    root: str = ""

    @property
    def url(self) -> str:
        return f"{self.root}/simple"

    def add(self, name: str) -> None:
        """A wheel with the module `name`."""
        wheel = make_wheel(self.folder, name, {f"{name}.py": b"x = 1\n"})
        self.wheels[wheel.file_name] = (self.folder / wheel.file_name).read_bytes()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a GET or HEAD."""
        given = request.headers.get("Authorization")
        self.requests.append((request.path, given))
        self.look()
        path = request.path
        if self.wanted.startswith("/t/"):
            is_open, path = path.startswith(f"{self.wanted}/"), path.removeprefix(self.wanted)
        else:
            is_open = not self.wanted or given == self.wanted
        name = path.rstrip("/").rpartition("/")[2]
        if self.held is not None:
            self.held.wait(60)
        if not is_open:
            _send(request, self.refusal, {"WWW-Authenticate": 'Basic realm="index"'}, b"closed")
        elif path.startswith("/files/") and self.redirect:
            _send(request, 302, {"Location": self.redirect + path}, b"")
        elif path.startswith("/files/") and name in self.wheels:
            _send(request, 200, {"Content-Type": "application/octet-stream", **_KEPT}, self.wheels[name])
        elif path.startswith("/simple/") and (files := [one for one in self.wheels if one.startswith(f"{name}-")]):
            content_type = _JSON if self.is_json else "text/html"
            _send(request, 200, {"Content-Type": content_type, **_KEPT}, self._page(name, files))
        else:
            _send(request, 404, {}, b"")

    def _page(self, name: str, files: list[str]) -> bytes:
        digests = {one: hashlib.sha256(self.wheels[one]).hexdigest() for one in files}
        if self.is_json:
            listed = [{"filename": one, "url": self.links + one, "hashes": {"sha256": digests[one]}} for one in files]
            return json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": listed}).encode()
        anchors = [f'<a href="{self.links}{one}#sha256={digests[one]}">{one}</a>' for one in files]
        return f"<!DOCTYPE html><html><body>{'<br>'.join(anchors)}</body></html>".encode()


def _send(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes) -> None:
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(data))}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(data)


@contextmanager
def serving(directory: Path, **options: Any) -> Iterator[PrivateIndex]:
    """An index for the time of a test; `options` are fields of `PrivateIndex`."""
    index = PrivateIndex(directory, **options)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            index.answer(self)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    index.root = f"http://127.0.0.1:{server.server_port}"
    try:
        yield index
    finally:
        if index.held is not None:
            index.held.set()
        server.shutdown()
        server.server_close()
