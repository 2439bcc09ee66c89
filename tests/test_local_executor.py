"""Real worker processes: started, canceled at every stage, killed, and never left behind."""

from __future__ import annotations

import pickle
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from conda_store.builds import states
from conda_store.builds.limits import Limits
from conda_store.builds.states import ArtifactState, ArtifactType, Status
from conda_store.builds.subject import JobSettings
from conda_store.builds.workshop import Workshop
from conda_store.db.orm import BuildRow
from conda_store.executors.local import LocalExecutor
from tests.invented import InventedChannel, text_file
from tests.jobs import Bench, StallingChannel, is_alive, look_around, until, workers
from tests.test_killed import half_made

LARGE = "dependencies: [python, numpy, pandas]\n"
CANCEL_SECONDS = 5

Benches = Callable[..., Bench]


@pytest.fixture
def new_bench(tmp_path: Path, workshop: Workshop, sample_channel: Path, base_image: str) -> Iterator[Benches]:
    made: list[Bench] = []
    look_around()

    def make(*fresh: str, channel: Path | str = sample_channel) -> Bench:
        made.append(Bench(tmp_path / f"bench{len(made)}", workshop.directory, channel, base_image, fresh))
        return made[-1]

    yield make
    for bench in made:
        bench.database.close()


@contextmanager
def executing(bench: Bench, settings: JobSettings | None = None, count: int = 1) -> Iterator[LocalExecutor]:
    """An executor that is stopped at the end, and leaves no worker."""
    executor = LocalExecutor(workers=count)
    executor.start(settings or bench.settings)
    try:
        yield executor
    finally:
        executor.stop()
    assert workers() == []


def test_a_build_goes_from_queued_to_artifacts(new_bench: Benches) -> None:
    bench = new_bench()
    with executing(bench) as executor:
        build_id = bench.submit()
        executor.submit(build_id)
        build = bench.settled(build_id)
        assert build.status == Status.COMPLETED and bench.link().is_dir()
        assert {row.state for row in bench.artifacts(build_id).values()} == {ArtifactState.READY}


def test_a_log_line_is_seen_within_a_second(new_bench: Benches) -> None:
    bench = new_bench()
    with executing(bench) as executor:
        build_id = bench.submit(LARGE)
        executor.submit(build_id)
        seen, late = 0, 0.0
        while bench.build(build_id).status not in states.ENDED:
            for event in bench.events(build_id)[seen:]:
                late = max(late, (datetime.now(UTC) - event.time).total_seconds())
                seen += 1
        assert seen > 10 and late < 1


def test_builds_that_another_process_queued_start_without_a_word(new_bench: Benches) -> None:
    bench = new_bench()
    with executing(bench, count=2):
        builds = [bench.submit(), bench.submit(name="two", namespace="other")]
        assert [bench.status(build_id).status for build_id in builds] == [Status.COMPLETED] * 2


def test_an_artifact_that_was_not_made_is_made_on_request(new_bench: Benches) -> None:
    bench = new_bench()
    with executing(bench, bench.having(build_artifacts=())) as executor:
        build_id = bench.submit()
        bench.settled(build_id)
        assert executor.submit_artifact(build_id, ArtifactType.CONDA_PACK) == ArtifactState.WAITING
        until(lambda: bench.artifacts(build_id)["CONDA_PACK"].state == ArtifactState.READY)
        assert executor.submit_artifact(build_id, ArtifactType.CONDA_PACK) == ArtifactState.READY


def canceled_within_limit(bench: Bench, executor: LocalExecutor, build_id: int) -> None:
    """Cancel, and hold what is promised: CANCELED in time, no process of the worker, no half prefix."""
    before = workers()
    started = time.monotonic()
    with bench.database.write() as session:
        states.cancel(session, build_id)
    executor.cancel(build_id)
    build = bench.status(build_id, Status.CANCELED, seconds=CANCEL_SECONDS)
    assert time.monotonic() - started < CANCEL_SECONDS
    assert build.lease is None and not build.cancel_requested
    assert before and not any(map(is_alive, before)), before
    until(lambda: bench.prefixes() == [], CANCEL_SECONDS, lambda: str(bench.prefixes()))
    assert not bench.link().exists()
    assert list(half_made(bench.settings.store_directory)) == []
    with bench.database.write() as session:
        session.get_one(BuildRow, build_id).deleted_on = datetime.now(UTC)


