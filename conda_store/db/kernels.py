"""Builds that notebooks may run in: those that are COMPLETED, with where their prefix is. Rows of values, no disk."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, String, and_, cast, select
from sqlalchemy.orm import Session

from conda_store.db import lists
from conda_store.db.orm import (
    ArtifactRow,
    BuildPackageRow,
    BuildRow,
    EnvironmentRow,
    NamespaceRow,
    PackageRow,
    TagRow,
)


@dataclass(frozen=True)
class RunnableFilters:
    """Which environments; `visible` are patterns. Their current builds count, and of the others those in `builds`."""

    visible: Sequence[str]
    namespace: str | None = None
    name: str | None = None
    builds: Collection[int] = ()


class Runnable(NamedTuple):
    """A build; `prefix` is None when it has none any more, `digest` when it has no image."""

    namespace: str
    name: str
    build_id: int
    current: bool
    prefix: str | None
    digest: str | None


def runnable(session: Session, filters: RunnableFilters) -> list[Runnable]:
    """The builds, by the names of their environments, the current one first."""
    found = _runnable(session, filters, BuildRow.id == EnvironmentRow.current_build_id)
    if filters.builds:
        older = and_(BuildRow.id.in_(filters.builds), BuildRow.id != EnvironmentRow.current_build_id)
        found += _runnable(session, filters, older)
    return sorted(found, key=lambda one: (one.namespace, one.name, not one.current, one.build_id))


def packages_of(session: Session, build_id: int, names: Collection[str]) -> set[str]:
    """Those of the packages that a build holds."""
    query = select(PackageRow.name).join(BuildPackageRow, BuildPackageRow.package_id == PackageRow.id)
    return set(session.scalars(query.where(BuildPackageRow.build_id == build_id, PackageRow.name.in_(names))))


def _runnable(session: Session, filters: RunnableFilters, which: ColumnElement[bool]) -> list[Runnable]:
    current = BuildRow.id == EnvironmentRow.current_build_id
    names = (NamespaceRow.name, EnvironmentRow.name)
    query = select(*names, BuildRow.id, current, ArtifactRow.key, TagRow.digest)
    query = query.select_from(EnvironmentRow).join(EnvironmentRow.namespace)
    query = query.join(BuildRow, and_(which, BuildRow.environment_id == EnvironmentRow.id))
    there = (ArtifactRow.artifact_type == "DIRECTORY", ArtifactRow.state == "READY")
    query = query.outerjoin(ArtifactRow, and_(ArtifactRow.build_id == BuildRow.id, *there))
    # The tag of a build's own number names its image (registry: tags).
    query = query.outerjoin(TagRow, and_(TagRow.build_id == BuildRow.id, TagRow.tag == cast(BuildRow.id, String)))
    query = query.where(*lists.living(), lists.listed(), lists.visible(filters.visible))
    query = query.where(BuildRow.status == "COMPLETED", BuildRow.deleted_on.is_(None))
    wanted = zip(names, (filters.namespace, filters.name), strict=True)
    query = query.where(*(column == value for column, value in wanted if value))
    return [Runnable(*row) for row in session.execute(query)]
