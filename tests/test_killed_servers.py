"""Servers and workers killed at random points of twenty builds: each build ends, and what it lists is whole."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from sqlalchemy import or_, select

from conda_store.builds.lockfile import parse_lockfile
from conda_store.builds.states import ENDED, ArtifactState, ArtifactType, Status
from conda_store.builds.subject import JobSettings
from conda_store.builds.workshop import Workshop
from conda_store.db.orm import ArtifactRow, BuildRow, ManifestRow, TagRow
from conda_store.executors.local import LocalExecutor
from conda_store.registry.layout import closure
from conda_store.registry.manifests import OCI_MANIFEST, Descriptor
from conda_store.registry.names import repository
from conda_store.storage.base import blob_key
from tests.jobs import Bench, is_alive, is_worker, look_around, until, workers

BUILDS = 20
SEEDS = 10
# Short, since what a killed server left waits for it; but a machine that is busy with other tests must keep it.
LEASE_SECONDS = 4.0
SOURCES = [
    "dependencies: [python, markupsafe]\n",
    "dependencies: [python, markupsafe, six]\n",
    "dependencies: [python]\nvariables: {COLOUR: blue}\n",
]
LOST = ("The worker ended unexpectedly", "The worker stopped answering", "SIGKILL")
UNFINISHED = {ArtifactState.WAITING, ArtifactState.MAKING}
# Few enough that most builds succeed, and enough to meet every stage of some.
KILLS = {"worker": 8, "server": 3, "both": 5}


class Servers:
    """One server of builds after another, in processes of their own, on one database."""

    def __init__(self, settings: JobSettings, file: Path, chance: random.Random) -> None:
        file.write_bytes(pickle.dumps(settings))
        self.file, self.chance = file, chance
        self.start()

    def start(self) -> None:
        """Start the next one; a job server says when it is ready."""
        command = [sys.executable, "-m", "tests.job_server", str(self.file), "2"]
        root = Path(__file__).parent.parent
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)
        assert self.process.stdout is not None and self.process.stdout.readline() == b"ready\n"

    def below(self) -> list[psutil.Process]:
        """Everything that the present one has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill_worker(self) -> bool:
        """Kill a worker, or something that a worker started; False when there is nothing."""
        working = [process for process in self.below() if is_worker(process)]
        with suppress(psutil.NoSuchProcess):
            if working:
                self.chance.choice(working).kill()
        return bool(working)

    def kill(self) -> bool:
        """Kill the server; whatever it started follows by itself, and another one takes its place."""
        below = self.below()
        self.process.kill()
        self.process.communicate()
        until(lambda: not any(map(is_alive, below)), 5, lambda: str(below))
        self.start()
        return True

    def stop(self) -> None:
        """Let the present one end in peace."""
        self.process.communicate()


@pytest.fixture
def bench(seed: int, tmp_path: Path, workshop: Workshop, sample_channel: Path, base_image: str) -> Iterator[Bench]:
    look_around()
    # Every other time pieces are made in here, so that they are half-made at times; packages are unpacked once for all.
    fresh = ("bytecode", "blobs", "pieces") if seed % 2 else ()
    made = Bench(tmp_path / "bench", workshop.directory, sample_channel, base_image, fresh)
    yield made
    made.database.close()


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("victim", KILLS)
def test_twenty_builds_end_and_are_whole(victim: str, seed: int, bench: Bench) -> None:
    chance = random.Random(f"{victim} {seed}")
    settings = replace(bench.settings, lease_seconds=LEASE_SECONDS)
    builds = [submit(bench, number) for number in range(BUILDS)]
    servers = Servers(settings, bench.directory / "settings.pickle", chance)
    try:
        kill_at_random(bench, servers, victim)
    finally:
        servers.stop()
    executor = LocalExecutor(workers=2)
    executor.start(settings)
    try:
        until(lambda: all_settled(bench), 120, lambda: account(bench, builds))
    finally:
        executor.stop()
    assert workers() == []
    check_all(bench, builds)


def submit(bench: Bench, number: int) -> int:
    """One of many builds, of several environments in two namespaces."""
    name, namespace = f"env{number % 4}", ("default", "other")[number % 2]
    return bench.submit(SOURCES[number % len(SOURCES)], name, namespace)


def kill_at_random(bench: Bench, servers: Servers, victim: str) -> None:
    """Kill as often as may be while there is something to do."""
    left = KILLS[victim]
    while left and not all_settled(bench):
        # This is what the test is about: any moment will do.
        time.sleep(servers.chance.uniform(0.02, 0.6))
        chosen = servers.chance.choice(["worker", "server"]) if victim == "both" else victim
        left -= servers.kill() if chosen == "server" else servers.kill_worker()
    assert left < KILLS[victim]


