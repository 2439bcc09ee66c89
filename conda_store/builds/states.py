"""The only mover of builds between states; each function is called inside one transaction.

    QUEUED → BUILDING → COMPLETED | FAILED | CANCELED        (BUILDING → QUEUED once, when a worker was lost)

The lease of a build is kept after COMPLETED while its artifacts are made. Until it is given back a cancellation
withdraws the build: it is CANCELED, and what was current before is current again. Artifacts' own states, leases and
events have modules of their own and are offered here too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from conda_store.audit import SERVER, Actor
from conda_store.builds.artifact_states import (
    ArtifactState,
    ArtifactType,
    ask_for_artifact,
    find_waiting,
    give_up_artifacts,
    return_artifacts,
    set_artifact,
)
from conda_store.builds.current import switch_current
from conda_store.builds.events import Event, add_events, log_lines, log_text, tell
from conda_store.builds.leases import (
    CancelRequested,
    Lease,
    StaleLease,
    expired,
    find_held,
    free,
    held,
    is_whole,
    lend,
    locked,
    renew,
)
from conda_store.db.orm import BuildRow, EnvironmentRow, SpecificationRow
from conda_store.errors import CondaStoreError

__all__ = [
    "ENDED",
    "ArtifactState",
    "ArtifactType",
    "BuildEnded",
    "BuildNotCompleted",
    "CancelRequested",
    "Event",
    "Lease",
    "StaleLease",
    "Status",
    "add_events",
    "cancel",
    "canceled",
    "claim",
    "claim_artifacts",
    "complete",
    "fail",
    "give_back",
    "held",
    "log_text",
    "lost",
    "make_current",
    "release",
    "renew",
    "request_artifact",
    "requeue_expired",
    "schedule",
    "set_artifact",
]

#: A build is given up when this many workers were lost on it.
ATTEMPTS = 2


class Status(StrEnum):
    """States of a build."""

    QUEUED = "QUEUED"
    BUILDING = "BUILDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED})


class BuildEnded(CondaStoreError):
    """What was asked for is possible only while a build runs."""

    status = 409
    code = "build_ended"


class BuildNotCompleted(CondaStoreError):
    """What was asked for needs a build that succeeded."""

    status = 409
    code = "build_not_completed"


def schedule(
    session: Session, environment: EnvironmentRow, specification: SpecificationRow, requested_by: str = ""
) -> BuildRow:
    """A new build, QUEUED; an environment's first build is current from here on."""
    build = BuildRow(
        environment=environment,
        specification=specification,
        status=Status.QUEUED,
        scheduled_on=datetime.now(UTC),
        requested_by=requested_by,
        attempt=0,
        size=0,
        cancel_requested=False,
    )
    session.add(build)
    session.flush()
    if environment.current_build_id is None:
        environment.current_build_id = build.id
    _move(session, build, Status.QUEUED)
    return build


def claim(session: Session, build_id: int, seconds: float, token: str | None = None) -> Lease | None:
    """Begin to work on a QUEUED build; None when it is not to be had. The lease runs out after `seconds`."""
    build = locked(session, build_id)
    if build is None or build.status != Status.QUEUED or build.deleted_on is not None:
        return None
    build.attempt += 1
    build.started_on = build.started_on or datetime.now(UTC)
    _move(session, build, Status.BUILDING)
    return lend(session, build, seconds, token)


def claim_artifacts(session: Session, build_id: int, seconds: float, token: str | None = None) -> Lease | None:
    """Begin to make the WAITING artifacts of a COMPLETED build that nobody works on; None when there is nothing."""
    build = locked(session, build_id)
    if build is None or build.status != Status.COMPLETED or build.lease is not None or build.deleted_on is not None:
        return None
    return lend(session, build, seconds, token, later=True) if find_waiting(session, build_id) else None


def request_artifact(
    session: Session, build_id: int, artifact_type: ArtifactType, *, lost: bool = False
) -> ArtifactState:
    """Let an artifact of a COMPLETED build be made; its state. Raises `BuildNotCompleted`.

    `lost` says that one which is READY is not there any more.
    """
    build = locked(session, build_id)
    if build is None or build.status != Status.COMPLETED or build.deleted_on is not None:
        raise BuildNotCompleted(f"Build {build_id} has not completed, so it has no {artifact_type}.")
    return ArtifactState(ask_for_artifact(session, build, artifact_type, lost=lost).state)


def complete(session: Session, lease: Lease, *, size: int = 0) -> BuildRow:
    """BUILDING → COMPLETED; `size` in bytes. The build becomes current unless a newer one completed. The lease stays.

    Raises `StaleLease` and `CancelRequested`, as `fail` does.
    """
    build = held(session, lease)
    if build.status != Status.BUILDING:
        raise StaleLease(f"Build {build.id} is {build.status} already.")
    build.size = size
    if _newest_completed(session, build.environment_id) < build.id:
        switch_current(session, build.environment, build.id)
    _move(session, build, Status.COMPLETED)
    return build