def test_cancel_while_queued(new_bench: Benches) -> None:
    bench = new_bench()
    build_id = bench.submit()
    with bench.database.write() as session:
        states.cancel(session, build_id)
    with executing(bench) as executor:
        executor.cancel(build_id)
        other = bench.submit()
        assert bench.status(other).status == Status.COMPLETED
    assert bench.build(build_id).status == Status.CANCELED and bench.build(build_id).attempt == 0


@pytest.mark.parametrize("stalled", ["repodata", ".conda"], ids=["solving", "fetching"])
def test_cancel_while_a_channel_does_not_answer(stalled: str, new_bench: Benches, tmp_path: Path) -> None:
    invented = InventedChannel(tmp_path / "channel")
    invented.add("slow", [text_file("share/slow")])
    channel = StallingChannel(invented.directory, stalled)
    with closing(channel):
        bench = new_bench("packages", "repodata", channel=channel.url)
        with executing(bench) as executor:
            build_id = bench.submit("dependencies: [slow]\n")
            assert channel.reached.wait(30), bench.log(build_id)
            canceled_within_limit(bench, executor, build_id)


@pytest.mark.parametrize(
    ("stage", "fresh"),
    [
        ("compile", ("bytecode", "toolchains")),
        ("link", ()),
        ("image", ("blobs", "pieces")),
        ("archive", ("blobs", "pieces")),
    ],
)
def test_cancel_at_a_stage(stage: str, fresh: tuple[str, ...], new_bench: Benches) -> None:
    bench = new_bench(*fresh)
    with executing(bench) as executor:
        build_id = bench.submit(LARGE)
        until(lambda: bench.has_begun(build_id, stage), 60, lambda: bench.log(build_id))
        if stage == "compile":
            until(lambda: len(workers()) > 1, 10, lambda: "no python compiles")
        canceled_within_limit(bench, executor, build_id)
        # The place is free, and what was half-made is made again.
        after = bench.submit()
        assert bench.settled(after).status == Status.COMPLETED
        assert {row.state for row in bench.artifacts(after).values()} == {ArtifactState.READY}


def test_a_withdrawn_build_gives_way_to_the_one_before(new_bench: Benches) -> None:
    bench = new_bench("blobs", "pieces")
    with executing(bench, bench.having(build_artifacts=())):
        first = bench.submit()
        bench.settled(first)
    with executing(bench) as executor:
        build_id = bench.submit(LARGE)
        until(lambda: bench.has_begun(build_id, "archive"), 60, lambda: bench.log(build_id))
        with bench.database.write() as session:
            states.cancel(session, build_id)
        executor.cancel(build_id)
        assert bench.status(build_id, Status.CANCELED, seconds=CANCEL_SECONDS)
        assert bench.link().resolve().name.endswith(f"-{first}-one")
        until(lambda: len(bench.prefixes()) == 1, CANCEL_SECONDS)
        assert bench.build(first).environment.current_build_id == first


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_worker_is_replaced(seed: int, new_bench: Benches) -> None:
    bench = new_bench("bytecode", "blobs", "pieces")
    chance = random.Random(seed)
    with executing(bench) as executor:
        build_id = bench.submit()
        executor.submit(build_id)
        bench.status(build_id, Status.BUILDING, Status.COMPLETED)
        time.sleep(chance.uniform(0, 1.5))
        kill_workers()
        build = bench.settled(build_id)
        assert build.status == Status.COMPLETED and build.attempt in {1, 2}
        until(lambda: {row.state for row in bench.artifacts(build_id).values()} == {ArtifactState.READY})
    assert list(half_made(bench.settings.store_directory)) == []
    assert [name for name in bench.prefixes() if name.startswith(".")] == []
    numbers = [event.number for event in bench.events(build_id)]
    assert numbers == list(range(1, len(numbers) + 1))


