"""Environments whose link or tag does not show the build that is current, found without a transaction for each.

A restart looks at all of them, and hardly ever finds one (`current` says what both should be).
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Row, Select, String, and_, cast, select
from sqlalchemy.orm import Session, aliased

from conda_store.builds.artifact_states import ArtifactState, ArtifactType
from conda_store.builds.keys import Places, short_key
from conda_store.db.orm import ArtifactRow, BuildRow, EnvironmentRow, NamespaceRow, SpecificationRow, TagRow
from conda_store.registry.names import LATEST


def find_astray(session: Session, places: Places) -> list[int]:
    """Their ids; those of deleted environments are not among them. A few may be as they should."""
    elsewhere = set(session.scalars(_tagged_elsewhere()))
    return [row.id for row in session.execute(_environments()) if row.id in elsewhere or _is_astray(row, places)]


def _environments() -> Select[*tuple[object, ...]]:
    own, latest = aliased(TagRow), aliased(TagRow)
    directory = and_(ArtifactRow.build_id == BuildRow.id, ArtifactRow.artifact_type == ArtifactType.DIRECTORY)
    query: Select[*tuple[object, ...]] = select(
        EnvironmentRow.id,
        EnvironmentRow.name,
        NamespaceRow.name.label("namespace"),
        BuildRow.id.label("build_id"),
        BuildRow.scheduled_on,
        SpecificationRow.sha256,
        ArtifactRow.state,
        own.digest.label("digest"),
        latest.digest.label("latest_digest"),
        latest.build_id.label("latest_build_id"),
    )
    query = query.select_from(EnvironmentRow).join(NamespaceRow, NamespaceRow.id == EnvironmentRow.namespace_id)
    query = query.outerjoin(BuildRow, BuildRow.id == EnvironmentRow.current_build_id)
    query = query.outerjoin(SpecificationRow, SpecificationRow.id == BuildRow.specification_id)
    query = query.outerjoin(ArtifactRow, directory)
    query = query.outerjoin(own, and_(own.build_id == BuildRow.id, own.tag == cast(BuildRow.id, String)))
    query = query.outerjoin(latest, and_(latest.repository == own.repository, latest.tag == LATEST))
    return query.where(EnvironmentRow.deleted_on.is_(None)).order_by(EnvironmentRow.id)


def _tagged_elsewhere() -> Select[*tuple[int]]:
    """Environments of which the tag `latest` names another build than the current one."""
    query = select(EnvironmentRow.id).join(BuildRow, BuildRow.environment_id == EnvironmentRow.id)
    query = query.join(TagRow, TagRow.build_id == BuildRow.id)
    return query.where(TagRow.tag == LATEST, EnvironmentRow.current_build_id != BuildRow.id)


def _is_astray(row: Row[*tuple[object, ...]], places: Places) -> bool:
    link = places.link(row.namespace, row.name)
    if row.state != ArtifactState.READY:
        wrong_link = os.path.lexists(link)
    else:
        key = short_key(row.sha256, row.scheduled_on, row.build_id, row.name)
        wrong_link = _target(link) != places.prefix(row.namespace, key)
    is_tagged = (row.latest_digest, row.latest_build_id) == (row.digest, row.build_id)
    return wrong_link or (row.digest is not None and not is_tagged)


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None
