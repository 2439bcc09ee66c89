"""Environments as people look for them: with what is current, and found by a package that they hold. Rows of values,
since a page shows a hundred of them and needs no objects."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from conda_store.db import lists
from conda_store.db.orm import BuildPackageRow, BuildRow, EnvironmentRow, ManifestRow, NamespaceRow, PackageRow


@dataclass(frozen=True)
class OverviewFilters:
    """`search` is part of either name, or all of the name of a package; `visible` are patterns."""

    visible: Sequence[str]
    search: str | None = None
    namespace: str | None = None
    status: str | None = None


class Overview(NamedTuple):
    """An environment and its current build, which may be deleted; `packages` is how many it has, `size` in bytes."""

    namespace: str
    name: str
    description: str
    build_id: int
    status: str
    size: int
    scheduled_on: datetime
    ended_on: datetime | None
    deleted_on: datetime | None
    packages: int


class BuildSummary(NamedTuple):
    """A build in the history of its environment; `author` is "" for what the server itself asked for."""

    id: int
    status: str
    status_info: str | None
    size: int
    scheduled_on: datetime
    started_on: datetime | None
    ended_on: datetime | None
    author: str

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended, or when it never began."""
        return (self.ended_on - self.started_on).total_seconds() if self.ended_on and self.started_on else None


class Glance(NamedTuple):
    """An environment beside which the newest of its builds may be another than the current one; `size` in bytes."""

    namespace: str
    name: str
    description: str
    build_id: int
    status: str
    size: int
    scheduled_on: datetime
    ended_on: datetime | None
    deleted_on: datetime | None
    newest_id: int
    newest_status: str


_NAMES = (NamespaceRow.name, EnvironmentRow.name)
# An environment and its current build.
_CURRENT: tuple[InstrumentedAttribute[Any], ...] = (
    *_NAMES,
    EnvironmentRow.description,
    BuildRow.id,
    BuildRow.status,
    BuildRow.size,
    BuildRow.scheduled_on,
    BuildRow.ended_on,
    BuildRow.deleted_on,
)
SORTS = {
    "name": (*_NAMES, EnvironmentRow.id),
    "newest": (BuildRow.scheduled_on.desc(), EnvironmentRow.id),
    "largest": (BuildRow.size.desc(), EnvironmentRow.id),
}


def matching(filters: OverviewFilters) -> Select[Any]:
    """The ids of environments that are like the filters."""
    query = select(EnvironmentRow.id).join(EnvironmentRow.namespace)
    query = query.where(*lists.living(), lists.listed(), lists.visible(filters.visible))
    if filters.namespace:
        query = query.where(NamespaceRow.name == filters.namespace)
    if filters.status:
        query = query.join(BuildRow, BuildRow.id == EnvironmentRow.current_build_id)
        query = query.where(BuildRow.status == filters.status, BuildRow.deleted_on.is_(None))
    if filters.search:
        holding = select(BuildPackageRow.build_id).join(PackageRow, PackageRow.id == BuildPackageRow.package_id)
        holding = holding.where(PackageRow.name == filters.search.lower())
        named = (column.icontains(filters.search, autoescape=True) for column in _NAMES)
        query = query.where(or_(*named, EnvironmentRow.current_build_id.in_(holding)))
    return query


def overviews(session: Session, query: Select[Any], sort: str, offset: int, limit: int) -> list[Overview]:
    """`limit` rows of `matching` from the one with number `offset` (from 0), by one of `SORTS`."""
    counted = select(func.count()).where(BuildPackageRow.build_id == BuildRow.id).scalar_subquery()
    columns = (
        *_CURRENT,
        counted,
    )
    rows = select(*columns).join(EnvironmentRow.namespace)
    rows = rows.join(BuildRow, BuildRow.id == EnvironmentRow.current_build_id)
    rows = rows.where(EnvironmentRow.id.in_(query)).order_by(*SORTS[sort]).offset(offset).limit(limit)
    return [Overview(*row) for row in session.execute(rows)]


def glances(session: Session, visible: Sequence[str]) -> list[Glance]:
    """All living environments like the patterns, by name."""
    newest = aliased(BuildRow)
    last = select(func.max(BuildRow.id)).where(BuildRow.environment_id == EnvironmentRow.id)
    last = last.where(BuildRow.deleted_on.is_(None)).correlate(EnvironmentRow)
    columns: tuple[Any, ...] = (
        *_CURRENT,
        newest.id,
        newest.status,
    )
    rows = select(*columns).join(EnvironmentRow.namespace)
    rows = rows.join(BuildRow, BuildRow.id == EnvironmentRow.current_build_id)
    # An environment may have lost all its builds but the current one, and that one too.
    rows = rows.join(newest, newest.id == func.coalesce(last.scalar_subquery(), BuildRow.id))
    rows = rows.where(*lists.living(), lists.listed(), lists.visible(visible)).order_by(*_NAMES)
    return [Glance(*row) for row in session.execute(rows)]


def history(environment_id: int) -> Select[Any]:
    """The builds of an environment that are not deleted, newest first."""
    columns: list[InstrumentedAttribute[Any]] = [
        BuildRow.id,
        BuildRow.status,
        BuildRow.status_info,
        BuildRow.size,
        BuildRow.scheduled_on,
        BuildRow.started_on,
        BuildRow.ended_on,
        BuildRow.requested_by,
    ]
    query = select(*columns).where(BuildRow.environment_id == environment_id, BuildRow.deleted_on.is_(None))
    return query.order_by(BuildRow.id.desc())


def builds_of(session: Session, environment_id: int, offset: int, limit: int) -> list[BuildSummary]:
    """`limit` rows of `history` from the one with number `offset` (from 0)."""
    return [BuildSummary(*row) for row in session.execute(history(environment_id).offset(offset).limit(limit))]


def shared_digests(session: Session, repository: str, digests: Collection[str]) -> set[str]:
    """Those of the digests that are served under the name of another repository too."""
    wanted = select(ManifestRow.digest).where(ManifestRow.digest.in_(digests), ManifestRow.repository != repository)
    return set(session.scalars(wanted.distinct()))
