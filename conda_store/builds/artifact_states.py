"""The states of a build's artifacts: WAITING → MAKING → READY | FAILED, apart from the build's own.

One row for each kind that was asked for. A lost worker's artifact is WAITING once more, then FAILED. One that was READY
and is found to be gone from the storage is WAITING again.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.builds.events import Event, tell
from conda_store.builds.leases import Lease, held
from conda_store.db.orm import ArtifactRow, BuildRow

_LOST_ONCE = "A worker was lost on it; it is made once more."


class ArtifactType(StrEnum):
    """What a build can leave."""

    DIRECTORY = "DIRECTORY"
    LOCKFILE = "LOCKFILE"
    LOGS = "LOGS"
    YAML = "YAML"
    CONDA_PACK = "CONDA_PACK"
    CONDA_PACK_ZST = "CONDA_PACK_ZST"  # the same archive for `?format=zst`; in no list of the API, whose set is closed
    DOCKER_MANIFEST = "DOCKER_MANIFEST"
    CONSTRUCTOR_INSTALLER = "CONSTRUCTOR_INSTALLER"
    SBOM = "SBOM"
    REFERRERS = "REFERRERS"  # lockfile and bill of materials beside the image in the registry; in no list either


class ArtifactState(StrEnum):
    """States of an artifact. Only what is READY is there to be had."""

    WAITING = "WAITING"
    MAKING = "MAKING"
    READY = "READY"
    FAILED = "FAILED"


def set_artifact(
    session: Session,
    lease: Lease,
    artifact_type: ArtifactType,
    state: ArtifactState,
    key: str = "",
    size: int = 0,
    reason: str | None = None,
) -> ArtifactRow:
    """Move an artifact of the build that `lease` is for; `size` in bytes. Raises `StaleLease`, `CancelRequested`."""
    return move_artifact(session, held(session, lease), artifact_type, state, key, size, reason)


def move_artifact(
    session: Session,
    build: BuildRow,
    artifact_type: ArtifactType,
    state: ArtifactState,
    key: str = "",
    size: int = 0,
    reason: str | None = None,
) -> ArtifactRow:
    """The same for a build that the transaction has locked."""
    row = find_artifact(session, build.id, artifact_type)
    if row is None:
        row = ArtifactRow(build_id=build.id, artifact_type=artifact_type)
        session.add(row)
    row.state, row.reason = state, reason
    row.key, row.size = key or row.key or "", size or row.size or 0
    data = {"artifact_type": str(artifact_type), "state": str(state), "size": row.size, "reason": reason}
    session.flush()
    tell(session, build, [Event("artifact", data)])
    return row


def ask_for_artifact(
    session: Session, build: BuildRow, artifact_type: ArtifactType, *, lost: bool = False
) -> ArtifactRow:
    """Let an artifact be made unless it is there or on its way; one that failed, or was lost, is made again."""
    row = find_artifact(session, build.id, artifact_type)
    again = {ArtifactState.FAILED, ArtifactState.READY} if lost else {ArtifactState.FAILED}
    if row is not None and row.state not in again:
        return row
    return move_artifact(session, build, artifact_type, ArtifactState.WAITING)


def find_artifact(session: Session, build_id: int, artifact_type: ArtifactType) -> ArtifactRow | None:
    """The row of one artifact."""
    wanted = (ArtifactRow.build_id == build_id, ArtifactRow.artifact_type == artifact_type)
    return session.scalar(select(ArtifactRow).where(*wanted))


def find_waiting(session: Session, build_id: int) -> ArtifactRow | None:
    """The artifact that is to be made next; the log comes last, since making the others is told in it."""
    wanted = (ArtifactRow.build_id == build_id, ArtifactRow.state == ArtifactState.WAITING)
    last = ArtifactRow.artifact_type == ArtifactType.LOGS
    return session.scalar(select(ArtifactRow).where(*wanted).order_by(last, ArtifactRow.id).limit(1))


def return_artifacts(session: Session, build: BuildRow, reason: str | None) -> None:
    """The worker is gone: what it was making is WAITING again, or FAILED with `reason` the second time.

    Without a `reason` it is nobody's fault, and does not count.
    """
    for row in _unfinished(session, build, ArtifactState.MAKING):
        if reason is None or row.reason is None:
            mark = row.reason if reason is None else _LOST_ONCE
            _move(session, build, row, ArtifactState.WAITING, mark)
        else:
            _move(session, build, row, ArtifactState.FAILED, reason)


def give_up_artifacts(session: Session, build: BuildRow, reason: str) -> None:
    """Nobody will make what is not there yet."""
    for row in _unfinished(session, build, ArtifactState.MAKING, ArtifactState.WAITING):
        _move(session, build, row, ArtifactState.FAILED, reason)


def _unfinished(session: Session, build: BuildRow, *states: ArtifactState) -> list[ArtifactRow]:
    wanted = (ArtifactRow.build_id == build.id, ArtifactRow.state.in_(states))
    return list(session.scalars(select(ArtifactRow).where(*wanted).order_by(ArtifactRow.id)))


def _move(session: Session, build: BuildRow, row: ArtifactRow, state: ArtifactState, reason: str | None) -> None:
    move_artifact(session, build, ArtifactType(row.artifact_type), state, reason=reason)
