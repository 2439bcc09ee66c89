"""Garbage collection: what goes, what never goes, whatever is killed or runs meanwhile."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from conda_store.builds.job import Job, run_job
from conda_store.builds.logs import BuildLog
from conda_store.builds.states import Status, claim
from conda_store.builds.workplace import Workplace
from conda_store.db.orm import BuildRow, EnvironmentRow, EventRow, SettingRow, SpecificationRow
from conda_store.managers.collecting import CollectionPolicy, CollectionRunning
from conda_store.packages.indexing import index_channel
from conda_store.storage.base import blob_key
from conda_store.storage.local import LocalStorage
from conda_store.storage.uses import collecting, moment, working
from tests.command_line import shell
from tests.heap import AT_ONCE, Heap, running_heap
from tests.jobs import until
from tests.server import running
from tests.test_sharing import write_invented

PACKAGES = [f"p{number}" for number in range(6)]
SEEDS, STEPS = 3, 12


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("channel")
    for number, name in enumerate([*PACKAGES, "unloved"]):
        write_invented(made, name, "1", 20_000 * (number + 1))
    index_channel(made)
    return made


@pytest.fixture
def heap(tmp_path: Path, channel: Path) -> Iterator[Heap]:
    with running_heap(tmp_path / "heap", channel) as made:
        yield made


def keep_nothing(heap: Heap) -> None:
    """Let no artifact of a deleted build stay."""
    with heap.database.write() as session:
        row = SettingRow(namespace_id=0, environment_id=0, name="build_artifacts_kept_on_deletion", value=[])
        session.add(row)


def files(heap: Heap) -> set[str]:
    """Everything on disk that a build leaves, by its first folders."""
    store = heap.forge.store
    found = {
        path.relative_to(store).as_posix()
        for name in ("blobs", "pieces", "artifacts")
        for path in (store / name).rglob("*")
        if path.is_file()
    }
    found |= {path.relative_to(store).as_posix() for path in store.glob("packages/??/*")}
    return found | {f"envs/{name}" for name in heap.forge.bench.prefixes()}


def count(heap: Heap, table: type) -> int:
    with heap.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_built_deleted_and_collected_what_lives_is_whole(heap: Heap, seed: int) -> None:
    chance, seen = random.Random(seed), Counter[str]()
    if seed % 2:
        keep_nothing(heap)
    for _ in range(STEPS):
        living = heap.living()
        act = chance.choice(["build", "build", "delete", "environment", "collect", "age"])
        if act == "build":
            heap.build(chance.choice(["one", "two"]), *sorted(chance.sample(PACKAGES, chance.randint(1, 4))))
        elif act == "delete" and living:
            heap.delete(chance.choice(living))
        elif act == "environment" and living:
            heap.delete_environment(heap.forge.bench.build(chance.choice(living)).environment.name)
        elif act == "age":
            heap.age()
        else:
            policy = CollectionPolicy(0, keep_pieces_days=chance.choice([0, 30]), grace_hours=chance.choice([0, 24]))
            seen.update(one.kind for one in collected(heap, policy))
    heap.build("last", "unloved")
    heap.delete_environment("last")
    heap.age()
    seen.update(one.kind for one in collected(heap, AT_ONCE))
    assert {"deleted build", "blob", "record of a piece", "unpacked package"} <= set(seen), seen
    # Nothing more than what lives needs it.
    heap_size = {path for path in files(heap) if path.startswith("artifacts/")}
    assert heap.collector().plan().removals == () and len(heap_size) >= 3 * len(heap.living())


def collected(heap: Heap, policy: CollectionPolicy) -> tuple:
    """Collect: what a dry run told is what goes, and what lives is whole."""
    before = files(heap)
    planned = heap.collector(policy).plan().removals
    assert files(heap) == before
    done = heap.collector(policy).collect().removals
    assert done == planned
    gone = before - files(heap)
    assert {one.name for one in done if "/" in one.name and not one.name.startswith(("wheels", "bytecode"))} <= gone
    heap.check()
    return done


def test_of_everything_deleted_nothing_is_left(heap: Heap) -> None:
    heap.build("one", "p0", "p1")
    heap.build("two", "p1", "p2")
    for name in ("one", "two"):
        heap.delete_environment(name)
    heap.age()
    done = heap.collector().collect()
    assert files(heap) == set() and done.size > 0
    assert [count(heap, table) for table in (BuildRow, EnvironmentRow, EventRow, SpecificationRow)] == [0] * 4
    # The next one is a new environment with a number of its own, and is made from nothing.
    assert heap.build("one", "p0", "p1") == 3
    heap.check()


def test_bytes_that_other_names_hold_are_not_promised(heap: Heap) -> None:
    heap.build("one", "p5")
    heap.delete_environment("one")
    before = disk(heap)
    heap.age()
    done = heap.collector().collect()
    assert abs((before - disk(heap)) - done.size) < 5_000, done.kinds


def disk(heap: Heap) -> int:
    """Bytes of all files of the store and of prefixes, each once."""
    found = {}
    for top in (heap.forge.store, heap.jobs.prefix_directory):
        for path in top.rglob("*"):
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                found[status.st_ino] = status.st_size
    return sum(found.values())


def test_kept_artifacts_stay_with_the_row_of_their_build(heap: Heap) -> None:
    first, second = heap.build("one", "p0"), heap.build("one", "p1")
    heap.delete(first)
    heap.age()
    heap.collector().collect()
    kept = {name for name in files(heap) if name.startswith(f"artifacts/{first}/")}
    assert kept == {f"artifacts/{first}/logs.txt", f"artifacts/{first}/conda-lock.yml"}
    assert set(heap.forge.bench.artifacts(first)) == {"LOGS", "LOCKFILE"} and heap.forge.bench.log(first)
    assert [name.rsplit("-", 1)[-1] for name in heap.forge.bench.prefixes()] == ["one"]
    assert heap.collector().plan().removals == ()
    heap.check()
    heap.delete_environment("one")
    heap.collector().collect()
    assert not any(name.startswith("artifacts/") for name in files(heap)) and count(heap, BuildRow) == 0
    assert second not in heap.living()


def test_nothing_goes_before_its_time(heap: Heap) -> None:
    for name in ("one", "two"):
        heap.build(name, "p0", "p1")
    heap.delete_environment("one")
    assert heap.collector(CollectionPolicy()).plan().removals == ()
    heap.age(1.5)
    # Manifest and configuration of an image that is served no longer: small, and made again in no time.
    assert {one.kind for one in heap.collector(CollectionPolicy()).plan().removals} == {"blob"}
    heap.collector(CollectionPolicy()).collect()
    assert len(heap.forge.bench.prefixes()) == 2 and len(list(heap.forge.store.glob("packages/??/*"))) == 2


def test_the_only_build_of_a_living_environment_stays_though_it_was_deleted(heap: Heap) -> None:
    build_id = heap.build("one", "p0")
    heap.delete(build_id)
    heap.collector().collect()
    assert (heap.forge.bench.link("one") / "conda-meta").is_dir()


def test_old_builds_are_deleted_by_a_policy_and_collected_later(heap: Heap) -> None:
    numbers = [heap.build("one", name) for name in PACKAGES[:4]]
    policy = CollectionPolicy(keep_builds=1)
    planned = heap.collector(policy).plan()
    assert [(one.kind, one.name) for one in planned.removals] == [("old build", str(n)) for n in (2, 1)]
    assert heap.collector(policy).collect().removals == planned.removals
    assert heap.living() == numbers[2:] and len(heap.forge.bench.prefixes()) == 4
    heap.collector().collect()
    assert len(heap.forge.bench.prefixes()) == 2
    assert heap.collector(CollectionPolicy(keep_days=0)).plan().removals[0].reason == "older than keep_days"
    heap.check()


# Killed, and at the same time -----------------------------------------------------------------------------------


def test_killed_anywhere_nothing_that_lives_is_lost_and_the_next_run_ends_it(heap: Heap) -> None:
    keep_nothing(heap)
    heap.build("one", "p0", "p1")
    second = heap.build("one", "p1", "p2")
    heap.build("two", "p3", "p4")
    heap.build("three", "p4", "p5")
    heap.delete(1)
    heap.delete_environment("two")
    heap.age()
    expected = {name for name in files(heap) if name.startswith(f"artifacts/{second}/")}
    file = heap.forge.bench.directory / "collector.pickle"
    file.write_bytes(pickle.dumps(heap.jobs))
    command, kills = [sys.executable, "-m", "tests.killed_collector"], 0
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, text=True) as worker:
        assert worker.stdin and worker.stdout
        for number in range(200):
            worker.stdin.write(f"{number % 7 + 1} {file}\n")
            worker.stdin.flush()
            status = int(worker.stdout.readline())
            assert status in (0, -signal.SIGKILL)
            kills += status != 0
            heap.check()
            if status == 0:
                break
    assert kills > 15 and heap.collector().plan().removals == ()
    assert expected <= files(heap) and len(heap.forge.bench.prefixes()) == 2
    run_job(heap.jobs, heap.submit("two", "p3", "p4"))
    left = [path for path in heap.forge.store.glob("packages/tmp/*") if path.is_dir()]
    Workplace(heap.jobs).workshop.sweep()
    assert kills and not [path for path in left if path.exists()]


class StallingStorage(LocalStorage):
    """Stops where the first document of an image is written: its layers were found or made before."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reached, self.go = threading.Event(), threading.Event()

    def put_blob(self, data: bytes) -> str:
        self.reached.set()
        assert self.go.wait(60)
        return super().put_blob(data)


