"""A worker's voice: a thread that writes a build's events in batches and keeps its lease.

A row for every line would cost a transaction each; here a line waits 50 ms at most, and what was said of a stage's
progress in that time becomes one event.
"""

from __future__ import annotations

import threading
from typing import Self

from conda_store.builds.events import Event, add_events, log_lines
from conda_store.builds.leases import Lease, StaleLease, renew
from conda_store.builds.progress import Progress
from conda_store.db import Database
from conda_store.errors import CondaStoreError

FLUSH_SECONDS = 0.05
FLUSH_ROWS = 100


class BuildLog:
    """Events of the build that `lease` is for. Use it as a context; `lease_seconds` are what each renewal gives."""

    def __init__(self, database: Database, lease: Lease, lease_seconds: float) -> None:
        self.database, self.lease, self.lease_seconds = database, lease, lease_seconds
        self.stale = False
        self._pending: list[Event] = []
        self._closed = False
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="build log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def add(self, *events: Event) -> None:
        """Say something. Raises `StaleLease` once it is known that nobody listens any more."""
        if self.stale:
            raise StaleLease(f"Build {self.lease.build_id} was given to another worker, or has ended.")
        with self._changed:
            self._pending += events
            self._changed.notify()

    def flush(self) -> None:
        """Write now what was said."""
        with self._writing:
            with self._changed:
                events, self._pending = self._pending, []
            try:
                with self.database.write() as session:
                    add_events(session, self.lease, condensed(events))
                    renew(session, self.lease, self.lease_seconds)
            except StaleLease:
                self.stale = True

    def _run(self) -> None:
        while self._wait():
            try:
                self.flush()
            except CondaStoreError:
                # The database may be there again at the next turn; until then the build goes on without its log.
                continue

    def _wait(self) -> bool:
        """Wait for something to write, or until the lease wants to be renewed; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closed, self.lease_seconds / 3)
            self._changed.wait_for(lambda: len(self._pending) >= FLUSH_ROWS or self._closed, FLUSH_SECONDS)
            return not self.stale and (bool(self._pending) or not self._closed)


def condensed(events: list[Event]) -> list[Event]:
    """`events` without the steps of a stage that later ones have overtaken."""
    kept: list[Event] = []
    seen: set[str] = set()
    for event in reversed(events):
        if event.kind == "progress" and event.data.keys() == {"stage", "done"}:
            stage = str(event.data["stage"])
            if stage in seen:
                continue
            seen.add(stage)
        kept.append(event)
    return kept[::-1]


class LoggedProgress(Progress):
    """Tells a build's log what the engine does."""

    def __init__(self, log: BuildLog) -> None:
        self.log = log

    def start(self, stage: str, total: int | None) -> None:
        self.log.add(Event("progress", {"stage": stage, "total": total}))

    def advance(self, stage: str, done: int) -> None:
        self.log.add(Event("progress", {"stage": stage, "done": done}))

    def note(self, stage: str, text: str) -> None:
        self.log.add(Event("progress", {"stage": stage, "note": text}))

    def finish(self, stage: str, summary: str, seconds: float) -> None:
        ended = Event("progress", {"stage": stage, "summary": summary, "seconds": round(seconds, 3)})
        self.log.add(*log_lines(f"{stage}: {summary} ({seconds:.2f} s)"), ended)

    def warn(self, message: str) -> None:
        self.log.add(*log_lines(f"Warning: {message}"))
