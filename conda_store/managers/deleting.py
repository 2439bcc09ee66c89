"""Deleting environments: hidden at once, what they left is collected later."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.audit import Action, Actor
from conda_store.builds import states
from conda_store.builds.current import show_current
from conda_store.builds.keys import Places
from conda_store.builds.publishing import withdraw_all_images
from conda_store.db.audit import record
from conda_store.db.orm import BuildRow, EnvironmentRow
from conda_store.registry.names import repository


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
