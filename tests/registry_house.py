"""The registry's real handlers on a port of their own, with images that the engine made and rows in a real database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from conda_store.audit import Actor
from conda_store.auth.tokens import IssuedToken
from conda_store.db import Database
from conda_store.db.orm import ManifestRow, TagRow
from conda_store.handlers.http_server import PlainServer
from conda_store.handlers.registry import registry_routes
from conda_store.handlers.registry_base import Access
from conda_store.registry.errors import Unauthorized
from conda_store.registry.layout import closure
from conda_store.registry.manifests import INDEXES, MANIFESTS, Descriptor
from conda_store.registry.serve import RegistryServer
from conda_store.storage.base import Storage


@dataclass(frozen=True)
class House:
    """A running registry: `host` is `127.0.0.1:<port>`."""

    host: str
    serve: RegistryServer

    @property
    def url(self) -> str:
        return f"http://{self.host}/v2/"


def admit(database: Database, storage: Storage, repository: str, image: Descriptor, tags: Sequence[str] = ()) -> None:
    """Let everything that `image` reaches be served under `repository`."""
    with database.write() as session:
        for one in closure(storage, [image]):
            media_type = one.media_type if one.media_type in INDEXES | MANIFESTS else ""
            session.add(ManifestRow(repository=repository, digest=one.digest, media_type=media_type, size=one.size))
        for tag in tags:
            session.add(TagRow(repository=repository, tag=tag, digest=image.digest))


#: "Error Codes" of the distribution-spec 1.1; the list is closed, for answers below 500.
CODES = """
BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID
MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS
"""


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and OCI code of an error, whose envelope is checked."""
    (error,) = answer.json()["errors"]
    assert set(error) == {"code", "message", "detail"} and error["message"]
    assert error["code"] in CODES.split() or answer.status_code >= 500
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    return answer.status_code, error["code"]


@contextmanager
def running(routes: Callable[[], Sequence[Any]]) -> Iterator[str]:
    """Serve `routes` (made within the loop) from a thread of this process; gives `127.0.0.1:<port>`."""
    sockets = bind_sockets(0, "127.0.0.1")
    started, loops, stop = threading.Event(), [], asyncio.Event()

    async def serve() -> None:
        server = PlainServer(Application(list(routes())))
        server.add_sockets(sockets)
        loops.append(asyncio.get_running_loop())
        started.set()
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="registry")
    thread.start()
    assert started.wait(30)
    try:
        yield f"127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(30)


class Anybody:
    """Whoever it is may do everything, and gets no token."""

    actor = Actor("anybody")

    async def __call__(self, handler: RequestHandler) -> Anybody:
        return self

    def check(self, repository: str | None) -> None:
        """Let pass."""

    def check_lists(self) -> None:
        """Let pass."""

    def may_pull(self, repository: str) -> bool:
        return True

    async def give_token(self, authorization: str | None, names: Iterable[str]) -> IssuedToken:
        raise Unauthorized("There are no tokens here.")


@contextmanager
def registry_of(database: Database, storage: Storage, access: Access | None = None, **options: Any) -> Iterator[House]:
    """The registry over `database` and `storage`; `options` are those of `registry_routes`."""
    serve = RegistryServer(database, storage)
    with running(lambda: registry_routes(serve, access or Anybody(), **options)) as host:
        yield House(host, serve)
