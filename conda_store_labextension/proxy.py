"""`conda-store/api/v1/…` and `api/v2/…`: requests passed on to conda-store, bodies streaming both ways.

What is passed on stands in two lists: everything else, cookies and credentials before all, stays where it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from tornado import web
from tornado.iostream import StreamClosedError

from conda_store.errors import CondaStoreError
from conda_store_labextension.handlers import Handler
from conda_store_labextension.targets import target_of

if TYPE_CHECKING:
    import httpx

    from conda_store_labextension.parts import Parts

_TO_CONDA_STORE = (
    "Accept",
    "Accept-Encoding",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Last-Event-ID",
    "Range",
)
_TO_BROWSER = (
    "Accept-Ranges",
    "Allow",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Expires",
    "Last-Modified",
    "Retry-After",
    "Vary",
    "X-Accel-Buffering",
)
# What a browser may show by itself; everything else is for the disk.
_SHOWN = ("application/json", "text/event-stream", "text/plain")


class BodyTooLarge(CondaStoreError):
    """More than `c.CondaStoreConnection.max_body_bytes`."""

    status = 413
    code = "body_too_large"


class Pipe:
    """The body of a request on its way: a few chunks of it are in memory, and who pours waits for who drinks."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(maxsize=4)
        self._wanted = True

    async def pour(self, chunk: bytes) -> None:
        """Hand on a chunk; an empty one is the end. What nobody wants is dropped."""
        if self._wanted:
            await self._chunks.put(chunk)

    def stop(self) -> None:
        """Nobody drinks any more."""
        self._wanted = False
        while not self._chunks.empty():
            self._chunks.get_nowait()

    async def drink(self) -> AsyncIterator[bytes]:
        """The chunks."""
        while chunk := await self._chunks.get():
            yield chunk


@web.stream_request_body
class ProxyHandler(Handler):
    """Passes a request on, and its answer back."""

    _exchange: asyncio.Task[None] | None = None
    _received = 0

    def initialize(self, parts: Parts) -> None:
        """Called by Tornado for every request."""
        super().initialize()
        self.parts = parts

    async def prepare(self) -> None:  # type: ignore[override]
        """Begin to ask, before the body is there."""
        await super().prepare()
        if self._finished or self.request.method == "OPTIONS":
            return
        headers = self.request.headers
        target = target_of(self.request.path[len(self.parts.base) :], self.request.query or "")
        if int(headers.get("Content-Length", "0")) > self.parts.connection.max_body_bytes:
            raise self._too_large()
        self._pipe, self._whole = Pipe(), asyncio.Event()
        # A task of its own: Tornado would answer a handler that is canceled, and nobody is there to be answered.
        self._exchange = asyncio.create_task(self._pass_on(target))
        self._exchange.add_done_callback(self._passed_on)

    async def data_received(self, chunk: bytes) -> None:
        """A piece of the body, which waits until there is room for it."""
        if self._finished or self._exchange is None:
            return
        self._received += len(chunk)
        if self._received > self.parts.connection.max_body_bytes:
            self._exchange.cancel()
            self.refuse(self._too_large())
        else:
            await self._pipe.pour(chunk)

    @web.authenticated
    async def get(self) -> None:
        """The whole body is there by now."""
        if self._finished or self._exchange is None:
            return
        await self._pipe.pour(b"")
        self._whole.set()
        await asyncio.wait([self._exchange])
        if self._exchange.cancelled():
            self._auto_finish = False
        else:
            self._exchange.result()

    head = post = put = patch = delete = get

    def on_connection_close(self) -> None:
        """Nobody waits for the answer: conda-store is told by the end of its connection."""
        super().on_connection_close()
        if self._exchange is not None:
            self._exchange.cancel()

    def _passed_on(self, exchange: asyncio.Task[None]) -> None:
        self._pipe.stop()
        if not exchange.cancelled():
            exchange.exception()  # it may be that nobody is left to be told

    async def _pass_on(self, target: str) -> None:
        headers, method = self.request.headers, self.request.method or "GET"
        sent = {name: headers[name] for name in _TO_CONDA_STORE if name in headers}
        has_body = "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"
        body = self._pipe.drink() if has_body else None
        try:
            async with self.parts.upstream.open(method, target, sent, body) as response:
                self._pipe.stop()
                await self._whole.wait()
                await self._send(response)
        except StreamClosedError:
            self._auto_finish = False
        except CondaStoreError as error:
            if not self._headers_written:
                raise
            # Only a broken connection can say now that what was promised does not come.
            self.log.warning("conda-store: %s broke off: %s", self.request.path, error.message)
            self.detach().close()

    async def _send(self, response: httpx.Response) -> None:
        self.set_status(response.status_code, response.reason_phrase or None)
        self._set_headers(response)
        await self.flush()
        async for chunk in response.aiter_raw():
            self.write(chunk)
            await self.flush()
        self.finish()

    def _set_headers(self, response: httpx.Response) -> None:
        found = response.headers
        self.clear_header("Content-Type")
        for name in _TO_BROWSER:
            for value in found.get_list(name):
                self.add_header(name, value)
        if found.get("Location") and response.is_redirect:
            self.set_header("Location", self.parts.base + found["Location"])
        kind = found.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in _SHOWN and not kind.endswith("+json"):
            given = found.get("Content-Disposition", "")
            rest = given.partition(";")[2].strip()
            self.set_header("Content-Disposition", f"attachment; {rest}" if rest else "attachment")

    def _too_large(self) -> BodyTooLarge:
        most = self.parts.connection.max_body_bytes
        return BodyTooLarge(
            f"The body is larger than {most} bytes, and this Jupyter server passes nothing larger on to conda-store "
            "(c.CondaStoreConnection.max_body_bytes)."
        )