def all_settled(bench: Bench) -> bool:
    """Whether nothing more will happen to any build."""
    running = select(BuildRow.id).where(or_(BuildRow.status.not_in(ENDED), BuildRow.lease.is_not(None)))
    making = select(ArtifactRow.id).where(ArtifactRow.state.in_(UNFINISHED))
    with bench.database.read() as session:
        return session.scalar(running.limit(1)) is None and session.scalar(making.limit(1)) is None


def account(bench: Bench, builds: list[int]) -> str:
    """What became of each build."""
    rows = [bench.build(build_id) for build_id in builds]
    return "\n".join(f"{row.id} {row.status} attempt {row.attempt} {row.lease_until} {row.status_info}" for row in rows)


def check_all(bench: Bench, builds: list[int]) -> None:
    """Every build, every artifact that is listed, the links, and that nothing lies about."""
    completed = []
    for build_id in builds:
        build = bench.build(build_id)
        if build.status == Status.COMPLETED:
            completed.append(build_id)
            check_artifacts(bench, build_id)
        else:
            # Only a build is given up on which two workers were lost, or the same step of one twice.
            reason = str(build.status_info)
            given_up = ("It was tried 2 times", "SIGKILL", "ended unexpectedly (before it began)")
            assert build.status == Status.FAILED and any(words in reason for words in given_up), reason
    assert completed, account(bench, builds)
    kept = {Path(bench.artifacts(build_id)[ArtifactType.DIRECTORY].key).name for build_id in completed}
    assert set(bench.prefixes()) == kept
    check_links(bench, completed)


def check_blob(bench: Bench, digest: str, size: int) -> None:
    """A blob is there and is what its name says."""
    data = bench.storage.get(blob_key(digest))
    assert (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") == (size, digest)


def check_artifacts(bench: Bench, build_id: int) -> None:
    rows = bench.artifacts(build_id)
    for row in rows.values():
        # Given up, as a build is, when two workers were lost on it.
        lost = row.state == ArtifactState.FAILED and any(words in str(row.reason) for words in LOST)
        assert row.state == ArtifactState.READY or lost, (row.artifact_type, row.state, row.reason)
    ready = {name for name, row in rows.items() if row.state == ArtifactState.READY}
    prefix = Path(rows[ArtifactType.DIRECTORY].key)
    records = [json.loads(path.read_bytes()) for path in (prefix / "conda-meta").glob("*.json")]
    assert {"python"} <= {record["name"] for record in records}
    assert all((prefix / name).exists() for record in records for name in record["files"])
    if ArtifactType.LOCKFILE in ready:
        lock, _ = parse_lockfile(bench.artifact(build_id, ArtifactType.LOCKFILE), policy=bench.settings.policy)
        assert {package.name for one in lock for package in one.conda} == {record["name"] for record in records}
    if ArtifactType.CONDA_PACK in ready:
        parts = json.loads(bench.artifact(build_id, ArtifactType.CONDA_PACK))["parts"]
        for digest, size in parts:
            check_blob(bench, digest, size)
    if ArtifactType.DOCKER_MANIFEST in ready:
        check_image(bench, build_id, rows[ArtifactType.DOCKER_MANIFEST].key)


def check_image(bench: Bench, build_id: int, tag: str) -> None:
    environment = bench.build(build_id).environment
    name = repository(environment.namespace.name, environment.name)
    with bench.database.read() as session:
        digest = session.query(TagRow).filter_by(repository=name, tag=tag).one().digest
        served = {row.digest: row.size for row in session.query(ManifestRow).filter_by(repository=name)}
    image = Descriptor(OCI_MANIFEST, digest, bench.storage.size(blob_key(digest)))
    for one in closure(bench.storage, [image]):
        check_blob(bench, one.digest, served[one.digest])


def check_links(bench: Bench, completed: list[int]) -> None:
    """Each environment with a completed build shows the newest of them."""
    newest: dict[tuple[str, str], int] = {}
    for build_id in completed:
        environment = bench.build(build_id).environment
        newest[environment.namespace.name, environment.name] = build_id
    for (namespace, name), build_id in newest.items():
        assert bench.link(name, namespace).resolve().name.endswith(f"-{build_id}-{name}")
        assert (bench.link(name, namespace) / "bin/python").exists()
