"""Questions about one thing and about sums; each is one statement. Lists and pages are `lists.py`.

Functions take the session first. `find_x` gives None for what does not exist or is marked as deleted, itself or
what it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select
from sqlalchemy.orm import Session, contains_eager, defer
from sqlalchemy.orm.attributes import set_committed_value

from conda_store.db.lists import listed, living, living_builds, visible
from conda_store.db.orm import (
    ArtifactRow,
    BuildRow,
    ChannelRow,
    EnvironmentRow,
    EventRow,
    NamespaceRow,
    SpecificationRow,
)

#: Namespace and environment of a build that is not deleted, for `Database.find`: every request for a build asks first.
FIND_ENTITY = (
    select(NamespaceRow.name, EnvironmentRow.name)
    .join_from(BuildRow, EnvironmentRow, EnvironmentRow.id == BuildRow.environment_id)
    .join(NamespaceRow, NamespaceRow.id == EnvironmentRow.namespace_id)
    .where(BuildRow.id == bindparam("build_id"), BuildRow.deleted_on.is_(None), *living())
)


@dataclass(frozen=True)
class Usage:
    """What a namespace holds; `storage` is the sum of its builds' sizes in bytes."""

    num_environments: int
    num_builds: int
    storage: int


def find_namespace(session: Session, name: str) -> NamespaceRow | None:
    """A namespace by name."""
    return session.scalar(select(NamespaceRow).where(NamespaceRow.name == name, NamespaceRow.deleted_on.is_(None)))


def find_environment(session: Session, namespace: str, name: str) -> EnvironmentRow | None:
    """An environment by both names; its namespace comes with it."""
    query = select(EnvironmentRow).join(EnvironmentRow.namespace).options(contains_eager(EnvironmentRow.namespace))
    return session.scalar(query.where(*_called(namespace, name)))


def find_specification(session: Session, sha256: str, *, is_lockfile: bool) -> SpecificationRow | None:
    """A specification by the digest of its normal form."""
    same = (SpecificationRow.sha256 == sha256, SpecificationRow.is_lockfile == is_lockfile)
    return session.scalar(select(SpecificationRow).where(*same))


def find_build(session: Session, build_id: int, *, deleted: bool = False) -> BuildRow | None:
    """A build by number; environment and namespace come with it. `deleted`: also one that was deleted alone."""
    return session.scalar(living_builds(deleted=deleted).where(BuildRow.id == build_id))


def find_whole_build(session: Session, build_id: int) -> BuildRow | None:
    """A build with its specification (but for `source`) and artifacts, and whatever `find_build` gives."""
    return _whole(session, living_builds().where(BuildRow.id == build_id))


def find_current_build(session: Session, namespace: str, name: str) -> BuildRow | None:
    """An environment's current build, whole; the environment is its `environment`."""
    current = BuildRow.id == EnvironmentRow.current_build_id
    return _whole(session, living_builds().where(current, *_called(namespace, name)))


def list_channels(session: Session, names: Iterable[str]) -> list[ChannelRow]:
    """Those of the named channels that there are."""
    return list(session.scalars(select(ChannelRow).where(ChannelRow.name.in_(list(names)))))


def list_events(session: Session, build_id: int, after: int, limit: int) -> list[EventRow]:
    """The first `limit` events of a build with numbers above `after`, in order."""
    query = select(EventRow).where(EventRow.build_id == build_id, EventRow.number > after)
    return list(session.scalars(query.order_by(EventRow.number).limit(limit)))


def usage(session: Session, patterns: Sequence[str], names: Sequence[str] | None = None) -> dict[str, Usage]:
    """What namespaces hold (those called `names`, or all), by name; counts only environments that `patterns` cover."""
    builds = and_(BuildRow.environment_id == EnvironmentRow.id, BuildRow.deleted_on.is_(None))
    counted = (func.count(EnvironmentRow.id.distinct()), func.count(BuildRow.id), func.sum(BuildRow.size))
    query = select(NamespaceRow.name, *counted).join(EnvironmentRow, EnvironmentRow.namespace_id == NamespaceRow.id)
    query = query.outerjoin(BuildRow, builds).where(*living(), listed(), visible(patterns)).group_by(NamespaceRow.name)
    if names is not None:
        query = query.where(NamespaceRow.name.in_(names))
    rows = session.execute(query.order_by(NamespaceRow.name)).all()
    return {name: Usage(environments, number, int(storage or 0)) for name, environments, number, storage in rows}


def _called(namespace: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return (NamespaceRow.name == namespace, EnvironmentRow.name == name, *living())


def _whole(session: Session, builds: Select[BuildRow]) -> BuildRow | None:
    """The one build that `builds` selects, with its specification and artifacts, in one statement.

    The specification stands in the first row only: a posted lockfile has megabytes, a build up to eight artifacts.
    """
    first = select(func.min(ArtifactRow.id)).where(ArtifactRow.build_id == BuildRow.id).scalar_subquery()
    own = and_(
        SpecificationRow.id == BuildRow.specification_id,
        func.coalesce(ArtifactRow.id, 0) == func.coalesce(first.correlate(BuildRow), 0),
    )
    query = builds.outerjoin(ArtifactRow, ArtifactRow.build_id == BuildRow.id).outerjoin(SpecificationRow, own)
    query = query.add_columns(ArtifactRow, SpecificationRow).order_by(ArtifactRow.id)
    rows: Sequence[Any] = session.execute(query.options(defer(SpecificationRow.source))).all()
    if not rows:
        return None
    build: BuildRow = rows[0][0]
    set_committed_value(build, "specification", rows[0][2])
    set_committed_value(build, "artifacts", [artifact for _, artifact, _ in rows if artifact is not None])
    return build
