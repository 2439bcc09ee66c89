"""`conda-store/api/v1/…` and `api/v2/…`: requests passed on to conda-store, bodies streaming both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from tornado import web
from tornado.iostream import StreamClosedError

from conda_store.errors import CondaStoreError
from conda_store_labextension.handlers import Handler
from conda_store_labextension.passed_headers import to_browser, to_conda_store
from conda_store_labextension.targets import target_of

if TYPE_CHECKING:
    import httpx


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

    _received = 0
    _refusal: Exception | None = None

    async def prepare(self) -> None:  # type: ignore[override]
        """Begin to ask, before the body is there. A refusal has to wait for it: who sends hears nothing before."""
        self._pipe, self._whole = Pipe(), asyncio.Event()
        try:
            await super().prepare()
            target = target_of(self.request.path[len(self.parts.base) :], self.request.query or "")
            length = self.request.headers.get("Content-Length", "")
            self._count(int(length) if length.isascii() and length.isdigit() else 0)
        except (web.HTTPError, CondaStoreError) as error:
            self._refusal = error
        else:
            if self.request.method != "OPTIONS":
                self.begin(self._pass_on(target)).add_done_callback(lambda _: self._pipe.stop())

    async def data_received(self, chunk: bytes) -> None:
        """A piece of the body, which waits until there is room for it."""
        if self._refusal is not None or self._work is None:
            return
        self._received += len(chunk)
        try:
            self._count(self._received)
        except BodyTooLarge as error:
            self._refusal = error
            self._work.cancel()
        else:
            await self._pipe.pour(chunk)

    def _count(self, size: int) -> None:
        most = self.parts.connection.max_body_bytes
        if size > most:
            raise BodyTooLarge(
                f"The body is larger than {most} bytes, and this Jupyter server passes nothing larger on to "
                "conda-store (c.CondaStoreConnection.max_body_bytes)."
            )

    @web.authenticated
    async def get(self) -> None:
        """The whole body is there by now."""
        if self._refusal is not None:
            raise self._refusal
        await self._pipe.pour(b"")
        self._whole.set()
        await self.ended()

    head = post = put = patch = delete = get

    async def _pass_on(self, target: str) -> None:
        headers, method = self.request.headers, self.request.method or "GET"
        sent = to_conda_store(headers)
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
        self.set_status(response.status_code)
        self._set_headers(response)
        await self.flush()
        async for chunk in response.aiter_raw():
            self.write(chunk)
            await self.flush()
        self.finish()

    def _set_headers(self, response: httpx.Response) -> None:
        self.clear_header("Content-Type")
        for name, value in to_browser(response.status_code, response.headers.raw).items():
            self.set_header(name, value)
        if response.has_redirect_location:
            self.set_header("Location", self.parts.base + response.headers["Location"])
