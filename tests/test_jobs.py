"""Whole jobs, in this process: what a build leaves, in which order it is seen, and what a late worker cannot do."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from conda_store.builds import states
from conda_store.builds.aftermath import Aftermath
from conda_store.builds.current import point, show_current
from conda_store.builds.events import Event
from conda_store.builds.job import run_job
from conda_store.builds.limits import Limits
from conda_store.builds.lockfile import parse_lockfile
from conda_store.builds.logs import condensed
from conda_store.builds.recording import lock_record, read_lock_record
from conda_store.builds.states import ArtifactState, ArtifactType, Status
from conda_store.builds.subject import JobSettings
from conda_store.builds.workplace import find_workplace
from conda_store.builds.workshop import Workshop
from conda_store.db import Database
from conda_store.db.orm import ArtifactRow, BuildPackageRow, BuildRow, ManifestRow, PackageRow, TagRow
from conda_store.packages.channels import ChannelPolicy
from conda_store.specification import Specification
from conda_store.storage.base import blob_key
from tests.engine import tree_of
from tests.jobs import SMALL, Bench

OTHER = "dependencies: [python, click]\n"


@dataclass(frozen=True)
class StallingPolicy(ChannelPolicy):
    """A policy that takes its time where a build asks for its channels, which is just before the solve."""

    reached: threading.Event | None = None
    go: threading.Event | None = None

    def channels_for(self, specification: Specification, extra: object = ()) -> list[str]:
        assert self.reached and self.go
        self.reached.set()
        assert self.go.wait(60)
        return super().channels_for(specification)


class Stalled:
    """A job in a thread that stops before its solve until `finish`."""

    def __init__(self, bench: Bench, build_id: int) -> None:
        policy = bench.settings.policy
        self.reached, self.go = threading.Event(), threading.Event()
        stalling = StallingPolicy(
            policy.alias, policy.default_channels, policy.allowed_channels, reached=self.reached, go=self.go
        )
        self.thread = threading.Thread(target=run_job, args=(bench.having(policy=stalling), build_id))
        self.thread.start()
        assert self.reached.wait(60)

    def finish(self) -> None:
        """Let it go on, to its end."""
        self.go.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def bench(tmp_path: Path, workshop: Workshop, sample_channel: Path, base_image: str) -> Iterator[Bench]:
    bench = Bench(tmp_path, workshop.directory, sample_channel, base_image)
    with closing(bench.database):
        yield bench


def run(bench: Bench, source: str = SMALL, settings: JobSettings | None = None, **names: str) -> int:
    build_id = bench.submit(source, **names)
    run_job(settings or bench.settings, build_id)
    return build_id


def test_a_build_leaves_a_prefix_packages_and_every_artifact(bench: Bench) -> None:
    build_id = run(bench)
    build = bench.build(build_id)
    assert (build.status, build.status_info, build.lease) == (Status.COMPLETED, None, None)
    artifacts = bench.artifacts(build_id)
    assert {(name, row.state, row.reason) for name, row in artifacts.items()} == {
        (name, "READY", None) for name in ("DIRECTORY", "LOCKFILE", "YAML", "LOGS", "CONDA_PACK", "DOCKER_MANIFEST")
    }
    prefix = Path(artifacts["DIRECTORY"].key)
    assert bench.link().resolve() == prefix.resolve() and prefix.name.endswith(f"-{build_id}-one")
    said = subprocess.run([prefix / "bin/python", "-c", "import markupsafe; print(1)"], capture_output=True, check=True)
    assert said.stdout == b"1\n"
    assert build.size > 0 and build.started_on and build.ended_on
    assert bench.prefixes() == [prefix.name]
    with bench.database.read() as session:
        query = select(PackageRow).join(BuildPackageRow, BuildPackageRow.package_id == PackageRow.id)
        names = {row.name for row in session.scalars(query.where(BuildPackageRow.build_id == build_id))}
    assert names == {path.name.rsplit("-", 2)[0] for path in (prefix / "conda-meta").glob("*.json")}


def test_a_workplace_that_was_ready_before_its_database_serves(bench: Bench, tmp_path: Path) -> None:
    settings = bench.having(database_url=f"sqlite:///{tmp_path}/later.sqlite")
    place = find_workplace(settings)
    assert place is not None
    bench.database.close()
    (tmp_path / "database.sqlite").rename(tmp_path / "later.sqlite")
    bench.database = Database(settings.database_url)
    build_id = bench.submit()
    run_job(settings, build_id, workplace=place)
    assert bench.build(build_id).status == Status.COMPLETED


def test_there_is_no_workplace_where_the_store_cannot_be(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert find_workplace(bench.having(store_directory=tmp_path / "file/store")) is None


def test_the_files_are_what_their_names_say(bench: Bench) -> None:
    build_id = run(bench)
    lock, specification = parse_lockfile(bench.artifact(build_id, ArtifactType.LOCKFILE), policy=bench.settings.policy)
    assert specification.name == "one" and {p.name for one in lock for p in one.conda} >= {"python", "markupsafe"}
    assert json.loads(bench.artifact(build_id, ArtifactType.LOCKFILE)).keys() == {"version", "metadata", "package"}
    assert b"- markupsafe" in bench.artifact(build_id, ArtifactType.YAML)
    log = bench.artifact(build_id, ArtifactType.LOGS).decode()
    assert bench.log(build_id).startswith(log) and "solve: " in log and "image linux" in log
    archive = json.loads(bench.artifact(build_id, ArtifactType.CONDA_PACK))
    assert [bench.storage.size(blob_key(digest)) for digest, _ in archive["parts"]] == [n for _, n in archive["parts"]]
    assert bench.artifacts(build_id)["CONDA_PACK"].size == sum(size for _, size in archive["parts"])


def test_an_image_is_served_with_everything_it_reaches_under_all_its_tags(bench: Bench) -> None:
    build_id = run(bench)
    key = bench.artifacts(build_id)["DOCKER_MANIFEST"].key
    with bench.database.read() as session:
        tags = {
            row.tag: row.digest for row in session.scalars(select(TagRow).where(TagRow.repository == "default/one"))
        }
        contents = {row.digest: row for row in session.scalars(select(ManifestRow))}
    assert len(set(tags.values())) == 1 and {str(build_id), "latest", key} <= tags.keys()
    assert f"{key[:8]}{key[64:]}" in tags
    manifest = json.loads(bench.storage.get(blob_key(tags["latest"])))
    inside = [manifest["config"], *manifest["layers"]]
    assert contents.keys() == {tags["latest"], *(item["digest"] for item in inside)}
    assert contents[tags["latest"]].media_type and not any(contents[item["digest"]].media_type for item in inside)
    assert all(contents[item["digest"]].size == item["size"] for item in inside)


def test_completed_is_seen_before_artifacts_are_made(bench: Bench) -> None:
    events = bench.events(run(bench))
    kinds = [(e.kind, e.data.get("status") or e.data.get("artifact_type"), e.data.get("state")) for e in events]
    completed = kinds.index(("status", "COMPLETED", None))
    assert completed < kinds.index(("artifact", "LOCKFILE", "MAKING")) < kinds.index(("artifact", "LOCKFILE", "READY"))
    assert [e.number for e in events] == list(range(1, len(events) + 1))
    stages = [e.data["stage"] for e in events if e.kind == "progress" and "seconds" in e.data]
    assert stages[:6] == ["read", "solve", "fetch linux-64", "check linux-64", "compile", "link"]


def test_a_failure_says_what_the_engine_says(bench: Bench) -> None:
    build_id = run(bench, "dependencies: [python, nosuchthing]\n")
    build = bench.build(build_id)
    assert build.status == Status.FAILED and "nosuchthing" in (build.status_info or "")
    assert "nosuchthing" in bench.artifact(build_id, ArtifactType.LOGS).decode()
    assert build.environment.current_build_id == build_id and not bench.link().exists()
    assert bench.prefixes() == []


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(packages=1), "1 are allowed here"),
        (Limits(solve_seconds=1e-9), "took longer than"),
    ],
)
def test_limits_end_a_build_with_their_reason(bench: Bench, limits: Limits, reason: str) -> None:
    build = bench.build(run(bench, settings=bench.having(limits=limits)))
    assert build.status == Status.FAILED and reason in (build.status_info or "")


def test_what_would_have_to_be_fetched_is_limited(
    tmp_path: Path, workshop: Workshop, sample_channel: Path, base_image: str
) -> None:
    bench = Bench(tmp_path, workshop.directory, sample_channel, base_image, fresh=("packages",))
    with closing(bench.database):
        build = bench.build(run(bench, settings=bench.having(limits=Limits(download_bytes=1000))))
        assert build.status == Status.FAILED and "1,000 are allowed here" in (build.status_info or "")
        assert list((bench.settings.store_directory / "packages").glob("??/*")) == []


def test_a_second_build_becomes_current_and_a_rollback_shows(bench: Bench) -> None:
    first, second = run(bench), run(bench, OTHER)
    assert bench.link().resolve().name.endswith(f"-{second}-one")
    with bench.database.write() as session:
        build = states.make_current(session, first)
        show_current(session, build.environment, bench.settings.places)
    assert bench.link().resolve().name.endswith(f"-{first}-one")
    assert latest(bench) == first


def latest(bench: Bench) -> int | None:
    with bench.database.read() as session:
        return session.scalar(select(TagRow.build_id).where(TagRow.tag == "latest"))


def test_an_older_build_that_ends_later_moves_neither_link_nor_tag(bench: Bench) -> None:
    run(bench)
    older = bench.submit(OTHER)
    stalled = Stalled(bench, older)
    newer = run(bench)
    stalled.finish()
    assert bench.build(older).status == bench.build(newer).status == Status.COMPLETED
    assert bench.link().resolve().name.endswith(f"-{newer}-one") and latest(bench) == newer


def test_two_builds_of_one_environment_at_once_both_complete(bench: Bench) -> None:
    builds = [bench.submit(SMALL), bench.submit(OTHER)]
    threads = [threading.Thread(target=run_job, args=(bench.settings, build_id)) for build_id in builds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [bench.build(build_id).status for build_id in builds] == [Status.COMPLETED] * 2
    assert bench.link().resolve().name.endswith(f"-{builds[1]}-one") and latest(bench) == builds[1]


def test_a_stalled_worker_that_wakes_up_late_changes_nothing(bench: Bench) -> None:
    build_id = bench.submit()
    stalled = Stalled(bench, build_id)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert Aftermath(bench.settings, bench.database).leases_expired(later) == [build_id]
    run_job(bench.settings, build_id)
    before = everything(bench, build_id)
    assert before[0].status == Status.COMPLETED
    stalled.finish()
    after = everything(bench, build_id)
    assert [row.__dict__.keys() for row in before[:1]] == [row.__dict__.keys() for row in after[:1]]
    assert before[1:] == after[1:]
    assert (after[0].attempt, after[0].ended_on, after[0].lease) == (2, before[0].ended_on, None)


def everything(bench: Bench, build_id: int) -> tuple[BuildRow, list[object], dict[str, object], list[object]]:
    """The row, its events, the prefix with its inode, and the artifacts' files with theirs."""
    prefix = bench.link().resolve()
    files = [(path, path.stat().st_ino, path.stat().st_mtime_ns) for path in artifact_files(bench)]
    events: list[object] = [(event.number, event.data) for event in bench.events(build_id)]
    tree: dict[str, object] = {"inode": prefix.stat().st_ino, **tree_of(prefix / "conda-meta")}
    return bench.build(build_id), events, tree, [*files, *bench.prefixes()]


