"""Rows as the models that are shown: called inside a session, touches nothing outside of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from conda_store import models
from conda_store.db.orm import ArtifactRow, BuildRow, ChannelRow, EnvironmentRow, NamespaceRow, PackageRow
from conda_store.db.orm import SpecificationRow as SpecRow

_READY = "READY"
# Clients know these and no others.
_SHOWN = frozenset(get_args(models.ArtifactName))


def summary_of(row: NamespaceRow) -> models.NamespaceSummary:
    """A namespace in a list."""
    return models.NamespaceSummary(id=row.id, name=row.name)


def namespace_of(row: NamespaceRow) -> models.Namespace:
    """A namespace with what it shares."""
    mappings = [
        models.RoleMapping.model_construct(id=one.id, entity=one.entity, role=one.role) for one in row.role_mappings
    ]
    return models.Namespace(id=row.id, name=row.name, metadata_=row.metadata_ or {}, role_mappings=mappings)


def environment_of(row: EnvironmentRow, current: models.Build | None = None) -> models.Environment:
    """An environment; its first build is current from the moment it is made."""
    return models.Environment(
        id=row.id,
        namespace=namespace_of(row.namespace),
        name=row.name,
        current_build_id=row.current_build_id or 0,
        current_build=current,
        description=row.description,
    )


def build_of(row: BuildRow, *, whole: bool = False) -> models.Build:
    """A build; `whole` adds its specification and the artifacts that are there to be had."""
    return models.Build.model_construct(
        id=row.id,
        environment_id=row.environment_id,
        specification=specification_of(row.specification) if whole else None,
        packages=None,
        status=row.status,
        status_info=row.status_info,
        size=row.size,
        scheduled_on=row.scheduled_on,
        started_on=row.started_on,
        ended_on=row.ended_on,
        build_artifacts=artifacts_of(row.artifacts) if whole else None,
    )


def artifacts_of(rows: Iterable[ArtifactRow]) -> list[models.Artifact]:
    """Artifacts that are READY; what is still being made is told by the events."""
    return [
        models.Artifact.model_construct(
            id=row.id, artifact_type=row.artifact_type, key=row.key, state=row.state, reason=row.reason, size=row.size
        )
        for row in rows
        if row.state == _READY and row.artifact_type in _SHOWN
    ]


def specification_of(row: SpecRow) -> models.Specification:
    """A specification."""
    return models.Specification(id=row.id, name=row.name, spec=row.spec, sha256=row.sha256, created_on=row.created_on)


def package_of(row: PackageRow) -> models.Package:
    """A package."""
    return models.Package(
        id=row.id,
        channel=channel_of(row.channel),
        name=row.name,
        version=row.version,
        license=row.license,
        summary=row.summary or "",
        build=row.build,
        sha256=row.sha256,
    )


def channel_of(row: ChannelRow) -> models.Channel:
    """A channel."""
    return models.Channel(id=row.id, name=row.name, last_update=row.last_update)
