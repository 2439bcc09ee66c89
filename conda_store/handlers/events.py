"""`api/v1/build/{build}/events/`: what happens in a build, as it happens."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from tornado.iostream import StreamClosedError

from conda_store.errors import BadInput
from conda_store.handlers.builds_in_paths import BuildHandler
from conda_store.handlers.verbs import describes, needs_permission


class BuildEvents(BuildHandler):
    """A stream of server-sent events; a client that comes back says with `Last-Event-ID` what it has."""

    _sending: asyncio.Task[None] | None = None

    @needs_permission("environment::read")
    @describes("text/event-stream")
    async def get(self, **_: str) -> None:
        """Follow a build; 204 when nothing is left to tell, which ends a browser's attempts."""
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        self.parts.watcher.enter(self)
        # A task of its own: Tornado would answer a handler that is canceled, and nobody is there to be answered.
        self._sending = asyncio.create_task(self._send(self._last()))
        await asyncio.wait([self._sending])
        if self._sending.cancelled():
            self.abandon()
            return
        self._sending.result()
        if not self._headers_written:
            self.clear_header("Content-Type")
            self.set_status(204)

    async def _send(self, last: int) -> None:
        async with aclosing(self.parts.watcher.follow(self.build_id, last)) as events:
            async for text in events:
                self.write(text)
                try:
                    await self.flush()
                except StreamClosedError:
                    self.abandon()
                    return

    def on_finish(self) -> None:
        """Nothing more is said."""
        self.parts.watcher.leave(self)

    def on_connection_close(self) -> None:
        """Stop waiting for what nobody will read."""
        self.parts.watcher.leave(self)
        if self._sending is not None:
            self._sending.cancel()

    def _last(self) -> int:
        text = self.request.headers.get("Last-Event-ID", "").strip() or "0"
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadInput("'Last-Event-ID' is not one that this stream gave: leave it out to begin at the start.")
        return int(text)
