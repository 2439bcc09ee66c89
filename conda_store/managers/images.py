"""Images on demand: a repository name that lists packages, made when it is first asked for.

A request is an environment of the namespace `conda-store-dynamic`, and what answers it a build without a prefix. So
equal requests meet in one row, whichever process they reach, and the work goes on when the client leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from conda_store.audit import SERVER, Action, Actor
from conda_store.builds import states
from conda_store.builds.states import Status
from conda_store.db import Database
from conda_store.db.audit import record
from conda_store.db.errors import WriteConflict
from conda_store.db.orm import BuildRow, EnvironmentRow, NamespaceRow, SpecificationRow
from conda_store.db.queries import find_environment
from conda_store.executors.base import Executor
from conda_store.managers.namespaces import ensure_namespace
from conda_store.managers.pulls import Pulls, withdraw_unused
from conda_store.managers.watching import TookTooLong, Watcher
from conda_store.registry.dynamic import DynamicRequest
from conda_store.registry.errors import ManifestUnknown, TooManyRequests
from conda_store.registry.names import DYNAMIC
from conda_store.specification import Specification


@dataclass(frozen=True)
class DynamicSettings:
    """How long answers count, in seconds, and how many images may be waiting or in the making at once.

    `reuse_seconds`: an image answers its name so long, then the next request solves again. `failure_seconds`: a
    failure does so (docker asks for what it was refused once more). `hold_seconds`: a request is held; most clients
    wait ten minutes. `keep_seconds`: an image is served so long after its last pull. `pending` images may be on their
    way, `pending_per_caller` of one caller's. Without `enabled` nothing new is made; `anonymous` callers may ask.
    """

    reuse_seconds: float = 24 * 3600.0
    failure_seconds: float = 30.0
    hold_seconds: float = 540.0
    keep_seconds: float = 30 * 24 * 3600.0
    pending: int = 20
    pending_per_caller: int = 5
    enabled: bool = True
    anonymous: bool = False


@dataclass(frozen=True)
class Outcome:
    """How the making of an image ended; `failure` is the reason, for people, why there is none."""

    failure: str | None = None


class ImageManager:
    """Makes images on demand."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        watcher: Watcher,
        settings: DynamicSettings | None = None,
        check_room: Callable[[Session], None] = lambda _: None,
    ) -> None:
        self.database, self.executor, self.watcher, self._check_disk = database, executor, watcher, check_room
        self.settings = settings or DynamicSettings()
        self._pulls = Pulls(database)

    async def ensure_dynamic(self, name: str, caller: Actor = SERVER, seconds: float | None = None) -> None:
        """Return when `latest` of the repository `name` can be pulled, made now unless it is there; wait `seconds`.

        `caller` is whose limits count; `check_room` raises `StorageFull`. Raises `NameInvalid`, `TooManyRequests`, and
        `ManifestUnknown` with the reason when there will be no image.
        """
        request = DynamicRequest.parse(name)
        if not self.settings.enabled:
            raise ManifestUnknown("No images are made on demand here: an administrator can change c.OnDemandImages.")
        build_id = await self.watcher.run(partial(self.start, request, caller))
        find = partial(self.find_outcome, build_id)
        try:
            outcome = await self.watcher.until(find, seconds or self.settings.hold_seconds, f"The image {name}")
        except TookTooLong as error:
            raise ManifestUnknown(f"{error.message} Pull it again in a while.") from error
        if outcome.failure is not None:
            raise ManifestUnknown(f"{outcome.failure}{_hint(request)}")

    async def note_pull(self, name: str) -> None:
        """Somebody pulled from the repository `name`: it is kept for longer."""
        if self._pulls.is_due(name):
            await self.watcher.run(partial(self._pulls.note, name))

    def start(self, request: DynamicRequest, caller: Actor = SERVER) -> int:
        """The number of the build that answers a request, scheduled now for `caller` unless there is one."""
        with self.database.read() as session:
            standing = self._find_standing(session, request)
        if standing is not None:
            return standing
        # Two processes may both make the namespace or the environment; the second finds those of the first.
        with suppress(WriteConflict):
            return self._ensure_build(request, caller)
        return self._ensure_build(request, caller)

    def find_outcome(self, build_id: int) -> Outcome | None:
        """How a build ended; None while it is on its way."""
        with self.database.read() as session:
            build = session.get(BuildRow, build_id)
            if build is None:
                return Outcome("The image was removed while it was made.")
            if build.status not in states.ENDED:
                return None
            if build.status == Status.COMPLETED:
                return Outcome()
            canceled = "The making of this image was canceled."
            return Outcome(build.status_info or "The image could not be made." if _failed(build) else canceled)

    def _ensure_build(self, request: DynamicRequest, caller: Actor) -> int:
        with self.database.write() as session:
            withdraw_unused(session, datetime.now(UTC) - timedelta(seconds=self.settings.keep_seconds))
            environment = _ensure_environment(session, caller, request)
            standing = self._find_standing(session, request)
            if standing is not None:
                return standing
            self._check_disk(session)
            self._check_room(session, caller)
            specification = _ensure_specification(session, request)
            build = states.schedule(session, environment, specification, caller.title)
            record(session, caller, Action.IMAGE_REQUESTED, build, dependencies=request.dependencies)
        self.executor.submit(build.id)
        return build.id

    def _find_standing(self, session: Session, request: DynamicRequest) -> int | None:
        """The latest build for a request, if it is on its way or its outcome still counts."""
        query = select(BuildRow).join(EnvironmentRow, BuildRow.environment_id == EnvironmentRow.id)
        query = query.join(NamespaceRow, EnvironmentRow.namespace_id == NamespaceRow.id)
        named = (NamespaceRow.name == DYNAMIC, EnvironmentRow.name == request.environment)
        there = (EnvironmentRow.deleted_on.is_(None), BuildRow.deleted_on.is_(None))
        build = session.scalar(query.where(*named, *there).order_by(BuildRow.id.desc()).limit(1))
        return build.id if build is not None and self._counts(build) else None

    def _counts(self, build: BuildRow) -> bool:
        if build.status not in states.ENDED:
            return not build.cancel_requested
        seconds = {Status.COMPLETED: self.settings.reuse_seconds, Status.FAILED: self.settings.failure_seconds}
        lifetime = timedelta(seconds=seconds.get(Status(build.status), 0))
        return build.ended_on is not None and datetime.now(UTC) < build.ended_on + lifetime

    def _check_room(self, session: Session, caller: Actor) -> None:
        query = select(func.count(), func.sum(case((BuildRow.requested_by == caller.title, 1), else_=0)))
        query = query.select_from(BuildRow).join(EnvironmentRow, BuildRow.environment_id == EnvironmentRow.id)
        query = query.join(NamespaceRow, EnvironmentRow.namespace_id == NamespaceRow.id)
        running = (NamespaceRow.name == DYNAMIC, BuildRow.status.not_in(states.ENDED), BuildRow.deleted_on.is_(None))
        everybody, own = session.execute(query.where(*running)).one()
        if everybody >= self.settings.pending:
            raise TooManyRequests(
                f"{everybody} images are being made on demand, as many as may be (c.OnDemandImages.max_pending): "
                "try again in a while."
            )
        if caller != SERVER and (own or 0) >= self.settings.pending_per_caller:
            raise TooManyRequests(
                f"{own} images are being made for you on demand, as many as may be for one caller "
                "(c.OnDemandImages.max_pending_per_caller): try again in a while."
            )


