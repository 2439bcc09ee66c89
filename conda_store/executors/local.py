"""Builds in processes of this machine, next to the server.

One thread looks at the database whenever it has changed, at most ten times a second, and does all that is to be done:
starts builds, ends those that are to be canceled or take too long, and puts right what lost workers left.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy.orm import Session
from traitlets import Float, Integer

from conda_store.builds.aftermath import Aftermath
from conda_store.builds.leases import Lease, find_lease
from conda_store.builds.limits import way_out
from conda_store.builds.quotas import full_namespaces
from conda_store.builds.room import check_room
from conda_store.builds.states import ArtifactState, ArtifactType, claim, request_artifact
from conda_store.builds.subject import JobSettings
from conda_store.db import Database
from conda_store.db.orm import BuildRow
from conda_store.errors import CondaStoreError, StorageFull
from conda_store.executors.base import Executor
from conda_store.executors.slot import Running, Slot
from conda_store.executors.waiting import Waiting, builds_with_artifacts, next_in_turn, queued_builds

_PRELOAD = "conda_store.executors.preload"
_LOOK_SECONDS = 0.1
# Artifacts asked for by another process, and leases that ran out, are looked for less often.
_REPAIR_SECONDS = 1.0
# What goes wrong at every look is told no more often than this.
_TOLD_SECONDS = 60.0
# A worker that dies before it takes its lease leaves no trace in the database.
_STARTS = 3
_TOO_LONG = "The build took longer than {limit:g} seconds and was ended. " + way_out("max_build_seconds")


class LocalExecutor(Executor):
    """Runs each build in a process of its own on this machine."""

    workers = Integer(
        2,
        min=1,
        config=True,
        help="""
        How many builds run at once on this machine. Each uses about one core while it compiles and compresses, and up
        to 1 GB of memory for environments of 70 packages; the default suits a small machine. Builds of different
        namespaces take turns when there are more of them than workers.
        """,
    )
    stop_seconds = Float(
        10.0,
        config=True,
        help="""
        Seconds that the server, when it stops, waits for its workers to be gone. They are ended at once and their
        builds start again with the next server, so the time is needed only on a machine that is very busy.
        """,
    )

    @property
    def seats(self) -> int:
        return self.workers

    def start(self, settings: JobSettings) -> None:
        self.settings = settings
        self.database = Database(settings.database_url)
        self.aftermath = Aftermath(settings, self.database)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([_PRELOAD])
        # Only this process has the other end: it is closed by whatever ends this process.
        theirs, self._lifeline = context.Pipe(duplex=False)
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._slots = [Slot(context, theirs, settings, lambda _: self._wake.set()) for _ in range(self.workers)]
        self._starts: Counter[int] = Counter()
        self._turns: dict[int, float] = {}
        self._number, self._repair_at = -1, 0.0
        self._trouble, self._room_told_until = ("", 0.0), 0.0
        self._thread = threading.Thread(target=self._run, name="local executor", daemon=True)
        self._thread.start()

    def submit(self, build_id: int) -> None:
        self._wake.set()

    def submit_artifact(self, build_id: int, artifact_type: ArtifactType) -> ArtifactState:
        with self.database.write() as session:
            state = request_artifact(session, build_id, artifact_type)
        self._repair_at = 0.0
        self._wake.set()
        return state

    def cancel(self, build_id: int) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._thread.join(self.stop_seconds)
        self._lifeline.close()
        self.database.close()

    def _run(self) -> None:
        self._guarded(self._begin)
        while not self._stopping.is_set():
            woken = self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            self._guarded(self._look, woken)
        self._guarded(self._end_all)
        for slot in self._slots:
            slot.close()

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        try:
            step(*arguments)
        except Exception as error:
            # Nothing that goes wrong once (the database restarts, the disk is full) may be the end of all builds.
            told, until = self._trouble
            if str(error) != told or time.monotonic() >= until:
                self._trouble = str(error), time.monotonic() + _TOLD_SECONDS
                text = "The executor could not look after its builds and tries again: %s"
                self.log.error(text, error, exc_info=None if isinstance(error, CondaStoreError) else error)

    def _begin(self) -> None:
        for slot in self._slots:
            slot.sweep()
        self.aftermath.show_all_current()

    def _look(self, woken: bool) -> None:
        number = self.database.change_number()
        repair = time.monotonic() >= self._repair_at
        if not (woken or repair or number != self._number):
            return
        self._take_ended()
        self._end_unwanted()
        if repair:
            self._repair_at = time.monotonic() + _REPAIR_SECONDS
            self.aftermath.leases_expired(datetime.now(UTC))
        self._start_waiting(with_artifacts=woken or repair)
        self._number = number

    def _take_ended(self) -> None:
        for slot in self._slots:
            ended = slot.take_ended()
            if ended is not None:
                running, cause = ended
                self._after(slot, running, cause or "The worker ended without a result.", died=cause is not None)

    def _after(self, slot: Slot, running: Running, reason: str, *, died: bool) -> None:
        if died:
            slot.sweep()
        lease = self._lease_of(running)
        if lease is not None:
            self.aftermath.worker_lost(lease, reason)
        elif died:
            self._count_start(running.build_id, reason)

    def _count_start(self, build_id: int, reason: str) -> None:
        self._starts[build_id] += 1
        if self._starts[build_id] < _STARTS:
            return
        with self.database.write() as session:
            lease = claim(session, build_id, _REPAIR_SECONDS)
        if lease is not None:
            self.aftermath.worker_ended(lease, reason)

    def _end_unwanted(self) -> None:
        for slot in self._slots:
            running = slot.running
            if running is None:
                continue
            limit = self.settings.limits.build_seconds
            if limit is not None and running.seconds > limit:
                self._end(slot, self.aftermath.worker_ended, _TOO_LONG.format(limit=limit))
            elif self._is_unwanted(running):
                self._end(slot, self.aftermath.worker_lost, "The worker stopped answering.")

    def _end(self, slot: Slot, settle: Callable[[Lease, str], None], reason: str) -> None:
        running = slot.end()
        slot.sweep()
        if running is not None and (lease := self._lease_of(running)):
            settle(lease, reason)

    def _is_unwanted(self, running: Running) -> bool:
        """Whether a build is to be canceled, is another worker's, or has a worker that does not answer."""
        with self.database.read() as session:
            build = session.get_one(BuildRow, running.build_id)
            mine = find_lease(session, running.build_id, running.token) is not None
        if not mine:
            # It has not begun, or it is about to end; one that goes on for long was given up by another server.
            return build.lease is not None
        late = build.lease_until is not None and build.lease_until < datetime.now(UTC)
        return build.cancel_requested or late

    def _start_waiting(self, *, with_artifacts: bool) -> None:
        free = [slot for slot in self._slots if slot.running is None]
        for slot in sorted(free, key=lambda slot: slot.free_since):
            chosen = self._choose(with_artifacts)
            if chosen is None:
                return
            self._turns[chosen.namespace_id] = time.monotonic()
            slot.start(chosen.build_id, chosen.namespace_id)

    def _choose(self, with_artifacts: bool) -> Waiting | None:
        running = [slot.running for slot in self._slots if slot.running]
        ids, namespaces = [one.build_id for one in running], [one.namespace_id for one in running]
        with self.database.read() as session:
            # Somebody holds a request for an artifact; nobody does for a build.
            artifacts = builds_with_artifacts(session, ids) if with_artifacts else []
            queued = [] if artifacts else queued_builds(session, ids)
            full = full_namespaces(session, {one.namespace_id for one in queued}, ids, self.settings.setting_options)
            allowed = [one for one in queued if one.namespace_id not in full]
            if allowed and not self._has_room(session):
                allowed = []
            return next_in_turn(artifacts or allowed, namespaces, self._turns)

    def _has_room(self, session: Session) -> bool:
        """Whether a build may begin; those that wait begin as soon as there is room."""
        try:
            check_room(session, self.aftermath.storage, self.settings.setting_options)
        except StorageFull as error:
            if time.monotonic() >= self._room_told_until:
                self._room_told_until = time.monotonic() + _TOLD_SECONDS
                self.log.error("Builds wait: %s", error)
            return False
        return True

    def _lease_of(self, running: Running) -> Lease | None:
        with self.database.read() as session:
            return find_lease(session, running.build_id, running.token)

    def _end_all(self) -> None:
        for slot in self._slots:
            running = slot.end()
            if running is not None and (lease := self._lease_of(running)):
                self.aftermath.worker_stopped(lease)
