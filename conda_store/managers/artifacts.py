"""What a build left, as bytes to download. What is not made yet is asked for; who waits for it is not decided here."""

from __future__ import annotations

import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store import models
from conda_store.builds.artifact_states import ArtifactState, ArtifactType, find_artifact
from conda_store.builds.events import log_text
from conda_store.builds.keys import build_key
from conda_store.builds.lockfile import parse_lockfile
from conda_store.builds.lockfile_reader import specification_from
from conda_store.builds.states import ENDED, Status, request_artifact
from conda_store.db import Database
from conda_store.db.orm import ArtifactRow, BuildRow, TagRow
from conda_store.db.queries import find_build
from conda_store.errors import CondaStoreError
from conda_store.executors.base import Executor
from conda_store.managers.builds import BuildNotFound, found_build
from conda_store.managers.contents import Content, Part, text_content
from conda_store.managers.deleting import kept_kinds
from conda_store.registry.names import repository
from conda_store.settings import Values
from conda_store.storage.base import NotStored, Storage, blob_key

_YAML = "application/yaml"  # RFC 9512
_LOG = "text/plain; charset=utf-8"
# Downloads that are put together, by their media type and the end of their name.
_LISTS = {
    ArtifactType.CONDA_PACK: ("application/gzip", ".tar.gz"),
    ArtifactType.CONDA_PACK_ZST: ("application/zstd", ".tar.zst"),  # RFC 8878
    ArtifactType.CONSTRUCTOR_INSTALLER: ("application/x-sh", ".sh"),
}


class ArtifactMissing(CondaStoreError):
    """The build has no such artifact and will have none."""

    status = 404
    code = "artifact_missing"


class ArtifactFailed(CondaStoreError):
    """The artifact could not be made."""

    status = 409
    code = "artifact_failed"


