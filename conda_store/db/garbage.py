"""What nobody needs any more, as far as rows say it; what lies on disk is looked at above."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import groupby

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session, contains_eager, joinedload

from conda_store.db.lists import living, living_builds
from conda_store.db.orm import (
    ArtifactRow,
    BuildPackageRow,
    BuildRow,
    EnvironmentRow,
    EventRow,
    ManifestRow,
    PackageRow,
    SettingRow,
    SpecificationRow,
    TagRow,
)


def deleted_builds(session: Session, before: datetime, ended: Collection[str]) -> list[BuildRow]:
    """Builds that nobody works on and that were deleted before a time, alone or with their environment, by number.

    Never the current one of an environment that is not deleted, even when it was its only one.
    """
    environment = contains_eager(BuildRow.environment)
    query = select(BuildRow).join(BuildRow.environment).join(EnvironmentRow.namespace)
    query = query.options(environment, environment.contains_eager(EnvironmentRow.namespace))
    query = query.options(joinedload(BuildRow.specification).defer(SpecificationRow.source))
    current = EnvironmentRow.current_build_id.is_not_distinct_from(BuildRow.id)
    query = query.where(
        BuildRow.status.in_(ended),
        BuildRow.lease.is_(None),
        or_(BuildRow.deleted_on < before, EnvironmentRow.deleted_on < before),
        or_(EnvironmentRow.deleted_on.is_not(None), ~current),
    )
    return list(session.scalars(query.order_by(BuildRow.id)))


def left_behind(session: Session, build_id: int, kept: Collection[str]) -> bool:
    """Whether a build has anything besides artifacts of the kinds that are kept."""
    others = (ArtifactRow.build_id == build_id, ArtifactRow.artifact_type.not_in(kept))
    has_packages = exists().where(BuildPackageRow.build_id == build_id)
    return bool(session.scalar(select(or_(exists().where(*others), has_packages))))


def ready_artifacts(session: Session, build_id: int, kept: Collection[str]) -> dict[str, str]:
    """Where the artifacts of these kinds are that a build has, by kind."""
    wanted = (ArtifactRow.build_id == build_id, ArtifactRow.state == "READY", ArtifactRow.artifact_type.in_(kept))
    rows = session.execute(select(ArtifactRow.artifact_type, ArtifactRow.key).where(*wanted)).all()
    return {kind: key for kind, key in rows}


def old_builds(
    session: Session, ended: Collection[str], most: int | None, before: datetime | None
) -> Iterator[tuple[int, str]]:
    """Ended builds that are not deleted and not current, and beyond the newest `most` of these of their environment, or
    from before a time: their numbers, and why."""
    query = living_builds().where(BuildRow.status.in_(ended), BuildRow.lease.is_(None))
    query = query.where(EnvironmentRow.current_build_id.is_distinct_from(BuildRow.id))
    columns = query.with_only_columns(BuildRow.environment_id, BuildRow.id, BuildRow.ended_on)
    rows = session.execute(columns.order_by(BuildRow.environment_id, BuildRow.id.desc())).all()
    for _, builds in groupby(rows, key=lambda row: row[0]):
        for place, (_, build_id, ended_on) in enumerate(builds):
            if most is not None and place >= most:
                yield build_id, "beyond keep_builds"
            elif before is not None and ended_on is not None and ended_on < before:
                yield build_id, "older than keep_days"


def served_digests(session: Session) -> set[str]:
    """Everything that the registry serves under any name."""
    return {*session.scalars(select(ManifestRow.digest).distinct()), *session.scalars(select(TagRow.digest).distinct())}


def living_packages(session: Session) -> set[str]:
    """The sha256 of every package of a build that is not deleted."""
    query = select(PackageRow.sha256).join(BuildPackageRow, BuildPackageRow.package_id == PackageRow.id)
    query = query.join(BuildRow, BuildRow.id == BuildPackageRow.build_id).join(BuildRow.environment)
    query = query.join(EnvironmentRow.namespace).where(BuildRow.deleted_on.is_(None), *living())
    return set(session.scalars(query.distinct()))


def remove_leftovers(session: Session, build_id: int, kept: Collection[str]) -> None:
    """Remove the rows of what a build left, but for artifacts of the kinds that are kept."""
    others = (ArtifactRow.build_id == build_id, ArtifactRow.artifact_type.not_in(kept))
    session.execute(delete(ArtifactRow).where(*others))
    session.execute(delete(BuildPackageRow).where(BuildPackageRow.build_id == build_id))


def remove_build(session: Session, build: BuildRow) -> None:
    """Remove every row of a deleted build, and what only it needed: its specification, its deleted environment."""
    remove_leftovers(session, build.id, ())
    session.execute(delete(EventRow).where(EventRow.build_id == build.id))
    session.execute(delete(TagRow).where(TagRow.build_id == build.id))
    current = EnvironmentRow.current_build_id == build.id
    session.execute(update(EnvironmentRow).where(current).values(current_build_id=None))
    session.execute(delete(BuildRow).where(BuildRow.id == build.id))
    unused = ~exists().where(BuildRow.specification_id == SpecificationRow.id)
    session.execute(delete(SpecificationRow).where(SpecificationRow.id == build.specification_id, unused))
    remove_empty_environment(session, build.environment_id)


def remove_empty_environment(session: Session, environment_id: int) -> None:
    """Remove a deleted environment without builds, with its settings. Namespaces stay: they say whose a name was."""
    empty = ~exists().where(BuildRow.environment_id == EnvironmentRow.id)
    wanted = (EnvironmentRow.id == environment_id, EnvironmentRow.deleted_on.is_not(None), empty)
    removed = session.scalars(delete(EnvironmentRow).where(*wanted).returning(EnvironmentRow.id)).all()
    if removed:
        session.execute(delete(SettingRow).where(SettingRow.environment_id == environment_id))
