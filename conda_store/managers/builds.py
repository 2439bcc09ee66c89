"""Builds: submitted, found, listed, canceled and deleted. What they leave is `artifacts`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store import inputs, models
from conda_store.audit import ANONYMOUS, Action, Actor
from conda_store.auth.permissions import Identity
from conda_store.builds import states
from conda_store.builds.artifact_states import ArtifactType
from conda_store.builds.current import prefix_of, show_current, switch_current
from conda_store.builds.keys import Places
from conda_store.builds.publishing import withdraw_image
from conda_store.builds.room import check_room
from conda_store.db import Database, lists
from conda_store.db.audit import record
from conda_store.db.counts import Counts
from conda_store.db.errors import repeated
from conda_store.db.orm import BuildRow, EnvironmentRow, PackageRow, SpecificationRow
from conda_store.db.queries import (
    FIND_ENTITY,
    find_build,
    find_environment,
    find_namespace,
    find_specification,
    find_whole_build,
)
from conda_store.errors import BadInput, CondaStoreError
from conda_store.executors.base import Executor
from conda_store.managers.admission import SubmissionLimits
from conda_store.managers.deleting import kept_kinds
from conda_store.managers.namespaces import ensure_namespace
from conda_store.managers.paging import order_of, page_of
from conda_store.managers.policies import Policies
from conda_store.managers.proposals import read_proposal
from conda_store.managers.shapes import build_of, package_of
from conda_store.managers.submitting import Submission
from conda_store.packages.installer import check_prefix_length
from conda_store.storage.base import Storage


class BuildNotFound(CondaStoreError):
    """No such build."""

    status = 404
    code = "build_not_found"


class BuildManager:
    """What a caller may ask of builds."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        storage: Storage,
        places: Places,
        policies: Policies,
        limits: SubmissionLimits,
        forget: Callable[[], None],
    ) -> None:
        self.database, self.executor, self.storage, self.places = database, executor, storage, places
        self._forget, self._counts = forget, Counts()
        self.policies, self.limits = policies, limits

    def submit(self, identity: Identity, new: inputs.NewSpecification) -> models.Submitted:
        """Check what was posted and schedule its build.

        Raises `SpecificationInvalid`, `PolicyRefused`, `PermissionDenied`, `TooManyBuilds`, `QuotaExceeded`,
        `StorageFull`.
        """
        proposal = read_proposal(self.database, self.policies, self.limits, identity, new)
        submission = proposal.submission
        build_id = repeated(partial(self._write, identity, proposal.namespace, submission))
        self.executor.submit(build_id)
        return models.Submitted(
            build_id=build_id, warnings=[models.ProblemPlace.of(one) for one in submission.warnings]
        )

    def rebuild(self, identity: Identity, build_id: int) -> int:
        """Build the same specification again; the number of the new build. Raises `TooManyBuilds`, `StorageFull`."""
        with self.database.write() as session:
            row = live_build(session, build_id)
            new = self._schedule(session, row.environment, row.specification, identity.actor)
            record(session, identity.actor, Action.BUILD_REBUILT, new, rebuilds=build_id)
        self.executor.submit(new.id)
        return new.id

    def cancel(self, actor: Actor, build_id: int) -> None:
        """End a build; raises `BuildEnded`."""
        with self.database.write() as session:
            row = live_build(session, build_id)
            states.cancel(session, build_id)
            record(session, actor, Action.BUILD_CANCELED, row)
        self.executor.cancel(build_id)

    def delete(self, actor: Actor, build_id: int) -> None:
        """Hide an ended build and serve its image no longer; raises `BadInput` while it, or an artifact, is being made.

        A current one gives way to the newest completed one. Artifacts of the setting build_artifacts_kept_on_deletion
        stay.
        """
        with self.database.write() as session:
            row = live_build(session, build_id)
            if row.status not in states.ENDED:
                raise BadInput(f"Build {build_id} is {row.status}: cancel it first, or wait until it has ended.")
            if row.lease is not None:
                raise BadInput(f"Artifacts of build {build_id} are being made: cancel it first, or wait a moment.")
            row.deleted_on = datetime.now(UTC)
            record(session, actor, Action.BUILD_DELETED, row)
            session.flush()
            if row.environment.current_build_id == build_id:
                successor = _successor(session, row.environment_id) or build_id
                switch_current(session, row.environment, successor, actor)
                show_current(session, row.environment, self.places)
            if ArtifactType.DOCKER_MANIFEST not in kept_kinds(session, self.policies.options):
                withdraw_image(session, self.storage, row)
        self._forget()

    def get(self, build_id: int) -> models.Build:
        """One build; raises `BuildNotFound`."""
        with self.database.read() as session:
            return build_of(found_build(find_whole_build(session, build_id), build_id), whole=True)

    def entity(self, build_id: int, *, deleted: bool = False) -> tuple[str, str] | None:
        """Namespace and name of a build's environment; None when there is no such build, or only a `deleted` one."""
        if not deleted:
            found = self.database.find(FIND_ENTITY, {"build_id": build_id})
            return None if found is None else (found[0], found[1])
        with self.database.read() as session:
            row = find_build(session, build_id, deleted=True)
            return (row.environment.namespace.name, row.environment.name) if row else None

    def page(self, identity: Identity, asked: inputs.BuildQuery, most: int) -> models.Page[models.Build]:
        """A page of the builds that the caller may read."""
        filters = lists.BuildFilters(
            visible=identity.patterns("environment::read"),
            environment_id=asked.environment_id,
            namespace=asked.namespace,
            name=asked.name,
            status=asked.status,
            artifact=asked.artifact,
            packages=tuple(asked.packages),
        )
        order = order_of(asked, lists.BUILD_SORTS, BuildRow.id, ("id",))
        counted = partial(self._counts.of, question=filters)
        with self.database.read() as session:
            return page_of(session, lists.builds(filters), order, asked, most, build_of, counted=counted)

    def packages(self, build_id: int, asked: inputs.PackageQuery, most: int) -> models.Page[models.Package]:
        """A page of the packages of a build."""
        query = lists.packages(build_id, asked.search, asked.exact, asked.build)
        order = order_of(asked, lists.PACKAGE_SORTS, PackageRow.id, ("channel", "name"))
        with self.database.read() as session:
            return page_of(session, query, order, asked, most, package_of)

    def _write(self, identity: Identity, namespace: str, submission: Submission) -> int:
        with self.database.write() as session:
            if find_namespace(session, namespace) is None:
                identity.require("namespace::create", namespace)
            return self.add(session, identity.actor, namespace, submission).id

    def add(self, session: Session, actor: Actor, namespace: str, submission: Submission) -> BuildRow:
        """A build in a transaction, of an environment made when there is none; who calls tells the executor later."""
        environment = ensure_environment(session, actor, namespace, submission)
        is_new = environment.current_build_id is None
        specification = _ensure_specification(session, submission)
        row = self._schedule(session, environment, specification, actor)
        action = Action.ENVIRONMENT_CREATED if is_new else Action.BUILD_SUBMITTED
        record(session, actor, action, row, **_told(submission))
        return row

    def _schedule(
        self, session: Session, environment: EnvironmentRow, specification: SpecificationRow, actor: Actor
    ) -> BuildRow:
        # What is accepted should have a chance: a build could only fail there.
        self.storage.check_writable()
        check_room(session, self.storage, self.policies.options)
        self.limits.check_queue(session, environment.namespace)
        self.policies.check_quotas(session, environment)
        row = states.schedule(session, environment, specification, actor.name or ANONYMOUS)
        check_prefix_length(prefix_of(row, self.places))
        return row


