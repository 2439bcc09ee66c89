"""What follows from a completed build: lockfile, YAML, archive, image and log, each made and READY for itself.

Small files and lists lie in the storage at `artifacts/<build id>/…`; the bytes of archives and images are pieces.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from conda_store.builds.artifact_states import ArtifactState, ArtifactType, find_waiting
from conda_store.builds.environment import Environment
from conda_store.builds.events import log_lines
from conda_store.builds.kept_log import keep_log
from conda_store.builds.leases import CancelRequested, Lease, StaleLease, held
from conda_store.builds.logs import BuildLog
from conda_store.builds.publishing import (
    PublishedImage,
    publish_image,
    publish_referrers,
    published_image,
    reachable,
)
from conda_store.builds.reasons import reason_of
from conda_store.builds.runner import Build
from conda_store.builds.states import release, set_artifact
from conda_store.builds.subject import Subject
from conda_store.db import Database
from conda_store.errors import BadInput
from conda_store.packages.locked import Lock
from conda_store.pieces.compression import GZIP, ZSTD, Compression
from conda_store.registry.referrers import store_referrer
from conda_store.specification import Specification
from conda_store.storage.base import Storage

if TYPE_CHECKING:
    from conda_store.builds.archive import Archive

LOCKFILE_NAME, YAML_NAME, SBOM_NAME = "conda-lock.yml", "environment.yaml", "sbom.spdx.json"
# Lists of blobs that are downloaded one after another.
ARCHIVE_NAME, ARCHIVE_ZST_NAME, INSTALLER_NAME = "archive.json", "archive-zst.json", "installer.json"

# Puts an artifact into the state READY, inside the transaction that holds the build.
_Publish = Callable[[Session], None]


class ArtifactMaker:
    """Makes the WAITING artifacts of one build; `environments` are those that the build has made already."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        log: BuildLog,
        build: Build,
        subject: Subject,
        specification: Specification,
        lock: Lock,
        environments: dict[str, Environment],
    ) -> None:
        self.database, self.lease, self.log, self.build, self.subject = database, lease, log, build, subject
        self.specification, self.lock, self.environments = specification, lock, environments
        self.storage: Storage = build.workshop.storage

    def make_all(self) -> None:
        """Make one after another, and give the lease back. Raises `StaleLease` and `CancelRequested`."""
        while (wanted := self._next()) is not None:
            try:
                publish = self._make(wanted)
                with self.database.write() as session:
                    held(session, self.lease)
                    publish(session)
            except (StaleLease, CancelRequested):
                raise
            except Exception as error:
                self._fail(wanted, reason_of(error, self.build.workshop.directory))

    def _next(self) -> ArtifactType | None:
        self.log.flush()
        with self.database.write() as session:
            build = held(session, self.lease)
            row = find_waiting(session, build.id)
            if row is None:
                release(session, self.lease)
                return None
            wanted = ArtifactType(row.artifact_type)
            set_artifact(session, self.lease, wanted, ArtifactState.MAKING, reason=row.reason)
            return wanted

    def _make(self, wanted: ArtifactType) -> _Publish:
        makers: dict[ArtifactType, Callable[[], _Publish]] = {
            ArtifactType.LOCKFILE: self._lockfile,
            ArtifactType.YAML: lambda: self._file(ArtifactType.YAML, YAML_NAME, self.specification.to_yaml().encode()),
            ArtifactType.LOGS: lambda: lambda session: keep_log(session, self.storage, held(session, self.lease)),
            ArtifactType.CONDA_PACK: lambda: self._list(ArtifactType.CONDA_PACK, ARCHIVE_NAME, self._archive(GZIP)),
            ArtifactType.CONDA_PACK_ZST: lambda: self._list(
                ArtifactType.CONDA_PACK_ZST, ARCHIVE_ZST_NAME, self._archive(ZSTD)
            ),
            ArtifactType.CONSTRUCTOR_INSTALLER: self._installer,
            ArtifactType.DOCKER_MANIFEST: self._image,
            ArtifactType.SBOM: lambda: self._file(ArtifactType.SBOM, SBOM_NAME, self._sbom()),
            ArtifactType.REFERRERS: self._referrers,
        }
        if wanted not in makers:
            raise BadInput(f"{wanted} is made with the build and with nothing else.")
        return makers[wanted]()

    def _lockfile(self) -> _Publish:
        if self.subject.is_lockfile:
            return self._file(ArtifactType.LOCKFILE, LOCKFILE_NAME, self.subject.source)
        from conda_store.builds.lockfile import lockfile_json

        text = lockfile_json(self.lock, self.specification)
        return self._file(ArtifactType.LOCKFILE, LOCKFILE_NAME, text.encode())

    def _archive(self, compression: Compression) -> Archive:
        machine = self.build.machine
        platform = machine if machine in self.lock.platforms else next(iter(self.lock.platforms))
        return self.build.archive(self.specification, self._environment(platform), compression)

    def _installer(self) -> _Publish:
        from conda_store.builds.archive import Archive
        from conda_store.builds.installer import installer_script

        script = installer_script(self.subject.environment)
        parts = (self.storage.put_blob(script), len(script)), *self._archive(GZIP).parts
        return self._list(ArtifactType.CONSTRUCTOR_INSTALLER, INSTALLER_NAME, Archive(parts, 0))

    def _list(self, artifact_type: ArtifactType, name: str, archive: Archive) -> _Publish:
        document = json.dumps({"etag": archive.etag, "parts": archive.parts}).encode()
        return self._file(artifact_type, name, document, archive.size)

    def _sbom(self) -> bytes:
        from conda_store.builds.sbom import declared_licence, sbom_json

        declared: dict[str, str | None] = {}
        for platform in self.lock.platforms:
            packages = self._environment(platform).ownership.order
            declared |= {package.key: declared_licence(package) for package in packages}
        return sbom_json(self.specification, self.lock, declared)

    def _referrers(self) -> _Publish:
        from conda_store.builds.referrers import image_documents

        with self.database.read() as session:
            image = published_image(session, self.subject)
        documents = image_documents(self.specification, self.lock, self._sbom())
        referrers = [store_referrer(self.storage, image, document) for document in documents]

        def publish(session: Session) -> None:
            publish_referrers(session, self.subject, image, referrers)
            size = sum(referrer.size for referrer in referrers)
            self.ready(session, ArtifactType.REFERRERS, self.subject.build_key, size)

        return publish

    def _image(self) -> _Publish:
        image = self.image()
        return lambda session: self.publish(session, image)

    def image(self) -> PublishedImage:
        """Make the image of every platform of the lock, in the storage."""
        environments = {platform: self._environment(platform) for platform in self.lock.platforms}
        _, descriptor = self.build.images(self.specification, environments)
        return reachable(self.storage, descriptor)

    def publish(self, session: Session, image: PublishedImage) -> None:
        """Let the registry serve the image."""
        publish_image(session, self.subject, image)
        self.ready(session, ArtifactType.DOCKER_MANIFEST, self.subject.build_key, image.size)

    def _environment(self, platform: str) -> Environment:
        if platform not in self.environments:
            self.environments[platform] = self.build.environment(self.lock.platforms[platform])
        return self.environments[platform]

    def _file(self, artifact_type: ArtifactType, name: str, data: bytes, size: int | None = None) -> _Publish:
        def publish(session: Session) -> None:
            # Inside of the transaction, so that no worker that was given up can put its file in place of another's.
            self.storage.put(self.subject.key(name), data)
            self.ready(session, artifact_type, self.subject.key(name), len(data) if size is None else size)

        return publish

    def ready(self, session: Session, artifact_type: ArtifactType, key: str, size: int) -> None:
        """An artifact is there, at `key`, with `size` bytes."""
        set_artifact(session, self.lease, artifact_type, ArtifactState.READY, key, size)

    def _fail(self, artifact_type: ArtifactType, reason: str) -> None:
        self.log.add(*log_lines(f"{artifact_type}: {reason}"))
        with self.database.write() as session:
            set_artifact(session, self.lease, artifact_type, ArtifactState.FAILED, reason=reason)
