"""What an administrator asks about the whole deployment: the queue, and what its images hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from conda_store.db.lists import living
from conda_store.db.orm import BuildRow, EnvironmentRow, ManifestRow, NamespaceRow

_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


class QueuedBuild(NamedTuple):
    """A build that waits or is worked on; `has_worker` also for one that has completed and whose artifacts are made."""

    id: int
    namespace: str
    name: str
    status: str
    scheduled_on: datetime
    started_on: datetime | None
    author: str
    has_worker: bool
    cancel_requested: bool


@dataclass(frozen=True)
class Held:
    """Number of living builds and their bytes, were each alone; bytes of images, were each alone, and as they are."""

    builds: int
    installed: int
    images: int
    stored: int


def queue(session: Session, waiting: tuple[str, ...], most: int) -> tuple[list[QueuedBuild], int]:
    """The oldest `most` builds that have one of these states or a worker, and how many there are."""
    # Each half has an index; who has a lease has it until some time.
    wanted = (BuildRow.status.in_(waiting) | (BuildRow.lease_until > _LONG_AGO), BuildRow.deleted_on.is_(None))
    columns = (
        BuildRow.id,
        NamespaceRow.name,
        EnvironmentRow.name,
        BuildRow.status,
        BuildRow.scheduled_on,
        BuildRow.started_on,
        BuildRow.requested_by,
        BuildRow.lease.is_not(None),
        BuildRow.cancel_requested,
    )
    query = select(*columns).join(BuildRow.environment).join(EnvironmentRow.namespace).where(*wanted)
    rows = session.execute(query.order_by(BuildRow.lease.is_(None), BuildRow.id).limit(most)).all()
    count = session.scalar(select(func.count()).select_from(BuildRow).where(*wanted)) or 0
    return [QueuedBuild(*row) for row in rows], count


def held(session: Session) -> Held:
    """What there is, and what it would be without sharing."""
    builds = select(func.count(), func.sum(BuildRow.size)).select_from(BuildRow).join(BuildRow.environment)
    builds = builds.join(EnvironmentRow.namespace).where(BuildRow.deleted_on.is_(None), *living())
    number, installed = session.execute(builds.where(BuildRow.size > 0)).one()
    each = select(ManifestRow.digest, func.max(ManifestRow.size).label("size")).group_by(ManifestRow.digest).subquery()
    images, stored = session.scalar(select(func.sum(ManifestRow.size))), session.scalar(select(func.sum(each.c.size)))
    return Held(number, int(installed or 0), int(images or 0), int(stored or 0))
