"""Waiting for what other processes write: one poller per process, however many are waiting.

Managers are synchronous; this one lives in the event loop, because a hundred watchers must not hold a hundred threads.
"""

from __future__ import annotations

import asyncio
import logging
import math
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from conda_store.db import Database
from conda_store.errors import CondaStoreError
from conda_store.managers.events import EventPage, read_events

R = TypeVar("R")

log = logging.getLogger(__name__)

#: Most seconds between two looks at the change number, and fewest. While somebody waits for an outcome, they are a
#: twentieth of the time that the latest of them has waited: what is quick is not made to seem slow.
INTERVAL_SECONDS, SHORTEST_SECONDS = 0.1, 0.01
_PART_OF_WAIT = 0.05
# Longer than this without a word, and proxies think that a stream is dead.
_HEARTBEAT_SECONDS = 15.0
_HEARTBEAT = b":\n\n"
_FIRST_WORDS = b"retry: 1000\n\n"
_KEPT_EVENTS = 5000


class TookTooLong(CondaStoreError):
    """What was waited for goes on; the next request joins it."""

    status = 503
    code = "not_ready_yet"


class Watcher:
    """Tells when something was written. `pool` runs its queries."""

    def __init__(self, database: Database, pool: Executor) -> None:
        self.database, self.pool = database, pool
        self.version = 0
        self._waiting: dict[asyncio.Future[None], float] = {}
        self._poller: asyncio.Task[None] | None = None
        self._feeds: dict[int, Feed] = {}
        self._senders: set[object] = set()
        self._closed, self._deserted = False, asyncio.Event()

    async def changed(self, seen: int, seconds: float, since: float = -math.inf) -> None:
        """Return when `version` is no longer `seen`, or after `seconds`; `since` (time of the loop) is for how long the
        caller has waited."""
        if self.version != seen or self._closed:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = since
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            del self._waiting[future]

    def close(self) -> None:
        """Look no longer, and let all who wait go."""
        self._closed = True
        if self._poller is not None:
            self._poller.cancel()
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def enter(self, sender: object) -> None:
        """Count somebody who sends what `follow` gives."""
        self._senders.add(sender)

    def leave(self, sender: object) -> None:
        """It has said its last word."""
        self._senders.discard(sender)
        if not self._senders:
            self._deserted.set()

    async def deserted(self, seconds: float) -> None:
        """Return when nobody sends any more, or after `seconds`."""
        if self._senders:
            self._deserted.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._deserted.wait(), seconds)

    async def until(self, find: Callable[[], R | None], seconds: float, what: str) -> R:
        """What `find` (called in a thread after every change) gives, once it is not None. Raises `TookTooLong`."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        end = since + seconds
        while True:
            seen = self.version
            found = await self.run(find)
            if found is not None:
                return found
            if loop.time() >= end or self._closed:
                raise TookTooLong(f"{what} is still being made: ask again in a while.")
            await self.changed(seen, end - loop.time(), since)

    async def run(self, function: Callable[[], R]) -> R:
        """`function` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, function)

    async def call(self, function: Callable[..., R], *arguments: Any) -> R:
        """`function` with arguments, in a thread."""
        return await self.run(partial(function, *arguments))

    async def follow(self, build_id: int, after: int) -> AsyncGenerator[bytes]:
        """Server-sent events of a build with numbers above `after`, until it and its artifacts have ended.

        Nothing at all when nothing is left to tell.
        """
        feed = self._feeds.setdefault(build_id, Feed(self, build_id, after))
        feed.watchers += 1
        head = _FIRST_WORDS
        try:
            while True:
                seen = self.version
                await feed.refresh(seen)
                lines, after = await feed.after(after)
                if lines:
                    yield head + lines
                elif feed.ended or self._closed:
                    return
                else:
                    if head:
                        yield head
                    await self.changed(seen, _HEARTBEAT_SECONDS)
                    if self.version == seen:
                        yield _HEARTBEAT
                head = b""
        finally:
            feed.watchers -= 1
            if not feed.watchers and self._feeds.get(build_id) is feed:
                del self._feeds[build_id]

    async def _poll(self) -> None:
        number: int | None = None
        while self._waiting:
            try:
                found = await self.run(self.database.change_number)
            except CondaStoreError as error:
                log.warning("The database was not asked for changes: %s", error)
                found = -1 if number is None else number
            # The first look wakes everybody: what was written before it nobody else would tell them.
            if found != number:
                number = found
                self.version += 1
                for future in self._waiting:
                    if not future.done():
                        future.set_result(None)
            await asyncio.sleep(self._interval())

    def _interval(self) -> float:
        waited = asyncio.get_running_loop().time() - max(self._waiting.values(), default=-math.inf)
        return min(INTERVAL_SECONDS, max(SHORTEST_SECONDS, _PART_OF_WAIT * waited))


class Feed:
    """The latest events of one build, read once for all who follow it."""

    def __init__(self, watcher: Watcher, build_id: int, after: int) -> None:
        self.watcher, self.build_id = watcher, build_id
        self.watchers = 0
        self.ended = False
        self._floor = self._last = after  # what is kept is whole above the floor
        self._seen = -1
        self._kept: deque[tuple[int, bytes]] = deque()
        self._lock = asyncio.Lock()

    async def refresh(self, version: int) -> None:
        """Read what was written until `version`, unless somebody did."""
        async with self._lock:
            while self._seen < version or self._seen < 0:
                page = await self._read(self._last)
                self._keep(page)
                if page.whole:
                    self.ended, self._seen = page.ended, version

    async def after(self, number: int) -> tuple[bytes, int]:
        """Events above `number` as one text, and the number of the last of them."""
        if number < self._floor:
            page = await self._read(number)
            events = list(page.events)
        else:
            start = bisect_right(self._kept, number, key=lambda event: event[0])
            events = [self._kept[index] for index in range(start, len(self._kept))]
        return b"".join(text for _, text in events), events[-1][0] if events else number

    async def _read(self, number: int) -> EventPage:
        return await self.watcher.run(partial(read_events, self.watcher.database, self.build_id, number))

    def _keep(self, page: EventPage) -> None:
        self._kept.extend(page.events)
        while len(self._kept) > _KEPT_EVENTS:
            self._floor = self._kept.popleft()[0]
        if self._kept:
            self._last = self._kept[-1][0]
