"""Solves that somebody waits for: each in a process of its own, a few at once, and none for longer than it may take."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from concurrent.futures import Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from conda_store.errors import CondaStoreError, SolveFailed
from conda_store.executors.solver_process import Asked, enter, solve
from conda_store.packages.locked import PlatformLock

#: What Pebble says of a worker that was ended: the second when it was between two tasks in its eyes.
_LOST = (ProcessExpired, BrokenProcessPool)


class SolverLost(CondaStoreError):
    """The process that solved was ended by something else, twice."""

    status = 503
    code = "solver_lost"


class TooManySolves(CondaStoreError):
    """As many solves wait as may; the same request may succeed later."""

    status = 429
    code = "too_many_solves"


@dataclass
class SolvePool:
    """`seats` solves at once, `waiting` more may wait. Nothing is started before the first one."""

    store_directory: Path
    seats: int = 2
    waiting: int = 20
    _free: queue.SimpleQueue[_Seat] = field(default_factory=queue.SimpleQueue)
    _all: list[_Seat] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _room: threading.BoundedSemaphore = field(init=False)

    def __post_init__(self) -> None:
        self._room = threading.BoundedSemaphore(self.seats + self.waiting)

    def solve(self, asked: Asked, seconds: float) -> PlatformLock:
        """The packages that satisfy what is asked, after at most `seconds` of work; blocks until then.

        Raises `SolveFailed`, `FetchFailed`, `TooManySolves`, `SolverLost`.
        """
        if not self._room.acquire(blocking=False):
            raise TooManySolves(f"{self.waiting} solves are waiting already, as many as may: ask again in a while.")
        try:
            self._open()
            seat = self._free.get()
            try:
                return self._attempts(seat, asked, seconds)
            finally:
                self._free.put(seat)
        finally:
            self._room.release()

    def close(self) -> None:
        """End all workers and what they started."""
        with self._lock:
            for seat in self._all:
                seat.close()

    def _attempts(self, seat: _Seat, asked: Asked, seconds: float) -> PlatformLock:
        for _ in range(2):
            try:
                return seat.run(self.store_directory, asked, seconds)
            except _LOST:
                # Whoever killed it (the system, for want of memory) may not do so again.
                continue
        raise SolverLost("The solver was ended twice while it worked, perhaps for want of memory: ask again later.")

    def _open(self) -> None:
        with self._lock:
            if not self._all:
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload(["conda_store.executors.preload"])
                self._all = [_Seat(context) for _ in range(self.seats)]
                for seat in self._all:
                    self._free.put(seat)


class _Seat:
    """A Pebble pool of one process, for one thread at a time; replaced whenever its worker did not end by itself."""

    def __init__(self, context: ForkServerContext) -> None:
        self._context = context
        # Only this process has the other end: it is closed by whatever ends this process.
        self._theirs, self._lifeline = context.Pipe(duplex=False)
        self._open()

    def run(self, store_directory: Path, asked: Asked, seconds: float) -> PlatformLock:
        try:
            future = self._schedule(store_directory, asked)
        except RuntimeError:
            # The idle worker was killed by somebody, which Pebble takes for the end of the pool.
            self._replace()
            future = self._schedule(store_directory, asked)
        try:
            return future.result(seconds)
        except TimeoutError:
            self._replace()
            raise SolveFailed(
                f"Solving took longer than {seconds:g} seconds and was ended. Name versions of the largest packages so "
                "that there is less to search, or let an administrator raise the setting conda_max_solve_time."
            ) from None
        except _LOST:
            self._replace()
            raise

    def close(self) -> None:
        self._end_group()
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        self._end_group()
        self._greetings.close()
        self._sender.close()

    def _schedule(self, store_directory: Path, asked: Asked) -> Future[PlatformLock]:
        future: Future[PlatformLock] = self._pool.schedule(solve, args=(store_directory, asked))
        return future

    def _open(self) -> None:
        self._greetings, self._sender = self._context.Pipe(duplex=False)
        initargs = (self._theirs, self._sender)
        self._pool = ProcessPool(1, max_tasks=1, initializer=enter, initargs=initargs, context=self._context)

    def _replace(self) -> None:
        self.close()
        self._open()

    def _end_group(self) -> None:
        with suppress(EOFError, OSError):
            while self._greetings.poll():
                self._pid = self._greetings.recv()
        if (pid := getattr(self, "_pid", None)) is not None:
            self._pid = None
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
