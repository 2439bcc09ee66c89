"""A small registry that behaves as real ones do on other days: tokens, redirects, errors, damaged bytes.

It serves the blobs of an OCI layout; whatever is asked, the repository is `odd/image` and its tag `1`.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from conda_store.registry.manifests import OCI_INDEX, OCI_MANIFEST


@dataclass
class OddRegistry:
    """How it behaves, and what it saw."""

    layout: Path
    root: str
    bearer: str | None = None
    user: str | None = None
    redirect: str | None = None
    status: int | None = None
    damaged: str | None = None
    cut: str | None = None
    host: str = ""
    requests: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    @property
    def image(self) -> str:
        """The reference."""
        return f"{self.host}/odd/image:1"


@contextmanager
def odd_registry(layout: Path, root: str) -> Iterator[OddRegistry]:
    """Serve; `root` is the digest of the manifest or index that the tag stands for."""
    registry = OddRegistry(layout, root)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(registry, self)

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(registry: OddRegistry, request: BaseHTTPRequestHandler) -> None:
    """One request."""
    authorization = request.headers.get("Authorization")
    registry.requests.append(request.path)
    registry.authorizations.append(authorization)
    if request.path.startswith("/token"):
        return send_token(registry, request, authorization)
    if registry.status is not None:
        return send(request, registry.status, b"no")
    if registry.bearer is not None and authorization != f"Bearer {registry.bearer}":
        realm = f'Bearer realm="http://{registry.host}/token",service="odd, service",scope="repository:odd/image:pull"'
        return send(request, 401, b"", {"WWW-Authenticate": realm})
    name = request.path.rpartition("/")[2]
    if "/blobs/" in request.path and registry.redirect is not None:
        return send(request, 307, b"", {"Location": f"{registry.redirect}/v2/x/blobs/{name}"})
    digest = registry.root if name == "1" else name
    data = (registry.layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()
    if digest == registry.damaged:
        data = bytes([data[0] ^ 1]) + data[1:]
    if digest == registry.cut:
        return send(request, 200, data[:10], {}, length=len(data))
    kind = OCI_INDEX if b'"manifests"' in data else OCI_MANIFEST
    return send(request, 200, data, {"Content-Type": kind})


def send_token(registry: OddRegistry, request: BaseHTTPRequestHandler, authorization: str | None) -> None:
    """The token server: the right user, service and scope, or none."""
    query = parse_qs(urlsplit(request.path).query)
    expected = None
    if registry.user is not None:
        expected = "Basic " + base64.b64encode(registry.user.encode()).decode()
    right = query == {"service": ["odd, service"], "scope": ["repository:odd/image:pull"]}
    if authorization != expected or not right:
        return send(request, 401, b"{}")
    return send(request, 200, f'{{"token": "{registry.bearer}"}}'.encode())


def send(
    request: BaseHTTPRequestHandler,
    status: int,
    data: bytes,
    headers: dict[str, str] | None = None,
    *,
    length: int | None = None,
) -> None:
    """Status, headers and body; `length` promises another number of bytes."""
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(data) if length is None else length))
    request.end_headers()
    request.wfile.write(data)
