"""An image that somebody pulls before it is made: which build a tag means, and whether it is on its way."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.builds.artifact_states import ArtifactState, ArtifactType, find_artifact
from conda_store.builds.keys import build_key, short_key
from conda_store.builds.states import ENDED, Status
from conda_store.db import Database
from conda_store.db.orm import BuildRow, EnvironmentRow
from conda_store.db.queries import find_environment
from conda_store.executors.base import Executor
from conda_store.managers.watching import TookTooLong, Watcher
from conda_store.registry.errors import ManifestUnknown
from conda_store.registry.names import LATEST, build_tags, split_repository

# A tag of an older build that was never made is not looked for beyond these.
_BUILDS_LOOKED_AT = 100


class ImageWaiting:
    """Holds a pull while the image of a build is being made, and asks for one that was not."""

    def __init__(self, database: Database, executor: Executor, watcher: Watcher, hold_seconds: float = 540.0) -> None:
        self.database, self.executor, self.watcher = database, executor, watcher
        self.hold_seconds = hold_seconds

    async def ensure_tag(self, name: str, tag: str) -> None:
        """Return when there is nothing (more) to wait for behind `name:tag`; raises `ManifestUnknown` with the reason
        when the build or its image failed."""
        try:
            settled = partial(self.find_settled, name, tag)
            await self.watcher.until(settled, self.hold_seconds, f"The image {name}:{tag}")
        except TookTooLong as error:
            raise ManifestUnknown(f"{error.message} Pull it again in a while.") from error

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
        if state == ArtifactState.FAILED:
            raise ManifestUnknown(f"The image of build {build_id} could not be made: {reason}")
        if status == Status.COMPLETED and state is None:
            self.executor.submit_artifact(build_id, ArtifactType.DOCKER_MANIFEST)
        return True if state == ArtifactState.READY else None


def _build_of_tag(session: Session, environment: EnvironmentRow, tag: str) -> BuildRow | None:
    builds = select(BuildRow).where(BuildRow.environment_id == environment.id, BuildRow.deleted_on.is_(None))
    if tag == LATEST:
        return session.scalar(builds.where(BuildRow.id == environment.current_build_id))
    for build in session.scalars(builds.order_by(BuildRow.id.desc()).limit(_BUILDS_LOOKED_AT)):
        named = (build.specification.sha256, build.scheduled_on, build.id, environment.name)
        if tag in build_tags(build.id, short_key(*named), build_key(*named), current=False):
            return build
    return None
