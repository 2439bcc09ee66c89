"""The deployment as whoever runs it sees it: its queue, its disk, its options."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cachetools import TTLCache

from conda_store.builds.states import Status
from conda_store.db import Database, administration
from conda_store.db.administration import Held, QueuedBuild
from conda_store.storage.base import NotStored, Storage

_MOST_QUEUED = 100
# To look at each file of a large store takes seconds.
_MEASURED_SECONDS = 300.0


@dataclass(frozen=True)
class Queue:
    """The builds that run and wait, the former first; `count` is the number of all, `workers` how many may run."""

    builds: tuple[QueuedBuild, ...]
    count: int
    workers: int | None

    @property
    def running(self) -> int:
        """Builds with a worker."""
        return sum(one.has_worker for one in self.builds)


@dataclass(frozen=True)
class Disk:
    """Bytes of the file system, of what is held on it, and (number, bytes) of what lies in each part of the store."""

    total: int
    free: int
    held: Held
    parts: Mapping[str, tuple[int, int]]


class AdministrationManager:
    """`directory` is on the disk that is measured; `workers` builds may run here at once."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        store: Path,
        workers: int | None,
        options: tuple[tuple[str, str], ...],
    ) -> None:
        self.database, self.storage, self.store, self.workers = database, storage, store, workers
        #: Options that differ from their defaults, without secrets.
        self.options = options
        self._measured: TTLCache[str, tuple[Held, dict[str, tuple[int, int]]]] = TTLCache(
            1, _MEASURED_SECONDS, time.monotonic
        )

    def queue(self) -> Queue:
        """What is running and waiting."""
        with self.database.read() as session:
            builds, count = administration.queue(session, (Status.QUEUED, Status.BUILDING), _MOST_QUEUED)
        return Queue(tuple(builds), count, self.workers)

    def disk(self) -> Disk:
        """What lies on the disk; all but what is free of it is measured every five minutes at most."""
        if (measured := self._measured.get("all")) is None:
            measured = self._measured["all"] = self._measure()
        self.store.mkdir(parents=True, exist_ok=True)
        disk = shutil.disk_usage(self.store)
        return Disk(disk.total, disk.free, *measured)

    def _measure(self) -> tuple[Held, dict[str, tuple[int, int]]]:
        with self.database.read() as session:
            held = administration.held(session)
        caches = {folder: self._cache(folder) for folder in ("packages", "wheels")}
        return held, {"blobs": self._blobs(), **caches}

    def _blobs(self) -> tuple[int, int]:
        number = size = 0
        for key in self.storage.list("blobs/"):
            try:
                size += self.storage.size(key)
            except NotStored:
                continue
            number += 1
        return number, size

    def _cache(self, folder: str) -> tuple[int, int]:
        """Unpacked packages or wheels, by what their summaries say."""
        number = size = 0
        for path in (self.store / folder).glob("[0-9a-f][0-9a-f]/*/summary.json"):
            try:
                size += int(json.loads(path.read_bytes())["size"])
            except (OSError, ValueError, LookupError, TypeError):
                continue
            number += 1
        return number, size
