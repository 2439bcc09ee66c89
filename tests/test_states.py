"""Builds and artifacts move between states as design.md §4 says, and only for whoever holds the lease."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from conda_store.builds import states
from conda_store.builds.artifact_states import find_artifact, find_waiting
from conda_store.builds.keys import Places, build_key, short_key
from conda_store.builds.leases import find_lease
from conda_store.builds.states import (
    ArtifactState,
    ArtifactType,
    BuildEnded,
    CancelRequested,
    Lease,
    StaleLease,
    Status,
)
from conda_store.db import Database
from conda_store.db.orm import BuildRow, EventRow
from conda_store.executors.waiting import Waiting, builds_with_artifacts, next_in_turn, queued_builds
from conda_store.packages.channels import ChannelPolicy
from tests.jobs import SMALL, schedule


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    database = Database(f"sqlite:///{tmp_path}/database.sqlite")
    database.create_or_upgrade()
    with database.write() as session:
        yield session
    database.close()


def submit(session: Session, name: str = "one", namespace: str = "default") -> BuildRow:
    return session.get_one(BuildRow, schedule(session, SMALL, name, namespace, ChannelPolicy()))


def taken(session: Session, build: BuildRow) -> Lease:
    lease = states.claim(session, build.id, 60)
    assert lease is not None
    return lease


def completed(session: Session, build: BuildRow) -> Lease:
    lease = taken(session, build)
    states.complete(session, lease, size=7)
    return lease


def statuses(session: Session, build: BuildRow) -> list[str]:
    rows = session.query(EventRow).filter_by(build_id=build.id, kind="status").order_by(EventRow.number)
    return [row.data["status"] for row in rows]


def test_the_life_of_a_build_is_told_in_its_events(session: Session) -> None:
    build = submit(session)
    assert (build.status, build.environment.current_build_id, build.started_on) == (Status.QUEUED, build.id, None)
    lease = taken(session, build)
    assert build.status == Status.BUILDING and build.started_on and build.attempt == 1
    states.complete(session, lease, size=7)
    assert build.status == Status.COMPLETED and build.size == 7 and build.ended_on
    assert states.release(session, lease) and build.lease is None
    assert statuses(session, build) == ["QUEUED", "BUILDING", "COMPLETED"]


def test_a_build_has_one_worker_at_a_time(session: Session) -> None:
    build = submit(session)
    taken(session, build)
    assert states.claim(session, build.id, 60) is None
    assert states.claim(session, 999, 60) is None


def test_who_has_lost_the_lease_changes_nothing(session: Session) -> None:
    build = submit(session)
    old = taken(session, build)
    assert states.requeue_expired(session, datetime.now(UTC)) == []
    assert states.requeue_expired(session, datetime.now(UTC) + timedelta(seconds=61)) == [build.id]
    assert build.status == Status.QUEUED
    new = taken(session, build)
    assert new.attempt == 2
    before = session.query(EventRow).count()
    for write in (
        lambda: states.complete(session, old),
        lambda: states.fail(session, old, "no"),
        lambda: states.add_events(session, old, [states.Event("log", {"text": "late"})]),
        lambda: states.set_artifact(session, old, ArtifactType.YAML, ArtifactState.READY),
        lambda: states.release(session, old),
    ):
        with pytest.raises(StaleLease):
            write()
    assert not states.renew(session, old, 60)
    assert states.lost(session, old, "again") is None and states.canceled(session, old) is None
    assert (build.status, build.lease, session.query(EventRow).count()) == (Status.BUILDING, new.lease, before)


def test_a_renewed_lease_does_not_run_out(session: Session) -> None:
    build = submit(session)
    lease = taken(session, build)
    assert states.renew(session, lease, 600)
    assert states.requeue_expired(session, datetime.now(UTC) + timedelta(seconds=61)) == []


def test_a_lost_worker_is_replaced_once_and_then_the_build_fails_with_the_reason(session: Session) -> None:
    build = submit(session)
    states.lost(session, taken(session, build), "The worker died.")
    assert build.status == Status.QUEUED and build.lease is None
    states.lost(session, taken(session, build), "The worker died.")
    assert build.status == Status.FAILED and build.ended_on
    assert build.status_info == "The worker died. It was tried 2 times."
    assert "The worker died. The build starts again.\n" in states.log_text(session, build.id)


def test_a_server_that_stops_costs_no_attempt(session: Session) -> None:
    build = submit(session)
    for _ in range(5):
        states.give_back(session, taken(session, build))
        assert (build.status, build.attempt) == (Status.QUEUED, 0)


def test_a_queued_build_is_canceled_at_once_and_a_running_one_when_its_worker_is_gone(session: Session) -> None:
    queued, running = submit(session), submit(session)
    states.cancel(session, queued.id)
    assert queued.status == Status.CANCELED and states.claim(session, queued.id, 60) is None
    lease = taken(session, running)
    states.cancel(session, running.id)
    assert running.status == Status.BUILDING
    with pytest.raises(CancelRequested):
        states.complete(session, lease)
    states.canceled(session, lease)
    assert (running.status, running.lease, running.status_info) == (Status.CANCELED, None, None)
    with pytest.raises(BuildEnded, match="has ended"):
        states.cancel(session, running.id)


def test_a_worker_lost_on_a_build_that_is_to_be_canceled_cancels_it(session: Session) -> None:
    build = submit(session)
    taken(session, build)
    states.cancel(session, build.id)
    states.requeue_expired(session, datetime.now(UTC) + timedelta(seconds=61))
    assert build.status == Status.CANCELED


def test_a_build_can_be_withdrawn_until_its_artifacts_are_made(session: Session) -> None:
    before = submit(session)
    states.release(session, completed(session, before))
    build = submit(session)
    lease = completed(session, build)
    states.set_artifact(session, lease, ArtifactType.CONDA_PACK, ArtifactState.MAKING)
    assert build.environment.current_build_id == build.id
    states.cancel(session, build.id)
    states.canceled(session, lease)
    assert build.status == Status.CANCELED and build.environment.current_build_id == before.id
    archive = find_artifact(session, build.id, ArtifactType.CONDA_PACK)
    assert archive and archive.state == ArtifactState.FAILED
    with pytest.raises(BuildEnded):
        states.cancel(session, before.id)


def test_an_older_build_that_ends_later_does_not_become_current(session: Session) -> None:
    first, older, newer = (submit(session) for _ in range(3))
    assert first.environment.current_build_id == first.id
    lease = taken(session, older)
    completed(session, newer)
    assert first.environment.current_build_id == newer.id
    states.complete(session, lease)
    assert first.environment.current_build_id == newer.id
    completed(session, first)
    assert first.environment.current_build_id == newer.id


def test_a_build_that_an_older_one_was_preferred_to_stays_the_newest(session: Session) -> None:
    chosen, late, newest = (submit(session) for _ in range(3))
    completed(session, chosen)
    completed(session, newest)
    states.make_current(session, chosen.id)
    completed(session, late)
    assert chosen.environment.current_build_id == chosen.id
    completed(session, after := submit(session))
    assert chosen.environment.current_build_id == after.id


def test_only_what_completed_can_be_made_current(session: Session) -> None:
    build = submit(session)
    states.fail(session, taken(session, build), "no")
    with pytest.raises(states.BuildNotCompleted):
        states.make_current(session, build.id)


def test_artifacts_are_made_one_after_another_the_log_last(session: Session) -> None:
    build = submit(session)
    lease = completed(session, build)
    for wanted in (ArtifactType.LOGS, ArtifactType.YAML, ArtifactType.CONDA_PACK):
        states.set_artifact(session, lease, wanted, ArtifactState.WAITING)
    order = []
    while not states.release(session, lease):
        row = find_waiting(session, build.id)
        assert row is not None
        order.append(row.artifact_type)
        states.set_artifact(session, lease, ArtifactType(row.artifact_type), ArtifactState.READY, "key", 5)
    assert order == ["YAML", "CONDA_PACK", "LOGS"]


def test_an_artifact_can_be_asked_for_later_and_again_after_it_failed(session: Session) -> None:
    build = submit(session)
    with pytest.raises(states.BuildNotCompleted):
        states.request_artifact(session, build.id, ArtifactType.YAML)
    states.release(session, completed(session, build))
    assert states.claim_artifacts(session, build.id, 60) is None
    for end in (ArtifactState.FAILED, ArtifactState.READY):
        assert states.request_artifact(session, build.id, ArtifactType.YAML) == ArtifactState.WAITING
        assert builds_with_artifacts(session, []) == [Waiting(build.id, build.environment.namespace_id)]
        lease = states.claim_artifacts(session, build.id, 60)
        assert lease is not None and states.claim_artifacts(session, build.id, 60) is None
        states.set_artifact(session, lease, ArtifactType.YAML, end)
        with pytest.raises(BuildEnded):
            states.cancel(session, build.id)
        assert states.release(session, lease)
    assert states.request_artifact(session, build.id, ArtifactType.YAML) == ArtifactState.READY


def test_an_artifact_whose_worker_is_lost_twice_fails_and_the_build_does_not(session: Session) -> None:
    build = submit(session)
    states.release(session, completed(session, build))
    states.request_artifact(session, build.id, ArtifactType.CONDA_PACK)
    seen = []
    for _ in range(2):
        lease = states.claim_artifacts(session, build.id, 60)
        row = find_waiting(session, build.id)
        assert lease and row
        states.set_artifact(session, lease, ArtifactType.CONDA_PACK, ArtifactState.MAKING, reason=row.reason)
        states.lost(session, lease, "The worker died.")
        seen.append(row.state)
    assert seen == [ArtifactState.WAITING, ArtifactState.FAILED]
    assert row.reason == "The worker died." and build.status == Status.COMPLETED and build.lease is None


def test_events_are_numbered_on(session: Session) -> None:
    build = submit(session)
    lease = taken(session, build)
    states.add_events(session, lease, [states.Event("log", {"text": str(n)}) for n in range(250)])
    numbers = [row.number for row in session.query(EventRow).filter_by(build_id=build.id).order_by(EventRow.number)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) == 252


def test_a_lease_is_found_by_its_token_while_it_is_held(session: Session) -> None:
    build = submit(session)
    assert find_lease(session, build.id, "token") is None
    lease = states.claim(session, build.id, 60, "token")
    assert find_lease(session, build.id, "token") == lease
    states.lost(session, lease, "gone") if lease else None
    assert find_lease(session, build.id, "token") is None


def test_namespaces_take_turns(session: Session) -> None:
    many = [submit(session, f"e{n}", "many") for n in range(3)]
    few = submit(session, "e", "few")
    waiting = queued_builds(session, [])
    assert sorted(one.build_id for one in waiting) == [many[0].id, few.id]
    first = next_in_turn(waiting, [], {})
    assert first and first.build_id == many[0].id
    second = next_in_turn(queued_builds(session, [first.build_id]), [first.namespace_id], {first.namespace_id: 5.0})
    assert second and second.build_id == few.id
    third = next_in_turn(waiting, [], {first.namespace_id: 5.0, second.namespace_id: 4.0})
    assert third and third.build_id == few.id
    assert next_in_turn([], [], {}) is None


def test_keys_are_those_of_the_documentation() -> None:
    sha256 = "583dd55140491c6b4cfa46e36c203e10280fe7e180190aa28c13f6fc35702f8f"
    moment = datetime(2021, 8, 25, 20, 2, 11, 244815, timezone(timedelta(hours=2)))
    assert build_key(sha256, moment, 3, "python-numpy-env") == f"{sha256}-20210825-180211-244815-3-python-numpy-env"
    assert short_key(sha256, moment, 3, "python-numpy-env") == "583dd551-20210825-180211-244815-3-python-numpy-env"


@pytest.mark.parametrize("namespace", [".", "..", "%2e", "ana@lab.org", "data ml"])
def test_every_namespace_is_a_directory_of_its_own(namespace: str, tmp_path: Path) -> None:
    others = {".", "..", "%2e", "ana@lab.org", "data ml", "%252e"} - {namespace}
    places = Places(tmp_path / "envs", tmp_path / "environments")
    mine = places.prefix(namespace, "key")
    assert mine.resolve().parent.parent == (tmp_path / "envs").resolve()
    assert mine.resolve() not in {places.prefix(other, "key").resolve() for other in others}