def artifact_files(bench: Bench) -> list[Path]:
    return sorted((bench.settings.store_directory / "artifacts").rglob("*.*"))


def test_a_worker_that_wakes_up_in_a_canceled_build_leaves_no_prefix(bench: Bench) -> None:
    build_id = bench.submit()
    stalled = Stalled(bench, build_id)
    with bench.database.write() as session:
        states.cancel(session, build_id)
    Aftermath(bench.settings, bench.database).leases_expired(datetime.now(UTC) + timedelta(hours=1))
    assert bench.build(build_id).status == Status.CANCELED
    stalled.finish()
    assert bench.build(build_id).status == Status.CANCELED
    assert bench.prefixes() == [] and not bench.link().exists()


def test_an_artifact_asked_for_later_is_of_the_same_lock(bench: Bench) -> None:
    build_id = run(bench, settings=bench.having(build_artifacts=()))
    assert bench.artifacts(build_id).keys() == {"DIRECTORY", "LOGS"}
    for wanted in (ArtifactType.CONDA_PACK, ArtifactType.DOCKER_MANIFEST, ArtifactType.LOCKFILE):
        with bench.database.write() as session:
            states.request_artifact(session, build_id, wanted)
        # No solve: the channel is gone by now.
        run_job(bench.having(policy=ChannelPolicy()), build_id)
        assert bench.artifacts(build_id)[wanted].state == ArtifactState.READY
    assert bench.build(build_id).lease is None and latest(bench) == build_id