def test_what_a_running_build_found_stays_however_long_it_runs(heap: Heap) -> None:
    heap.build("one", "p0", "p1")
    heap.delete_environment("one")
    heap.age()
    build_id = heap.submit("two", "p0", "p1")
    place = Workplace(heap.jobs)
    storage = place.workshop.storage = StallingStorage(heap.forge.store)
    with heap.database.write() as session:
        lease = claim(session, build_id, 60)
    assert lease is not None

    def work() -> None:
        with working(heap.forge.store), BuildLog(place.database, lease, 60) as log:
            Job(heap.jobs, place, lease, log).run()

    begun = time.time() - 1
    thread = threading.Thread(target=work)
    thread.start()
    assert storage.reached.wait(60)
    # It has been running for two days, and found its pieces in the beginning.
    for folder, folders, names in os.walk(heap.forge.store):
        for path in (Path(folder, name) for name in (*folders, *names)):
            if path.lstat().st_mtime >= begun:
                day = 2.0 if path.parent.name == "workers" else 1.9
                os.utime(path, (time.time() - day * 86400,) * 2, follow_symlinks=False)
    done = heap.collector().collect()
    assert "deleted build" in done.kinds
    storage.go.set()
    thread.join(60)
    heap.archives[build_id] = heap.archive(build_id)
    assert heap.forge.bench.build(build_id).status == Status.COMPLETED
    heap.check()