def live_build(session: Session, build_id: int) -> BuildRow:
    """The row of a build that is not deleted; raises `BuildNotFound`."""
    return found_build(find_build(session, build_id), build_id)


def found_build(row: BuildRow | None, build_id: int) -> BuildRow:
    """The row itself; raises `BuildNotFound` when there is none."""
    if row is None:
        raise BuildNotFound(f"There is no build {build_id}.")
    return row


def _told(submission: Submission) -> dict[str, Any]:
    """What the audit trail says of what was posted."""
    description = submission.description or None
    return {"sha256": submission.sha256, "is_lockfile": submission.is_lockfile, "description": description}


def ensure_environment(session: Session, actor: Actor, namespace: str, submission: Submission) -> EnvironmentRow:
    """The row of the environment that a submission is for, made when there is none, and held by the transaction."""
    row = find_environment(session, namespace, submission.name)
    if row is None:
        place = ensure_namespace(session, actor, namespace)
        row = EnvironmentRow(namespace=place, name=submission.name, description="", created_on=datetime.now(UTC))
        session.add(row)
    # Where writers do not wait for each other anyway (PostgreSQL), they do so here: the first build is the current one.
    session.flush()
    session.refresh(row, with_for_update={"of": EnvironmentRow})
    row.description = submission.description or row.description
    session.flush()
    return row


def _ensure_specification(session: Session, submission: Submission) -> SpecificationRow:
    """Equal specifications are one row, with the text of the first who posted it."""
    row = find_specification(session, submission.sha256, is_lockfile=submission.is_lockfile)
    if row is None:
        row = SpecificationRow(
            name=submission.name,
            sha256=submission.sha256,
            spec=submission.spec,
            source=submission.source,
            is_lockfile=submission.is_lockfile,
            created_on=datetime.now(UTC),
        )
        session.add(row)
        session.flush()
    return row


def _successor(session: Session, environment_id: int) -> int | None:
    """The newest completed build of an environment, else its newest at all."""
    of_it = (BuildRow.environment_id == environment_id, BuildRow.deleted_on.is_(None))
    newest = select(BuildRow.id).where(*of_it).order_by(BuildRow.id.desc()).limit(1)
    completed = newest.where(BuildRow.status == states.Status.COMPLETED)
    return session.scalar(completed) or session.scalar(newest)