class ArtifactManager:
    """Finds artifacts. Every `find_…` gives None while what it looks for is on its way."""

    def __init__(self, database: Database, executor: Executor, storage: Storage, options: Values | None = None) -> None:
        self.database, self.executor, self.storage, self.options = database, executor, storage, options or {}

    def yaml(self, build_id: int) -> Content:
        """The normal specification as an `environment.yaml`; there at once, whatever becomes of the build."""
        with self.database.read() as session:
            build = self._build(session, build_id, ArtifactType.YAML)
            row = build.specification
            if row.is_lockfile:
                _, specification = parse_lockfile(row.source, default_name=row.name)
            else:
                specification = specification_from(row.spec)
            return text_content(specification.to_yaml(), _YAML, f"{build.environment.name}.yaml")

    def logs(self, build_id: int) -> Content:
        """The log so far."""
        with self.database.read() as session:
            self._build(session, build_id, ArtifactType.LOGS)
            row = find_artifact(session, build_id, ArtifactType.LOGS)
            if row is not None and row.state == ArtifactState.READY and self.storage.exists(row.key):
                return self._stored(row, _LOG)
            return text_content(log_text(session, build_id), _LOG)

    def find_lockfile(self, build_id: int, media_type: str) -> Content | None:
        """The lockfile (JSON, which is YAML too); one that was posted comes back byte for byte, and at once."""
        with self.database.read() as session:
            source = self._build(session, build_id, ArtifactType.LOCKFILE).specification
            if source.is_lockfile:
                return text_content(source.source, media_type, "conda-lock.yml")
        return self.find_file(build_id, ArtifactType.LOCKFILE, media_type, "conda-lock.yml")

    def find_list(self, build_id: int, artifact_type: ArtifactType, name: str) -> Content | None:
        """A packed environment or an installer of the environment `name`: the blobs that its list names."""
        row = self._find(build_id, artifact_type)
        if row is None:
            return None
        listing = json.loads(self.storage.get(row.key))
        parts = tuple(Part(size, key=blob_key(digest)) for digest, size in listing["parts"])
        media_type, suffix = _LISTS[artifact_type]
        return Content(media_type, parts, listing["etag"], self.storage, f"{name}-{build_id}{suffix}")

    def find_file(
        self, build_id: int, artifact_type: ArtifactType, media_type: str, file_name: str | None = None
    ) -> Content | None:
        """An artifact that is one stored file."""
        row = self._find(build_id, artifact_type)
        return self._stored(row, media_type, file_name) if row else None

    def image(self, build_id: int, host: str) -> models.Image:
        """Where an image is, or will be, pulled from; `host` is the registry's. Raises `ArtifactMissing`."""
        with self.database.read() as session:
            build = self._build(session, build_id, ArtifactType.DOCKER_MANIFEST)
            _check_may_come(build, ArtifactType.DOCKER_MANIFEST)
            environment = build.environment
            tags = list(session.scalars(select(TagRow).where(TagRow.build_id == build_id).order_by(TagRow.tag)))
            key = build_key(build.specification.sha256, build.scheduled_on, build_id, environment.name)
        names = [row.tag for row in tags]
        tag = key if key in names or not names else str(build_id)
        image = f"{host}/{repository(environment.namespace.name, environment.name)}:{tag}"
        return models.Image(image=image, digest=tags[0].digest if tags else None, tags=names)

    def request(self, build_id: int, artifact_type: ArtifactType) -> None:
        """Ask for an artifact of a completed build that was not made, failed, or was lost by the storage."""
        with self.database.read() as session:
            build = self._build(session, build_id, artifact_type)
            row = find_artifact(session, build_id, artifact_type)
            lost = row is not None and row.state == ArtifactState.READY and self._is_lost(row)
            wanted = lost or row is None or row.state == ArtifactState.FAILED
            if build.status != Status.COMPLETED or build.deleted_on is not None or not wanted:
                return
        if lost:
            with self.database.write() as session:
                request_artifact(session, build_id, artifact_type, lost=True)
        self.executor.submit_artifact(build_id, artifact_type)

    def _is_lost(self, row: ArtifactRow) -> bool:
        """Whether a file, or a list or something that it names, is gone or has another length."""
        try:
            if row.artifact_type not in _LISTS:
                return self.storage.size(row.key) != row.size
            parts = json.loads(self.storage.get(row.key))["parts"]
        except (NotStored, ValueError, LookupError):
            return True
        return not all(self.storage.has_blob(digest, size) for digest, size in parts)

    def _find(self, build_id: int, artifact_type: ArtifactType) -> ArtifactRow | None:
        with self.database.read() as session:
            build = self._build(session, build_id, artifact_type)
            row = find_artifact(session, build_id, artifact_type)
            return _settled(build, row, artifact_type)

    def _build(self, session: Session, build_id: int, artifact_type: ArtifactType) -> BuildRow:
        """The row of a build, also of a deleted one that leaves this artifact; raises `BuildNotFound`."""
        row = find_build(session, build_id, deleted=True)
        if row is None or row.deleted_on is None or artifact_type in kept_kinds(session, self.options):
            return found_build(row, build_id)
        raise BuildNotFound(f"Build {build_id} was deleted, and its {artifact_type} with it.")

    def _stored(self, row: ArtifactRow, media_type: str, file_name: str | None = None) -> Content:
        part = Part(self.storage.size(row.key), key=row.key)
        # What a build left never changes, so its number and kind name the bytes.
        etag = f'"{row.build_id}-{row.artifact_type.lower()}-{part.size}"'
        return Content(media_type, (part,), etag, self.storage, file_name)


def _settled(build: BuildRow, row: ArtifactRow | None, artifact_type: ArtifactType) -> ArtifactRow | None:
    """The row of an artifact that is READY, None while it may become so. Raises what is final."""
    if row is not None and row.state == ArtifactState.READY:
        return row
    if row is not None and row.state == ArtifactState.FAILED:
        raise ArtifactFailed(f"The {artifact_type} of build {build.id} could not be made: {row.reason}")
    _check_may_come(build, artifact_type)
    if row is None and build.status == Status.COMPLETED and build.lease is None:
        raise ArtifactMissing(f"Build {build.id} has no {artifact_type}.")
    return None


def _check_may_come(build: BuildRow, artifact_type: ArtifactType) -> None:
    """Raises `ArtifactMissing` for a build that ended otherwise than well: it leaves nothing."""
    if build.status in ENDED and build.status != Status.COMPLETED:
        reason = f": {build.status_info}" if build.status_info else "."
        raise ArtifactMissing(f"Build {build.id} has no {artifact_type}, since it is {build.status}{reason}")