def fail(session: Session, lease: Lease, reason: str) -> BuildRow:
    """BUILDING → FAILED; `reason` is for people. Of a COMPLETED build only artifacts that are not there fail."""
    build = held(session, lease)
    give_up_artifacts(session, build, reason)
    if build.status == Status.BUILDING:
        _end(session, build, Status.FAILED, reason)
    free(build)
    return build


def release(session: Session, lease: Lease) -> bool:
    """Give the lease of a COMPLETED build back; False, and nothing done, while an artifact is WAITING."""
    build = held(session, lease)
    if find_waiting(session, build.id) is not None:
        return False
    free(build)
    return True


def cancel(session: Session, build_id: int) -> BuildRow:
    """End a build: at once when it is QUEUED, else as soon as its worker is gone. Raises `BuildEnded`."""
    build = locked(session, build_id)
    if build is None:
        raise BuildEnded(f"There is no build {build_id}.")
    if build.status == Status.QUEUED:
        _end(session, build, Status.CANCELED)
    elif is_whole(build):
        build.cancel_requested = True
    else:
        raise BuildEnded(f"Build {build_id} has ended ({build.status}) and cannot be canceled.")
    return build


def canceled(session: Session, lease: Lease) -> BuildRow | None:
    """The worker of a build that is to be canceled has stopped: → CANCELED; None when the lease is no more.

    A build that was current gives way to the newest completed one.
    """
    build = find_held(session, lease)
    if build is None:
        return None
    give_up_artifacts(session, build, "The build was canceled.")
    _end(session, build, Status.CANCELED)
    session.flush()
    if build.environment.current_build_id == build.id:
        successor = _newest_completed(session, build.environment_id) or build.id
        switch_current(session, build.environment, successor)
    return build


def lost(session: Session, lease: Lease, reason: str) -> BuildRow | None:
    """The worker is gone without a result: QUEUED again, or FAILED with `reason` when it was not the first.

    Of a COMPLETED build the artifact that was being made is WAITING again, or FAILED. A build that is to be canceled
    is CANCELED. None when the lease is no more.
    """
    return _gone(session, lease, reason)


def give_back(session: Session, lease: Lease) -> BuildRow | None:
    """The server stops its worker: as `lost`, but it does not count."""
    return _gone(session, lease, None)


def requeue_expired(session: Session, now: datetime) -> list[int]:
    """Put right every build whose lease ran out before `now`, as `lost` does; returns their ids."""
    found = expired(session, now)
    for lease in found:
        lost(session, lease, "The worker stopped answering.")
    return [lease.build_id for lease in found]


def make_current(session: Session, build_id: int, actor: Actor = SERVER) -> BuildRow:
    """Let a COMPLETED build be its environment's current one. Raises `BuildNotCompleted`."""
    build = locked(session, build_id)
    if build is None or build.status != Status.COMPLETED or build.deleted_on is not None:
        raise BuildNotCompleted(f"Build {build_id} has not completed, so it cannot be the current one.")
    switch_current(session, build.environment, build.id, actor)
    return build


def _gone(session: Session, lease: Lease, reason: str | None) -> BuildRow | None:
    build = find_held(session, lease)
    if build is None or build.cancel_requested:
        return canceled(session, lease)
    if build.status == Status.COMPLETED:
        return_artifacts(session, build, reason)
        free(build)
    elif reason is not None and build.attempt >= ATTEMPTS:
        give_up_artifacts(session, build, reason)
        _end(session, build, Status.FAILED, f"{reason} It was tried {build.attempt} times.")
    else:
        tell(session, build, log_lines(f"{reason or 'The server stops.'} The build starts again."))
        # The next claim gets a lease of its own, so a number that is given twice does no harm.
        build.attempt -= reason is None
        free(build)
        _move(session, build, Status.QUEUED)
    return build


def _end(session: Session, build: BuildRow, status: Status, reason: str | None = None) -> None:
    free(build)
    build.cancel_requested = False
    build.status_info = reason
    if reason is not None:
        tell(session, build, log_lines(reason))
    _move(session, build, status)


def _move(session: Session, build: BuildRow, status: Status) -> None:
    build.status = status
    if status in ENDED:
        build.ended_on = datetime.now(UTC)
    session.flush()
    tell(session, build, [Event("status", {"status": str(status), "status_info": build.status_info})])


def _newest_completed(session: Session, environment_id: int) -> int:
    wanted = (BuildRow.environment_id == environment_id, BuildRow.status == Status.COMPLETED)
    return session.scalar(select(func.max(BuildRow.id)).where(*wanted, BuildRow.deleted_on.is_(None))) or 0