def kill_workers() -> None:
    for process in workers():
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def test_a_worker_that_dies_twice_fails_the_build(new_bench: Benches, tmp_path: Path) -> None:
    invented = InventedChannel(tmp_path / "channel")
    invented.add("slow", [text_file("share/slow")])
    channel = StallingChannel(invented.directory, ".conda")
    with closing(channel):
        bench = new_bench("packages", "repodata", channel=channel.url)
        with executing(bench):
            build_id = bench.submit("dependencies: [slow]\n")
            for attempt in (1, 2):
                until(lambda n=attempt: bench.build(build_id).attempt == n and in_fetch(bench, build_id, n))
                kill_workers()
            build = bench.status(build_id)
    assert build.status == Status.FAILED and "SIGKILL" in (build.status_info or "")
    assert "It was tried 2 times" in (build.status_info or "")
    assert b"SIGKILL" in bench.artifact(build_id, ArtifactType.LOGS)


def in_fetch(bench: Bench, build_id: int, attempt: int) -> bool:
    events = bench.events(build_id)
    return any(e.attempt == attempt and str(e.data.get("stage")).startswith("fetch") for e in events)


def test_an_idle_worker_that_somebody_kills_is_replaced(new_bench: Benches) -> None:
    bench = new_bench()
    with executing(bench):
        bench.settled(bench.submit())
        until(lambda: len(workers()) == 1)
        kill_workers()
        assert bench.settled(bench.submit()).status == Status.COMPLETED


def test_a_build_that_takes_too_long_fails(new_bench: Benches, tmp_path: Path) -> None:
    invented = InventedChannel(tmp_path / "channel")
    invented.add("slow", [text_file("share/slow")])
    channel = StallingChannel(invented.directory, ".conda")
    with closing(channel):
        bench = new_bench("packages", "repodata", channel=channel.url)
        with executing(bench, bench.having(limits=Limits(build_seconds=1.5))):
            build = bench.status(bench.submit("dependencies: [slow]\n"))
    assert build.status == Status.FAILED and "longer than 1.5 seconds" in (build.status_info or "")
    assert build.attempt == 1


def test_a_build_that_needs_too_much_memory_fails_with_a_reason(new_bench: Benches) -> None:
    bench = new_bench()
    with executing(bench, bench.having(limits=Limits(memory_bytes=60 << 20))) as executor:
        build_id = bench.submit()
        executor.submit(build_id)
        build = bench.status(build_id)
    assert build.status == Status.FAILED and "memory" in (build.status_info or "")


def test_a_worker_that_stops_answering_is_ended_and_replaced(new_bench: Benches, tmp_path: Path) -> None:
    invented = InventedChannel(tmp_path / "channel")
    invented.add("slow", [text_file("share/slow")])
    channel = StallingChannel(invented.directory, ".conda")
    with closing(channel):
        bench = new_bench("packages", "repodata", channel=channel.url)
        with executing(bench, replace(bench.settings, lease_seconds=1.0)):
            build_id = bench.submit("dependencies: [slow]\n")
            until(lambda: in_fetch(bench, build_id, 1))
            stopped = workers()
            for process in stopped:
                process.send_signal(signal.SIGSTOP)
            until(lambda: in_fetch(bench, build_id, 2), 20, lambda: bench.log(build_id))
            assert stopped and not any(map(is_alive, stopped))
            channel.go.set()
            assert bench.status(build_id).status == Status.COMPLETED


def test_builds_of_a_stopped_server_start_again_and_lose_no_attempt(new_bench: Benches) -> None:
    bench = new_bench("bytecode")
    build_id = bench.submit(LARGE)
    with executing(bench):
        until(lambda: bench.has_begun(build_id, "compile"))
    assert (bench.build(build_id).status, bench.build(build_id).attempt) == (Status.QUEUED, 0)
    assert bench.prefixes() == []
    with executing(bench):
        assert bench.settled(build_id).status == Status.COMPLETED


def test_a_namespace_with_many_builds_does_not_hold_up_another(new_bench: Benches) -> None:
    bench = new_bench()
    settings = bench.having(build_artifacts=())
    many = [bench.submit(name=f"e{number}", namespace="many") for number in range(4)]
    few = bench.submit(namespace="few")
    with executing(bench, settings):
        for build_id in [*many, few]:
            bench.settled(build_id)
    started = sorted([*many, few], key=lambda build_id: bench.build(build_id).started_on or datetime.now(UTC))
    assert started.index(few) == 1


def test_settings_can_be_sent_to_another_process(new_bench: Benches) -> None:
    settings = new_bench().settings
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301
