"""Deleting environments: hidden at once, what they left is collected later."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.audit import Action, Actor
from conda_store.builds import states
from conda_store.builds.artifact_states import ArtifactType
from conda_store.builds.current import show_current
from conda_store.builds.keys import Places
from conda_store.builds.levels import of_deployment
from conda_store.builds.publishing import withdraw_all_images
from conda_store.db.audit import record
from conda_store.db.orm import BuildRow, EnvironmentRow
from conda_store.registry.names import repository
from conda_store.settings import Values


def kept_kinds(session: Session, options: Values) -> frozenset[ArtifactType]:
    """The kinds of artifacts that stay when their build is deleted."""
    kinds = set(map(ArtifactType, of_deployment(session, options)["build_artifacts_kept_on_deletion"]))
    if ArtifactType.CONDA_PACK in kinds:
        kinds.add(ArtifactType.CONDA_PACK_ZST)
    return frozenset(kinds)


def hide(session: Session, actor: Actor, row: EnvironmentRow, places: Places) -> list[int]:
    """Hide an environment, free its name and serve its images no longer; the builds that ran and were canceled."""
    row.deleted_on = datetime.now(UTC)
    running = BuildRow.status.not_in(states.ENDED)
    query = select(BuildRow.id).where(BuildRow.environment_id == row.id, running)
    canceled = list(session.scalars(query))
    for build_id in canceled:
        states.cancel(session, build_id)
    show_current(session, row, places)
    record(session, actor, Action.ENVIRONMENT_DELETED, row, canceled_builds=canceled)
    withdraw_all_images(session, repository(row.namespace.name, row.name))
    return canceled
