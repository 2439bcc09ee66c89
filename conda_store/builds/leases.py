"""Who may write about a build: the holder of its lease, for as long as the row names it.

A worker that stalled, was given up and wakes again finds another lease, or none, and nothing that it writes counts.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from conda_store.db.orm import BuildRow
from conda_store.errors import CondaStoreError

# How a lease for a build's own work begins, and one for artifacts that were asked for when the build had ended.
_WHOLE, _LATER = "build-", "later-"


class StaleLease(CondaStoreError):
    """The build has another worker by now, or none: whoever gets this stops and leaves everything as it is."""

    status = 409
    code = "stale_lease"


class CancelRequested(CondaStoreError):
    """Somebody wants the build to end: its worker stops, and what it made is undone."""

    status = 409
    code = "cancel_requested"


@dataclass(frozen=True)
class Lease:
    """The right to write about a build."""

    build_id: int
    attempt: int
    lease: str


def locked(session: Session, build_id: int) -> BuildRow | None:
    """The build as it is now; nobody else changes it until the transaction ends."""
    return session.scalar(_for_update().where(BuildRow.id == build_id))


def find_held(session: Session, lease: Lease) -> BuildRow | None:
    """The build, locked, if `lease` is still the right to it."""
    wanted = (BuildRow.id == lease.build_id, BuildRow.attempt == lease.attempt, BuildRow.lease == lease.lease)
    return session.scalar(_for_update().where(*wanted))


def held(session: Session, lease: Lease) -> BuildRow:
    """The build, locked. Raises `StaleLease`, and `CancelRequested` where the build is to be canceled."""
    build = find_held(session, lease)
    if build is None:
        raise StaleLease(f"Build {lease.build_id} was given to another worker, or has ended.")
    if build.cancel_requested:
        raise CancelRequested(f"Build {lease.build_id} is to be canceled.")
    return build


def new_token() -> str:
    """What tells one lease from all others."""
    return secrets.token_hex(16)


def lend(session: Session, build: BuildRow, seconds: float, token: str | None, *, later: bool = False) -> Lease:
    """A new lease of a locked build; `later` says that the build itself had ended before."""
    build.lease = f"{_LATER if later else _WHOLE}{token or new_token()}"
    build.lease_until = datetime.now(UTC) + timedelta(seconds=seconds)
    session.flush()
    return Lease(build.id, build.attempt, build.lease)


def find_lease(session: Session, build_id: int, token: str) -> Lease | None:
    """The lease with `token`, if it was taken and not given back or lost."""
    columns = (BuildRow.id, BuildRow.attempt, BuildRow.lease)
    wanted = (BuildRow.id == build_id, BuildRow.lease.in_((f"{_WHOLE}{token}", f"{_LATER}{token}")))
    row = session.execute(select(*columns).where(*wanted)).one_or_none()
    return Lease(row[0], row[1], row[2] or "") if row else None


def is_whole(build: BuildRow) -> bool:
    """Whether somebody works on the build itself, or still on what follows from it in the same job."""
    return (build.lease or "").startswith(_WHOLE)


def free(build: BuildRow) -> None:
    """Nobody works on the build any more."""
    build.lease = build.lease_until = None


def renew(session: Session, lease: Lease, seconds: float) -> bool:
    """Keep the lease for another `seconds`; False when it is no more."""
    build = find_held(session, lease)
    if build is not None:
        build.lease_until = datetime.now(UTC) + timedelta(seconds=seconds)
    return build is not None


def expired(session: Session, now: datetime) -> list[Lease]:
    """Leases that ran out before `now`."""
    columns = (BuildRow.id, BuildRow.attempt, BuildRow.lease)
    rows = session.execute(select(*columns).where(BuildRow.lease.is_not(None), BuildRow.lease_until < now)).all()
    return [Lease(build_id, attempt, lease or "") for build_id, attempt, lease in rows]


def _for_update() -> Select[BuildRow]:
    # SQLite has no row locks and needs none: its writers come one after another.
    return select(BuildRow).with_for_update(of=BuildRow).execution_options(populate_existing=True)
