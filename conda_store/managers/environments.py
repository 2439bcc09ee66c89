"""Environments: found, listed, changed and deleted. Making one is submitting a build (`builds`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from conda_store import inputs, models
from conda_store.audit import Action, Actor
from conda_store.auth.permissions import Identity
from conda_store.builds import states
from conda_store.builds.current import show_current
from conda_store.builds.keys import Places
from conda_store.db import Database, lists
from conda_store.db.audit import record
from conda_store.db.counts import Counts
from conda_store.db.orm import BuildRow, EnvironmentRow
from conda_store.db.queries import find_build, find_current_build, find_environment
from conda_store.errors import BadInput, CondaStoreError
from conda_store.executors.base import Executor
from conda_store.managers.deleting import hide
from conda_store.managers.paging import cursor_page_of, order_of, page_of
from conda_store.managers.shapes import build_of, environment_of

_DEFAULT_ORDER = ("namespace", "name")


class EnvironmentNotFound(CondaStoreError):
    """No such environment."""

    status = 404
    code = "environment_not_found"


class EnvironmentManager:
    """What a caller may ask of environments; `most` is always the largest page."""

    def __init__(self, database: Database, executor: Executor, places: Places, forget: Callable[[], None]) -> None:
        self.database, self.executor, self.places, self._forget = database, executor, places, forget
        self._counts = Counts()

    def page(self, identity: Identity, asked: inputs.EnvironmentQuery, most: int) -> models.Page[models.Environment]:
        """A page of the environments that the caller may read; all of them when no page was asked for."""
        filters = _filters(identity, asked)
        query, counted = lists.with_mappings(lists.environments(filters)), partial(self._counts.of, question=filters)
        order = order_of(asked, lists.ENVIRONMENT_SORTS, EnvironmentRow.id, _DEFAULT_ORDER)
        with self.database.read() as session:
            return page_of(session, query, order, asked, most, environment_of, all_by_default=True, counted=counted)

    def cursor_page(
        self, identity: Identity, asked: inputs.EnvironmentCursorQuery, most: int
    ) -> models.CursorPage[models.Environment]:
        """The same behind a cursor."""
        filters = _filters(identity, asked)
        query, counted = lists.with_mappings(lists.environments(filters)), partial(self._counts.of, question=filters)
        order = order_of(asked, lists.ENVIRONMENT_SORTS, EnvironmentRow.id, _DEFAULT_ORDER)

        def key(row: EnvironmentRow) -> Sequence[Any]:
            values = {"namespace.name": row.namespace.name, "environment.name": row.name, "environment.id": row.id}
            return [values[f"{column.class_.__tablename__}.{column.key}"] for column in order.all]

        with self.database.read() as session:
            return cursor_page_of(session, query, order, asked, most, environment_of, key, counted)

    def get(self, namespace: str, name: str) -> models.Environment:
        """One environment with its current build; raises `EnvironmentNotFound`."""
        with self.database.read() as session:
            build = find_current_build(session, namespace, name)
            if build is None:
                # Its only build was deleted, or there is none of this name.
                return environment_of(live_environment(session, namespace, name))
            return environment_of(build.environment, build_of(build, whole=True))

    def current_build_id(self, namespace: str, name: str) -> int:
        """The number of the current build, 0 when it was deleted; raises `EnvironmentNotFound`."""
        with self.database.read() as session:
            build = find_build(session, live_environment(session, namespace, name).current_build_id or 0)
            return build.id if build else 0

    def change(self, actor: Actor, namespace: str, name: str, wanted: inputs.EnvironmentChange) -> None:
        """Another current build, another description; raises `BadInput` for a build that cannot be current."""
        with self.database.write() as session:
            row = live_environment(session, namespace, name)
            if wanted.build_id is not None:
                _check_may_be_current(session.get(BuildRow, wanted.build_id), row, wanted.build_id)
                states.make_current(session, wanted.build_id, actor)
                show_current(session, row, self.places)
            if wanted.description is not None:
                row.description = wanted.description
                record(session, actor, Action.ENVIRONMENT_UPDATED, row, description=wanted.description)

    def delete(
        self,
        actor: Actor,
        namespace: str,
        name: str,
        *,
        wanted: Callable[[Session, EnvironmentRow], bool] | None = None,
    ) -> None:
        """Hide an environment, free its name and serve its images no longer; what it left is collected later.

        Its builds are canceled. Nothing happens when it is not `wanted` any more, asked in the transaction.
        """
        with self.database.write() as session:
            row = live_environment(session, namespace, name)
            if wanted is not None and not wanted(session, row):
                return
            canceled = hide(session, actor, row, self.places)
        self._forget()
        for build_id in canceled:
            self.executor.cancel(build_id)


def live_environment(session: Session, namespace: str, name: str) -> EnvironmentRow:
    """The row of an environment that is not deleted; raises `EnvironmentNotFound`."""
    row = find_environment(session, namespace, name)
    if row is None:
        raise EnvironmentNotFound(f"There is no environment '{namespace}/{name}'.")
    return row


def _check_may_be_current(build: BuildRow | None, environment: EnvironmentRow, build_id: int) -> None:
    if build is None or build.environment_id != environment.id or build.deleted_on is not None:
        raise BadInput(f"Build {build_id} is not a build of '{environment.namespace.name}/{environment.name}'.")
    if build.status != states.Status.COMPLETED:
        raise BadInput(f"Build {build_id} is {build.status}: only a COMPLETED build can be the current one.")


def _filters(identity: Identity, asked: inputs.EnvironmentFilter) -> lists.EnvironmentFilters:
    return lists.EnvironmentFilters(
        visible=identity.patterns("environment::read"),
        search=asked.search,
        namespace=asked.namespace,
        name=asked.name,
        status=asked.status,
        artifact=asked.artifact,
        packages=tuple(asked.packages),
    )
