"""Garbage collection: what goes and why, and its removal in an order that no crash can turn into loss.

A deleted build's prefix is set aside and removed, then its files, then its rows: what is left after a crash is found
again by the rows. Then goes what nothing names any more (`builds.garbage`), each thing after what named it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from conda_store.audit import SERVER, Action, Actor
from conda_store.builds.aftermath import clear_scratch, set_aside
from conda_store.builds.artifact_states import ArtifactType
from conda_store.builds.current import prefix_of
from conda_store.builds.freed import Freed
from conda_store.builds.garbage import CacheGarbage, StoreGarbage
from conda_store.builds.keys import scratch_of
from conda_store.builds.leases import locked
from conda_store.builds.states import ENDED
from conda_store.builds.subject import JobSettings
from conda_store.db import Database, garbage
from conda_store.db.audit import record
from conda_store.db.orm import BuildRow
from conda_store.errors import CondaStoreError, StorageFull
from conda_store.garbage import Removal
from conda_store.managers.deleting import kept_kinds
from conda_store.managers.watching import Watcher
from conda_store.storage import uses
from conda_store.storage.base import NotStored
from conda_store.storage.local import LocalStorage
from conda_store.storage.scratch import remove_tree

log = logging.getLogger(__name__)

_LOOK_SECONDS = 600.0
OLD_BUILD, DELETED_BUILD = "old build", "deleted build"


class CollectionRunning(CondaStoreError):
    """Garbage is being collected already, by this process or another one."""

    status = 409
    code = "collection_running"


@dataclass(frozen=True)
class CollectionPolicy:
    """What may go, in days; None keeps for ever. `interval_hours`: how often by itself, 0 never."""

    keep_deleted_days: float = 7.0
    keep_builds: int | None = None
    keep_days: float | None = None
    keep_pieces_days: float = 30.0
    grace_hours: float = 24.0
    interval_hours: float = 24.0


@dataclass(frozen=True)
class Collection:
    """What goes, or went, in this order. `began_on` is None for what has not begun."""

    removals: tuple[Removal, ...]
    began_on: datetime | None = None

    @property
    def size(self) -> int:
        """Bytes that the disk gets back."""
        return sum(one.size for one in self.removals)

    @property
    def kinds(self) -> dict[str, tuple[int, int]]:
        """Number and bytes of each kind."""
        counts, sizes = Counter(one.kind for one in self.removals), Counter[str]()
        for one in self.removals:
            sizes[one.kind] += one.size
        return {kind: (number, sizes[kind]) for kind, number in counts.items()}


@dataclass(frozen=True)
class _Going:
    """A deleted build: where it was, which files of it go, and of which kinds artifacts stay."""

    build_id: int
    prefix: Path | None
    files: tuple[str, ...]
    kept: frozenset[str]


class CollectionManager:
    """Collects the garbage of one server. `delete` hides a build, as a person does who deletes it."""

    def __init__(
        self, database: Database, jobs: JobSettings, policy: CollectionPolicy, delete: Callable[[Actor, int], None]
    ) -> None:
        self.database, self.jobs, self.policy, self._delete = database, jobs, policy, delete
        self.storage, self.root = LocalStorage(jobs.store_directory), jobs.store_directory
        self.last: Collection | None = None

    def plan(self) -> Collection:
        """What would go now."""
        freed, moment = Freed(), self._moment()
        with self.database.read() as session:
            old, going = self._old(session), self._going(session)
        builds = [self._removal(one, freed) for one in going]
        files = {key for one in going for key in one.files}
        return Collection((*old, *builds, *self._unneeded(moment, files, freed)))

    def collect(self, actor: Actor = SERVER) -> Collection:
        """Do it now; what has gone. Raises `CollectionRunning`, `StorageFull` where nothing can be changed."""
        try:
            with self._alone():
                return self._collect(actor)
        except OSError as error:
            raise StorageFull(f"Garbage in {self.root} cannot be removed: {error}. Check owner and mount.") from error

    def begin(self, actor: Actor) -> None:
        """Do it in a thread of its own, unless that goes on already; `last` is there when it is done."""
        with self.database.write() as session:
            record(session, actor, Action.STORE_COLLECTED)
        self._start(actor)

    def is_due(self) -> bool:
        """Whether the interval has passed since a collector worked here last, or since this was asked first."""
        seconds = self.policy.interval_hours * 3600
        return bool(seconds) and time.time() - uses.collected_on(self.root) >= seconds

    async def tend(self, watcher: Watcher) -> None:
        """Collect whenever it is due."""
        while self.policy.interval_hours:
            try:
                if await watcher.run(self.is_due):
                    self._start(SERVER)
            except (CondaStoreError, OSError) as error:
                log.warning("Garbage was not collected: %s", error)
            await asyncio.sleep(_LOOK_SECONDS)

    def _start(self, actor: Actor) -> None:
        # A daemon: whatever is half done when the server ends is found again.
        threading.Thread(target=self._collect_and_tell, args=(actor,), name="garbage collection", daemon=True).start()

    def _collect_and_tell(self, actor: Actor) -> None:
        try:
            done = self.collect(actor)
        except CondaStoreError as error:
            log.warning("Garbage was not collected: %s", error)
        else:
            log.info("Garbage collected: %s things, %s bytes.", len(done.removals), f"{done.size:,}")

    def _collect(self, actor: Actor) -> Collection:
        began, freed, moment = datetime.now(UTC), Freed(), self._moment()
        with self.database.read() as session:
            old, going = self._old(session), self._going(session)
        done = [one for one in old if self._hidden(actor, one)]
        done += [removal for one in going if (removal := self._taken(one, freed)) is not None]
        done += self._unneeded(moment, (), freed, take=True)
        if actor == SERVER and done:
            with self.database.write() as session:
                size = sum(one.size for one in done)
                record(session, actor, Action.STORE_COLLECTED, removed=len(done), bytes=size)
        self.last = Collection(tuple(done), began)
        return self.last

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with uses.collecting(self.root) as alone:
            if not alone:
                raise CollectionRunning("Garbage is being collected already: wait until that has ended.")
            yield

    def _moment(self) -> float:
        return uses.moment(self.root, self.policy.grace_hours * 3600)

    # Builds ------------------------------------------------------------------------------------------------------

    def _old(self, session: Session) -> list[Removal]:
        most, days = self.policy.keep_builds, self.policy.keep_days
        if most is None and days is None:
            return []
        before = None if days is None else _ago(days)
        found = garbage.old_builds(session, ENDED, most, before)
        return [Removal(kind=OLD_BUILD, name=str(build_id), size=0, reason=why) for build_id, why in found]

    def _hidden(self, actor: Actor, old: Removal) -> bool:
        with suppress(CondaStoreError):
            self._delete(actor, int(old.name))
            return True
        # Somebody made it current, deleted it, or asked for an artifact of it meanwhile.
        return False

    def _going(self, session: Session) -> list[_Going]:
        found = garbage.deleted_builds(session, _ago(self.policy.keep_deleted_days), ENDED)
        chosen = frozenset(map(str, kept_kinds(session, self.jobs.setting_options)))
        going = []
        for build in found:
            # What is kept can be had for as long as there is the environment.
            kept = chosen if build.environment.deleted_on is None else frozenset()
            if not kept or garbage.left_behind(session, build.id, kept):
                going.append(self._of(session, build, kept))
        return going

    def _of(self, session: Session, build: BuildRow, kept: frozenset[str]) -> _Going:
        staying = set(garbage.ready_artifacts(session, build.id, kept).values())
        files = tuple(key for key in self.storage.list(f"artifacts/{build.id}/") if key not in staying)
        prefix = None if ArtifactType.DIRECTORY in kept else prefix_of(build, self.jobs.places)
        return _Going(build.id, prefix, files, kept)

    def _removal(self, going: _Going, freed: Freed) -> Removal:
        size = sum(map(self._size, going.files))
        if going.prefix is not None:
            size += freed.directory(going.prefix) + freed.directory(scratch_of(going.prefix))
        return Removal(kind=DELETED_BUILD, name=str(going.build_id), size=size, reason="deleted long enough ago")

    def _size(self, key: str) -> int:
        try:
            return self.storage.size(key)
        except NotStored:
            return 0

    def _taken(self, going: _Going, freed: Freed) -> Removal | None:
        removal = self._removal(going, freed)
        freed.forget()
        with self.database.write() as session:
            build = locked(session, going.build_id)
            if build is None or build.lease is not None:
                return None
            if going.prefix is not None:
                _put_aside(going.prefix)
        if going.prefix is not None:
            clear_scratch(going.prefix)
            with suppress(OSError):
                going.prefix.parent.rmdir()
        for key in going.files:
            self.storage.delete(key)
        with suppress(OSError):
            (self.root / f"artifacts/{going.build_id}").rmdir()
        with self.database.write() as session:
            if (build := locked(session, going.build_id)) is not None and not going.kept:
                garbage.remove_build(session, build)
            else:
                garbage.remove_leftovers(session, going.build_id, going.kept)
        return removal

    # What nothing needs --------------------------------------------------------------------------------------------

    def _unneeded(self, moment: float, going: Iterable[str], freed: Freed, *, take: bool = False) -> Iterator[Removal]:
        idle = min(moment, time.time() - self.policy.keep_pieces_days * 86400)
        with self.database.read() as session:
            served, packages = garbage.served_digests(session), garbage.living_packages(session)
        if not any((self.root / name).is_symlink() for name in ("blobs", "pieces")):
            store = StoreGarbage(self.storage, moment, idle, frozenset(going))
            found = store.find(served)
            # All is found before anything goes, since what goes is named by what stays only until then.
            yield from store.take(list(found)) if take else found
        caches = CacheGarbage(self.root, idle, packages, freed)
        yield from caches.take(caches.find()) if take else caches.find()


def _put_aside(prefix: Path) -> None:
    try:
        set_aside(prefix)
    except OSError:
        # A disk may be too full for another directory; nobody uses what is deleted, so it may go where it stands.
        remove_tree(prefix)


def _ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)