def test_a_build_makes_again_what_is_collected_before_it_looks(heap: Heap) -> None:
    heap.build("one", "p0", "p1")
    heap.delete_environment("one")
    heap.age()
    done, seen = threading.Event(), []

    def collect() -> None:
        while not done.is_set():
            seen.append(len(heap.collector().collect().removals))

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        for number in range(4):
            heap.build(f"next{number}", "p0", "p1", f"p{number + 2}")
            heap.delete_environment(f"next{number}")
            heap.age()
    finally:
        done.set()
        thread.join(60)
    heap.build("last", "p0", "p1")
    heap.check()
    assert sum(seen) > 0


def test_only_one_collects_at_a_time_and_a_worker_that_is_gone_holds_nobody_up(heap: Heap) -> None:
    store = heap.forge.store
    with collecting(store) as alone:
        assert alone
        with pytest.raises(CollectionRunning):
            heap.collector().collect()
    with working(store):
        (worker,) = (store / "workers").iterdir()
        os.utime(worker, (1000, 1000))
        assert moment(store, 0) < 1000
    (store / "workers" / "killed").touch()
    os.utime(store / "workers" / "killed", (1000, 1000))
    assert moment(store, 0) > 1000 and not any((store / "workers").iterdir())


# The doors -------------------------------------------------------------------------------------------------------


def test_an_administrator_asks_and_begins_by_the_rest_api(tmp_path: Path) -> None:
    options = {"keep_deleted_days": 0, "keep_pieces_days": 0, "grace_hours": 0}
    named = {f"GarbageCollection__{name}": value for name, value in options.items()}
    with running(tmp_path / "server", **named) as server:
        build_id = server.submit("one")
        server.complete(build_id, LOGS=b"it went well\n" * 100)
        assert server.api.delete("environment/default/one/").status_code == 200
        blob = server.storage.put_blob(b"nobody's")
        os.utime(server.storage.path(blob_key(blob)), (1000, 1000))
        planned = server.api.get("gc/").json()["data"]
        assert [one["kind"] for one in planned["removals"]] == ["deleted build", "blob"]
        assert planned["size"] == 1300 + 8 and server.storage.exists(blob_key(blob))
        assert server.api.post("gc/").json()["message"] == "Garbage collection has begun."
        until(lambda: not server.api.get("gc/").json()["data"]["removals"])
        assert not server.storage.exists(blob_key(blob))
        assert server.api.get("audit/").json()["data"][0]["action"] == "store.collected"


def test_the_command_collects_beside_a_server_that_runs(tmp_path: Path) -> None:
    directory = tmp_path / "server"
    options = ("gc", f"--directory={directory}", f"--config={tmp_path / 'options.py'}")
    (tmp_path / "options.py").write_text("c.GarbageCollection.keep_deleted_days = 0\n")
    with running(directory) as server:
        build_id = server.submit("one")
        server.complete(build_id, LOGS=b"it went well\n" * 100)
        assert server.api.delete("environment/default/one/").status_code == 200
        planned = json.loads(shell(None, *options, "--dry-run", "--output=json").stdout)
        assert [(one["kind"], one["name"]) for one in planned["removals"]] == [("deleted build", str(build_id))]
        assert planned["dry_run"] and server.storage.exists(f"artifacts/{build_id}/logs")
        said = shell(None, *options).stdout.splitlines()
        assert said[0] == "Removed 1 of 'deleted build', 1.3 kB:" and said[-1] == "Removed 1 things, 1.3 kB in all."
        assert not server.storage.exists(f"artifacts/{build_id}/logs")
        assert (
            server.api.get("audit/", params={"action": "store.collected"}).json()["data"][0]["actor"] == "conda-store"
        )
    missing = shell(None, "gc", f"--directory={tmp_path / 'nowhere'}", status=1)
    assert "nowhere" in missing.stderr and not (tmp_path / "nowhere").exists()


def test_a_server_collects_when_its_interval_has_passed(tmp_path: Path) -> None:
    with running(tmp_path / "server") as server:
        manager = server.app.service.servers[0].request_callback.parts.collections
        assert not manager.is_due()
        os.utime(server.app.root / "store" / ".collector.lock", (time.time() - 90000,) * 2)
        assert manager.is_due()
        manager.collect()
        assert not manager.is_due()