def test_what_cannot_be_made_fails_alone(bench: Bench) -> None:
    settings = bench.having(base_images="oci:/nowhere", build_artifacts=("DOCKER_MANIFEST", "YAML"))
    build_id = run(bench, settings=settings)
    artifacts = bench.artifacts(build_id)
    assert bench.build(build_id).status == Status.COMPLETED
    assert {name: row.state for name, row in artifacts.items()} == {
        "DIRECTORY": "READY",
        "LOGS": "READY",
        "DOCKER_MANIFEST": "FAILED",
        "YAML": "READY",
    }
    assert "/nowhere" in (artifacts["DOCKER_MANIFEST"].reason or "")
    assert "/nowhere" in bench.log(build_id)


def test_an_image_on_demand_has_no_prefix_and_is_made_before_the_build_completes(bench: Bench) -> None:
    build_id = run(bench, namespace="conda-store-dynamic", name="python")
    assert bench.build(build_id).status == Status.COMPLETED
    artifacts = bench.artifacts(build_id)
    assert artifacts.keys() == {"DOCKER_MANIFEST", "LOGS"} and bench.prefixes() == []
    refused = run(
        bench, settings=bench.having(base_images="oci:/nowhere"), namespace="conda-store-dynamic", name="broken"
    )
    build = bench.build(refused)
    assert build.status == Status.FAILED and "/nowhere" in (build.status_info or "")


