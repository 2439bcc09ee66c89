"""What a build left, below `build/{build}/` and, for the current build, `environment/{namespace}/{name}/`.

These may wait: an artifact that is on its way is answered when it is there, or with 503 after the download's deadline.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from conda_store.builds.artifact_states import ArtifactType
from conda_store.handlers.base import ApiHandler
from conda_store.handlers.builds_in_paths import ContentHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.managers.contents import Content
from conda_store.models import ArchiveQuery, Image


class DownloadHandler(ContentHandler):
    """HEAD asks as GET does."""

    async def head(self, **names: str) -> None:
        """The headers alone."""
        await self.get(**names)

    head.permission = "environment::read"  # type: ignore[attr-defined]

    async def find(self) -> Content:
        """What is downloaded."""
        raise NotImplementedError

    @needs_permission("environment::read")
    @describes("application/octet-stream")
    async def get(self, **_: str) -> None:
        """Download an artifact."""
        await self.send_content(await self.find())


class Yaml(DownloadHandler):
    """`yaml/`"""

    async def find(self) -> Content:
        """The specification is there from the beginning."""
        return await self.ask(self.parts.artifacts.yaml, self.build_id)


class Logs(DownloadHandler):
    """`logs/`"""

    async def find(self) -> Content:
        """As much as there is by now."""
        return await self.ask(self.parts.artifacts.logs, self.build_id)


class LockfileText(DownloadHandler):
    """`conda-lock.yml`"""

    media_type: ClassVar[str] = "application/yaml"  # RFC 9512

    async def find(self) -> Content:
        """Wait for it."""
        artifacts, seconds = self.parts.artifacts, self.parts.download_wait_seconds
        await self.ask(artifacts.request, self.build_id, ArtifactType.LOCKFILE)
        find = partial(artifacts.find_lockfile, self.build_id, self.media_type)
        return await self.parts.watcher.until(find, seconds, "The lockfile")


class Lockfile(LockfileText):
    """`lockfile/`"""

    media_type = "application/json"


class Archive(DownloadHandler):
    """`archive/`"""

    @needs_permission("environment::read")
    @describes("application/gzip", query=ArchiveQuery)
    async def get(self, **_: str) -> None:
        """Download the packed environment."""
        await self.send_content(await self.find())

    async def find(self) -> Content:
        """Wait for it."""
        artifacts, seconds = self.parts.artifacts, self.parts.download_wait_seconds
        self.queried(ArchiveQuery)
        await self.ask(artifacts.request, self.build_id, ArtifactType.CONDA_PACK)
        find = partial(artifacts.find_archive, self.build_id, self.entity[1])
        return await self.parts.watcher.until(find, seconds, "The archive")


class Installer(DownloadHandler):
    """`installer/`"""

    kind: ClassVar[ArtifactType] = ArtifactType.CONSTRUCTOR_INSTALLER
    media_type: ClassVar[str] = "application/x-sh"

    async def find(self) -> Content:
        """Wait for it."""
        find = partial(self.parts.artifacts.find_file, self.build_id, self.kind, self.media_type)
        return await self.parts.watcher.until(find, self.parts.download_wait_seconds, "The artifact")


class Sbom(Installer):
    """`sbom/`"""

    kind = ArtifactType.SBOM
    media_type = "application/spdx+json"


class Docker(ContentHandler):
    """`docker/`"""

    @needs_permission("environment::read")
    @describes("text/plain")
    async def get(self, **_: str) -> None:
        """Tell where the image is pulled from; as JSON with every tag when `Accept` asks for it."""
        image: Image = await self.ask(self.parts.artifacts.image, self.build_id, self.request.host)
        if "application/json" in self.request.headers.get("Accept", ""):
            self.answer(image)
        else:
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(image.image)


PATHS: dict[str, type[ApiHandler]] = {
    "yaml/": Yaml,
    "lockfile/": Lockfile,
    "conda-lock.yml": LockfileText,
    "conda-lock.yaml": LockfileText,
    "archive/": Archive,
    "installer/": Installer,
    "sbom/": Sbom,
    "docker/": Docker,
    "logs/": Logs,
}
