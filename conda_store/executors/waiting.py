"""What is waiting for a worker, and whose turn it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from conda_store.builds.states import ArtifactState, Status
from conda_store.db.orm import ArtifactRow, BuildRow, EnvironmentRow


class Waiting(NamedTuple):
    """A build that a worker could take."""

    build_id: int
    namespace_id: int


def queued_builds(session: Session, running: Collection[int]) -> list[Waiting]:
    """The oldest QUEUED build of every namespace that has one, but for those that are `running`."""
    return _oldest(session, _OLDEST.where(BuildRow.status == Status.QUEUED, BuildRow.id.not_in(running)))


def builds_with_artifacts(session: Session, running: Collection[int]) -> list[Waiting]:
    """The same for COMPLETED builds that have WAITING artifacts and no worker."""
    query = _OLDEST.join(ArtifactRow, ArtifactRow.build_id == BuildRow.id).where(
        ArtifactRow.state == ArtifactState.WAITING,
        BuildRow.status == Status.COMPLETED,
        BuildRow.lease.is_(None),
        BuildRow.id.not_in(running),
    )
    return _oldest(session, query)


_OLDEST = (
    select(func.min(BuildRow.id), EnvironmentRow.namespace_id)
    .join(EnvironmentRow, BuildRow.environment_id == EnvironmentRow.id)
    .where(BuildRow.deleted_on.is_(None))
    .group_by(EnvironmentRow.namespace_id)
)


def _oldest(session: Session, query: Select[int, int]) -> list[Waiting]:
    return [Waiting(build_id, namespace_id) for build_id, namespace_id in session.execute(query).all()]


def next_in_turn(
    waiting: Iterable[Waiting], running_namespaces: Iterable[int], last_turns: Mapping[int, float]
) -> Waiting | None:
    """Of one build for each namespace, that of the one with the fewest running, which has waited longest for a turn."""
    running = Counter(running_namespaces)

    def rank(one: Waiting) -> tuple[int, float, int]:
        return running[one.namespace_id], last_turns.get(one.namespace_id, 0.0), one.build_id

    return min(waiting, key=rank, default=None)
