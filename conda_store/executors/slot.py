"""One place for a worker: a Pebble pool of one process, which is replaced after each build.

Each place has a pool of its own because Pebble's workers share a pipe and its lock: one that is killed at the wrong
moment would take the others with it. So whenever a worker ends in any other way than by itself, its pool is replaced.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext

from pebble import ProcessExpired, ProcessPool

from conda_store.builds.leases import new_token
from conda_store.builds.reasons import TOO_MUCH_MEMORY, is_lack_of_memory
from conda_store.builds.subject import JobSettings
from conda_store.errors import CondaStoreError
from conda_store.executors.worker import enter, sweep, work


@dataclass
class Running:
    """A build in a slot: its worker takes a lease with `token`; `pid` leads the worker's group, once it works."""

    build_id: int
    namespace_id: int
    token: str
    future: Future[None]
    started: float
    pid: int | None = None

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.started


class Slot:
    """Runs one build at a time. For one thread; `ended` is called from a thread of the pool.

    `free_since` says when the last build ended here (`time.monotonic`): a new worker takes a moment to be ready.
    """

    def __init__(
        self,
        context: ForkServerContext,
        lifeline: Connection,
        settings: JobSettings,
        ended: Callable[[object], object],
    ) -> None:
        self._context, self._lifeline, self._settings, self._ended = context, lifeline, settings, ended
        self.running: Running | None = None
        self.free_since = 0.0
        self._open()

    def _open(self) -> None:
        self._greetings, self._theirs = self._context.Pipe(duplex=False)
        initargs = (self._lifeline, self._theirs, self._settings)
        self._pool = ProcessPool(1, max_tasks=1, initializer=enter, initargs=initargs, context=self._context)

    def close(self) -> None:
        """End the worker and everything that it started, and the pool."""
        self._end_group()
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        # It may have begun to work between the two.
        self._end_group()
        self._greetings.close()
        self._theirs.close()

    def sweep(self) -> None:
        """Clear the store in the background; a worker is ready afterwards."""
        self._pool.schedule(sweep, args=(self._settings,))

    def start(self, build_id: int, namespace_id: int) -> None:
        """Run a build."""
        token = new_token()
        try:
            future = self._pool.schedule(work, args=(self._settings, build_id, token))
        except RuntimeError:
            # The idle worker was killed by somebody, which Pebble takes for the end of the pool.
            self.close()
            self._open()
            future = self._pool.schedule(work, args=(self._settings, build_id, token))
        self.running = Running(build_id, namespace_id, token, future, time.monotonic())
        future.add_done_callback(self._ended)

    def take_ended(self) -> tuple[Running, str | None] | None:
        """The build that has just ended here, if one has, and what its worker died of, if it did."""
        running = self.running
        if running is None or (not running.future.done() and self._pool.active):
            return None
        # A pool that breaks while it is given a build forgets it, and its future never ends.
        error = running.future.exception() if running.future.done() else BrokenProcessPool()
        if error is not None:
            self.end()
        self.running, self.free_since = None, time.monotonic()
        return running, None if error is None else _cause(error)

    def end(self) -> Running | None:
        """End the worker and everything that it started, now; returns what it was running."""
        running = self.running
        self.close()
        self._open()
        self.running, self.free_since = None, time.monotonic()
        return running

    def _end_group(self) -> None:
        running = self.running
        with suppress(EOFError, OSError):
            while running is not None and self._greetings.poll():
                running.pid = self._greetings.recv()
        if running is not None and running.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def _cause(error: BaseException) -> str:
    if isinstance(error, ProcessExpired | BrokenProcessPool):
        return (
            f"The worker ended unexpectedly ({_end(error)}); it may have used more memory than it may have "
            "(c.BuildLimits.max_memory_bytes)."
        )
    if is_lack_of_memory(error):
        return TOO_MUCH_MEMORY
    if isinstance(error, CondaStoreError):
        return error.message
    return f"The worker failed ({type(error).__name__})."


def _end(error: ProcessExpired | BrokenProcessPool) -> str:
    if isinstance(error, BrokenProcessPool):
        # What Pebble says of one that was killed before it had its task.
        return "before it began"
    number = -error.exitcode if error.exitcode else 0
    return signal.Signals(number).name if number in set(signal.Signals) else f"status {error.exitcode}"
