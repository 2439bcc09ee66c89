"""What is put right when a worker is gone: the build's state, its prefix, its log, the link to the current build.

An executor calls these when it is sure that no process of the worker is left.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from conda_store.builds.astray import find_astray
from conda_store.builds.current import prefix_of, show_current
from conda_store.builds.kept_log import keep_log
from conda_store.builds.keys import Places, scratch_of
from conda_store.builds.leases import Lease, expired, find_held
from conda_store.builds.states import ENDED, Status, fail, give_back, lost
from conda_store.builds.subject import JobSettings
from conda_store.db import Database
from conda_store.db.orm import BuildRow, EnvironmentRow
from conda_store.errors import CondaStoreError
from conda_store.storage.local import LocalStorage
from conda_store.storage.scratch import sweep


class Aftermath:
    """Puts builds right after their workers."""

    def __init__(self, settings: JobSettings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.places: Places = settings.places
        self.storage = LocalStorage(settings.store_directory)
        self._to_clear: list[Path] = []

    def worker_lost(self, lease: Lease, reason: str) -> None:
        """The worker ended without a result; nothing happens when it had given its lease back."""
        with self._settling() as session:
            self._settle(session, lost(session, lease, reason))

    def worker_ended(self, lease: Lease, reason: str) -> None:
        """The worker was ended because of `reason`, which trying again would not change: FAILED."""
        with self._settling() as session:
            held = find_held(session, lease)
            cancel = held is None or held.cancel_requested
            self._settle(session, lost(session, lease, reason) if cancel else fail(session, lease, reason))

    def worker_stopped(self, lease: Lease) -> None:
        """The server stopped the worker: the build waits for the next server."""
        with self._settling() as session:
            self._settle(session, give_back(session, lease))

    def leases_expired(self, now: datetime) -> list[int]:
        """Put right every build whose lease ran out before `now`; returns their ids."""
        with self.database.read() as session:
            found = expired(session, now)
        for lease in found:
            self.worker_lost(lease, "The worker stopped answering.")
        return [lease.build_id for lease in found]

    def show_all_current(self) -> None:
        """Let every link follow the database, as after a crash between the two."""
        with self.database.read() as session:
            ids = find_astray(session, self.places)
        for environment_id in ids:
            # One link that cannot be made is no reason to leave the others.
            with suppress(CondaStoreError, OSError), self.database.write() as session:
                show_current(session, session.get_one(EnvironmentRow, environment_id), self.places)

    def _settle(self, session: Session, build: BuildRow | None) -> None:
        if build is None:
            return
        prefix = prefix_of(build, self.places)
        if build.status in ENDED:
            keep_log(session, self.storage, build)
            show_current(session, build.environment, self.places)
        if build.status != Status.COMPLETED:
            set_aside(prefix)
        self._to_clear.append(prefix)

    @contextmanager
    def _settling(self) -> Iterator[Session]:
        """A transaction, and after it the removal of what nobody needs any more, which may take its time."""
        self._to_clear.clear()
        with self.database.write() as session:
            yield session
        for prefix in self._to_clear:
            clear_scratch(prefix)


def set_aside(prefix: Path) -> None:
    """Let a prefix be gone from its place at once; `clear_scratch` removes it."""
    beside = scratch_of(prefix)
    with suppress(FileNotFoundError):
        prefix.lstat()
        beside.mkdir(exist_ok=True)
        prefix.rename(beside / secrets.token_hex(16))


def clear_scratch(prefix: Path) -> None:
    """Remove what a worker that is gone left beside a prefix; what a living one has there stays."""
    beside = scratch_of(prefix)
    sweep(beside)
    with suppress(OSError):
        beside.rmdir()