def _failed(build: BuildRow) -> bool:
    return build.status == Status.FAILED


def _hint(request: DynamicRequest) -> str:
    """What those hear who asked for `.eq.`, which rarely means what it says."""
    for name, conditions in request.requirements.items():
        for condition in conditions:
            if condition.startswith("=="):
                version = condition.removeprefix("==")
                return f" '.eq.{version}' is that version alone: write {name}.{version} for any {version}."
    return ""


def _ensure_environment(session: Session, caller: Actor, request: DynamicRequest) -> EnvironmentRow:
    row = find_environment(session, DYNAMIC, request.environment)
    if row is None:
        namespace = ensure_namespace(session, caller, DYNAMIC)
        description = f"Made on demand: {', '.join(request.dependencies)}"
        row = EnvironmentRow(
            namespace=namespace, name=request.environment, description=description, created_on=datetime.now(UTC)
        )
        session.add(row)
        session.flush()
    # Where writers do not wait for each other anyway (PostgreSQL), they do so here.
    session.refresh(row, with_for_update={"of": EnvironmentRow})
    return row


def _ensure_specification(session: Session, request: DynamicRequest) -> SpecificationRow:
    wanted = Specification(name=request.title, dependencies=request.dependencies)
    same = (SpecificationRow.sha256 == wanted.sha256, SpecificationRow.is_lockfile.is_(False))
    row = session.scalar(select(SpecificationRow).where(*same))
    if row is None:
        row = SpecificationRow(
            name=wanted.name,
            sha256=wanted.sha256,
            spec=wanted.as_dict(),
            source=wanted.to_yaml(),
            is_lockfile=False,
            created_on=datetime.now(UTC),
        )
        session.add(row)
        session.flush()
    return row
