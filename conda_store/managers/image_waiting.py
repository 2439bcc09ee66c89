"""What somebody asks for before it is made, or when a part of it was lost: the image that a tag means, and what refers
to an image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import and_, false, func, select
from sqlalchemy.orm import Session

from conda_store.builds.artifact_states import ArtifactState, ArtifactType, find_artifact
from conda_store.builds.keys import build_key, short_key
from conda_store.builds.states import ENDED, BuildNotCompleted, Status, request_artifact
from conda_store.db import Database
from conda_store.db.orm import ArtifactRow, BuildRow, EnvironmentRow, ManifestRow, TagRow
from conda_store.db.queries import find_environment
from conda_store.executors.base import Executor
from conda_store.managers.watching import TookTooLong, Watcher
from conda_store.registry.errors import ManifestUnknown, ReferrersUnavailable
from conda_store.registry.names import LATEST, build_tags, split_repository
from conda_store.registry.serve import stored_name

# A tag of an older build that was never made is not looked for beyond these.
_BUILDS_LOOKED_AT = 100


class ImageWaiting:
    """Holds a request while the image of a build, or what refers to it, is being made, and asks for what was not, or
    has to be again."""

    def __init__(self, database: Database, executor: Executor, watcher: Watcher, hold_seconds: float = 540.0) -> None:
        self.database, self.executor, self.watcher = database, executor, watcher
        self.hold_seconds = hold_seconds

    async def ensure_tag(self, name: str, tag: str) -> None:
        """Return when there is nothing (more) to wait for behind `name:tag`; raises `ManifestUnknown` with the reason
        when the build or its image failed."""
        await self._hold(partial(self.find_settled, name, tag), f"The image {name}:{tag}")

    async def ensure_whole(self, name: str, digest: str) -> None:
        """Have the image `digest` of the repository `name`, of which a part was lost, made again; return when it is.

        Raises `ManifestUnknown` with the reason when it could not be. Nothing happens to what has no tag.
        """
        asked = await self.watcher.run(partial(self.ask_again, name, digest))
        if asked is not None:
            await self._hold(partial(self.find_made, *asked), f"The image {digest} of {name}")

    def ask_again(self, name: str, digest: str) -> tuple[int, ArtifactType] | None:
        """Let a build whose image it is, or to whose image it refers, make it once more unless it does already."""
        with self.database.write() as session:
            here = (ManifestRow.repository == name, ManifestRow.digest == digest)
            subject = session.scalar(select(ManifestRow.subject).where(*here))
            wanted = ArtifactType.REFERRERS if subject else ArtifactType.DOCKER_MANIFEST
            build_id = _build_of_image(session, name, subject or digest)
            if build_id is None:
                return None
            request_artifact(session, build_id, wanted, lost=True)
        self.executor.submit_artifact(build_id, wanted)
        return build_id, wanted

    def find_made(self, build_id: int, wanted: ArtifactType = ArtifactType.DOCKER_MANIFEST) -> bool | None:
        """True when the image of a completed build, or what refers to it, is there; None while it is on its way."""
        with self.database.read() as session:
            row = find_artifact(session, build_id, wanted)
            state, reason = (row.state, row.reason) if row else (ArtifactState.FAILED, "The build was removed.")
        if state == ArtifactState.FAILED:
            what = "The image" if wanted == ArtifactType.DOCKER_MANIFEST else "What refers to the image"
            raise ManifestUnknown(f"{what} of build {build_id} could not be made: {reason}")
        return True if state == ArtifactState.READY else None

    def find_settled(self, name: str, tag: str) -> bool | None:
        """True when waiting changes nothing; None while the image is on its way (it is asked for here if need be)."""
        with self.database.read() as session:
            environment = find_environment(session, *split_repository(name))
            build = _build_of_tag(session, environment, tag) if environment else None
            if build is None:
                return True
            row = find_artifact(session, build.id, ArtifactType.DOCKER_MANIFEST)
            state, build_id, status = row.state if row else None, build.id, build.status
            reason = row.reason if row else build.status_info
        if status in ENDED and status != Status.COMPLETED:
            raise ManifestUnknown(reason or f"Build {build_id} of {name} is {status}.")
        if status == Status.COMPLETED and state is None:
            self.executor.submit_artifact(build_id, ArtifactType.DOCKER_MANIFEST)
        return self.find_made(build_id) if state is not None else None

    async def _hold(self, find: Callable[[], bool | None], what: str) -> None:
        try:
            await self.watcher.until(find, self.hold_seconds, what)
        except TookTooLong as error:
            raise ManifestUnknown(f"{error.message} Pull it again in a while.") from error

    async def ensure_referrers(self, name: str, digest: str) -> None:
        """Return when what refers to the image `digest` of the repository `name` is there, made now unless it is.

        Any build with that image will do: what is said about it follows from its lock. Returns at once when there is
        no such image. Raises `NameInvalid`, and `ReferrersUnavailable` with the reason.
        """
        build_id = await self.watcher.run(partial(self.ask_for_referrers, name, digest))
        if build_id is None:
            return
        try:
            settled = partial(self.find_referrers, build_id)
            await self.watcher.until(settled, self.hold_seconds, f"What refers to {name}@{digest}")
        except TookTooLong as error:
            raise ReferrersUnavailable(error.message) from error

    def ask_for_referrers(self, name: str, digest: str) -> int | None:
        """The build that makes them, or will; None when there is nothing to make. What failed is tried again."""
        with self.database.read() as session:
            build_id = _build_without_referrers(session, stored_name(name), digest)
        if build_id is None:
            return None
        try:
            self.executor.submit_artifact(build_id, ArtifactType.REFERRERS)
        except BuildNotCompleted:
            # It was deleted in this moment, and its image with it.
            return None
        return build_id

    def find_referrers(self, build_id: int) -> bool | None:
        """True when they are there, or will never be since the build was deleted; None while they are on their way."""
        with self.database.read() as session:
            build = session.get(BuildRow, build_id)
            row = find_artifact(session, build_id, ArtifactType.REFERRERS)
            if build is None or build.deleted_on is not None or row is None or row.state == ArtifactState.READY:
                return True
            if row.state == ArtifactState.FAILED:
                raise ReferrersUnavailable(f"What refers to this image could not be made: {row.reason}")
            return None


def _build_of_image(session: Session, repository: str, digest: str) -> int | None:
    """The newest build whose image this is."""
    tagged = select(BuildRow.id).join(TagRow, TagRow.build_id == BuildRow.id)
    tagged = tagged.where(TagRow.repository == repository, TagRow.digest == digest)
    usable = (BuildRow.status == Status.COMPLETED, BuildRow.deleted_on.is_(None))
    return session.scalar(tagged.where(*usable).order_by(BuildRow.id.desc()).limit(1))


def _build_without_referrers(session: Session, repository: str, digest: str) -> int | None:
    """A build whose image this is, unless something refers to that: the newest one, or one that works on it."""
    there = select(ManifestRow.id).where(ManifestRow.repository == repository, ManifestRow.subject == digest)
    if session.scalar(there.limit(1)) is not None:
        return None
    of_build = and_(ArtifactRow.build_id == BuildRow.id, ArtifactRow.artifact_type == ArtifactType.REFERRERS)
    on_its_way = ArtifactRow.state.in_([ArtifactState.WAITING, ArtifactState.MAKING])
    builds = select(BuildRow.id).join(TagRow, TagRow.build_id == BuildRow.id).outerjoin(ArtifactRow, of_build)
    builds = builds.where(TagRow.repository == repository, TagRow.digest == digest)
    builds = builds.where(BuildRow.status == Status.COMPLETED, BuildRow.deleted_on.is_(None))
    return session.scalar(builds.order_by(func.coalesce(on_its_way, false()).desc(), BuildRow.id.desc()).limit(1))


def _build_of_tag(session: Session, environment: EnvironmentRow, tag: str) -> BuildRow | None:
    builds = select(BuildRow).where(BuildRow.environment_id == environment.id, BuildRow.deleted_on.is_(None))
    if tag == LATEST:
        return session.scalar(builds.where(BuildRow.id == environment.current_build_id))
    for build in session.scalars(builds.order_by(BuildRow.id.desc()).limit(_BUILDS_LOOKED_AT)):
        named = (build.specification.sha256, build.scheduled_on, build.id, environment.name)
        if tag in build_tags(build.id, short_key(*named), build_key(*named), current=False):
            return build
    return None
