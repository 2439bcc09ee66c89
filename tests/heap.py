"""A store with builds, some of which are deleted, and a collector for it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from conda_store.audit import SERVER
from conda_store.builds.artifacts import ARCHIVE_NAME
from conda_store.builds.current import prefix_of
from conda_store.builds.job import run_job
from conda_store.builds.states import ArtifactType
from conda_store.builds.subject import JobSettings
from conda_store.db import Database
from conda_store.db.lists import living_builds
from conda_store.db.orm import EnvironmentRow
from conda_store.executors.elsewhere import ElsewhereExecutor
from conda_store.managers.admission import SubmissionLimits
from conda_store.managers.builds import BuildManager
from conda_store.managers.collecting import CollectionManager, CollectionPolicy
from conda_store.managers.environments import EnvironmentManager
from conda_store.managers.policies import Policies
from conda_store.storage.base import blob_key
from conda_store.storage.local import LocalStorage
from tests.engine import tree_of
from tests.forge import Forge, running_forge
from tests.half_made import half_made

AT_ONCE = CollectionPolicy(keep_deleted_days=0, keep_pieces_days=0, grace_hours=0)
_ARTIFACTS = (ArtifactType.LOCKFILE, ArtifactType.CONDA_PACK, ArtifactType.DOCKER_MANIFEST)


@dataclass
class Heap:
    """What was built, by number: the digest of the archive."""

    forge: Forge
    archives: dict[int, str] = field(default_factory=dict)

    @property
    def jobs(self) -> JobSettings:
        return self.forge.bench.having(build_artifacts=_ARTIFACTS, base_images="scratch")

    @property
    def database(self) -> Database:
        return self.forge.bench.database

    @property
    def storage(self) -> LocalStorage:
        return self.forge.bench.storage

    def submit(self, name: str, *packages: str) -> int:
        """A new build of an environment, to be run."""
        return self.forge.bench.submit(f"dependencies: [{', '.join(packages)}]\n", name)

    def build(self, name: str, *packages: str) -> int:
        """A completed build with all artifacts."""
        build_id = self.submit(name, *packages)
        run_job(self.jobs, build_id)
        self.archives[build_id] = self.archive(build_id)
        return build_id

    def archive(self, build_id: int) -> str:
        """The digest of the whole archive as it is downloaded now."""
        parts = json.loads(self.storage.get(f"artifacts/{build_id}/{ARCHIVE_NAME}"))["parts"]
        return hashlib.sha256(b"".join(self.storage.get(blob_key(digest)) for digest, _ in parts)).hexdigest()

    def delete(self, build_id: int) -> None:
        builds(self.database, self.jobs).delete(SERVER, build_id)

    def delete_environment(self, name: str) -> None:
        manager = EnvironmentManager(self.database, ElsewhereExecutor(), self.jobs.places, lambda: None)
        manager.delete(SERVER, "default", name)

    def collector(self, policy: CollectionPolicy = AT_ONCE) -> CollectionManager:
        return collector(self.database, self.jobs, policy)

    def age(self, days: float = 100.0) -> None:
        """Let everything in the store have been used last so long ago."""
        moment = time.time() - days * 86400
        for folder, folders, names in os.walk(self.forge.store):
            for name in (*folders, *names):
                os.utime(Path(folder, name), (moment, moment), follow_symlinks=False)

    def living(self) -> list[int]:
        """Builds that are not deleted."""
        with self.database.read() as session:
            return [row.id for row in session.scalars(living_builds())]

    def check(self) -> None:
        """What lives is whole, byte by byte, and nothing half-made is seen."""
        self.forge.check_served(self.forge.listed())
        living = self.living()
        assert {build_id: self.archive(build_id) for build_id in living} == {one: self.archives[one] for one in living}
        assert list(half_made(self.forge.store)) == []
        with self.database.read() as session:
            rows = session.scalars(select(EnvironmentRow).where(EnvironmentRow.deleted_on.is_(None)))
            names = [row.name for row in rows]
            prefixes = [
                prefix_of(row, self.jobs.places) for row in session.scalars(living_builds()) if row.specification
            ]
        assert all(len(tree_of(prefix)) > 1 for prefix in prefixes)
        assert all((self.forge.bench.link(name) / "conda-meta").is_dir() for name in names)


@contextmanager
def running_heap(directory: Path, channel: Path) -> Iterator[Heap]:
    """A heap with a store of its own."""
    with running_forge(directory, channel) as forge:
        yield Heap(forge)


def builds(database: Database, jobs: JobSettings) -> BuildManager:
    """What deletes builds."""
    limits, storage = SubmissionLimits(10**6, 10**6, None), LocalStorage(jobs.store_directory)
    policies = Policies.under(jobs)
    return BuildManager(database, ElsewhereExecutor(), storage, jobs.places, policies, limits, lambda: None)


def collector(database: Database, jobs: JobSettings, policy: CollectionPolicy = AT_ONCE) -> CollectionManager:
    """A collector as a server has it."""
    return CollectionManager(database, jobs, policy, builds(database, jobs).delete)