def test_a_posted_lockfile_comes_back_byte_for_byte(bench: Bench) -> None:
    text = bench.artifact(run(bench), ArtifactType.LOCKFILE).decode()
    posted = f"{text}\n\n"
    build_id = bench.submit(OTHER, name="locked")
    with bench.database.write() as session:
        row = session.get_one(BuildRow, build_id).specification
        row.source, row.is_lockfile = posted, True
    run_job(bench.settings, build_id)
    assert bench.build(build_id).status == Status.COMPLETED
    assert bench.artifact(build_id, ArtifactType.LOCKFILE).decode() == posted


def test_a_platform_that_this_machine_is_not_gets_no_prefix(bench: Bench) -> None:
    settings = bench.having(build_artifacts=(ArtifactType.LOCKFILE,))
    build_id = run(bench, "dependencies: [python]\nplatforms: [linux-aarch64]\n", settings)
    assert bench.build(build_id).status == Status.COMPLETED
    assert bench.artifacts(build_id).keys() == {"LOCKFILE", "LOGS"} and not bench.link().exists()


def test_links_that_a_crash_left_behind_follow_the_database_again(bench: Bench) -> None:
    run(bench)
    aim = bench.link().readlink()
    point(bench.link(), Path("/nowhere"))
    Aftermath(bench.settings, bench.database).show_all_current()
    assert bench.link().readlink() == aim


def test_what_shows_the_current_build_already_is_left_alone(bench: Bench) -> None:
    run(bench)
    before = bench.database.change_number()
    Aftermath(bench.settings, bench.database).show_all_current()
    assert bench.database.change_number() == before


def test_tags_that_do_not_name_the_current_build_follow_it_again(bench: Bench) -> None:
    older, current = run(bench), run(bench)
    for wrong in ({"digest": f"sha256:{0:064}"}, {"build_id": older}, None):
        with bench.database.write() as session:
            row = session.scalars(select(TagRow).where(TagRow.tag == "latest")).one()
            right = (row.digest, row.build_id)
            if wrong is None:
                session.delete(row)
            for name, value in (wrong or {}).items():
                setattr(row, name, value)
        Aftermath(bench.settings, bench.database).show_all_current()
        with bench.database.read() as session:
            row = session.scalars(select(TagRow).where(TagRow.tag == "latest")).one()
            assert (row.digest, row.build_id) == right and row.build_id == current


def test_a_link_to_a_prefix_that_is_none_is_removed(bench: Bench) -> None:
    build_id = run(bench)
    with bench.database.write() as session:
        made = select(ArtifactRow).where(ArtifactRow.build_id == build_id, ArtifactRow.artifact_type == "DIRECTORY")
        session.scalars(made).one().state = "FAILED"
    Aftermath(bench.settings, bench.database).show_all_current()
    assert not bench.link().is_symlink()


def test_a_lock_record_gives_back_what_it_was_made_of(bench: Bench) -> None:
    lock, specification = parse_lockfile(
        bench.artifact(run(bench), ArtifactType.LOCKFILE), policy=bench.settings.policy
    )
    assert read_lock_record(lock_record(specification, lock)) == (specification, lock)


def test_steps_that_later_ones_overtook_are_not_written() -> None:
    steps = [Event("progress", {"stage": stage, "done": done}) for done in range(3) for stage in ("a", "b")]
    line = Event("log", {"text": "between"})
    start = Event("progress", {"stage": "a", "total": 9})
    assert condensed([start, *steps, line]) == [start, *steps[-2:], line]


def test_a_full_place_fails_the_build_with_a_reason(bench: Bench) -> None:
    bench.settings.prefix_directory.write_text("a file where prefixes should be")
    build_id = run(bench)
    build = bench.build(build_id)
    assert build.status == Status.FAILED and str(bench.settings.prefix_directory) in (build.status_info or "")
    assert not bench.settings.environments_directory.exists()
