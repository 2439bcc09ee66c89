"""What a build left, below `build/{build}/` and, for the current build, `environment/{namespace}/{name}/`.

These may wait: an artifact that is on its way is answered when it is there, or with 503 after the download's deadline.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import ClassVar

from conda_store.builds.artifact_states import ArtifactType
from conda_store.handlers.base import ApiHandler
from conda_store.handlers.builds_in_paths import ContentHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.inputs import ArchiveQuery
from conda_store.managers.contents import Content
from conda_store.models import Image


class DownloadHandler(ContentHandler):
    """HEAD asks as GET does."""

    async def head(self, **names: str) -> None:
        """The headers alone."""
        await self.get(**names)

    head.permission = "environment::read"  # type: ignore[attr-defined]

    @abstractmethod
    async def find(self) -> Content:
        """What is downloaded."""

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


class ListHandler(DownloadHandler):
    """What is put together from blobs as it is sent."""

    async def find_list(self, artifact_type: ArtifactType, what: str) -> Content:
        """Ask for it, and wait."""
        artifacts, seconds = self.parts.artifacts, self.parts.download_wait_seconds
        await self.ask(artifacts.request, self.build_id, artifact_type)
        find = partial(artifacts.find_list, self.build_id, artifact_type, self.entity[1])
        return await self.parts.watcher.until(find, seconds, what)


class Archive(ListHandler):
    """`archive/`"""

    @needs_permission("environment::read")
    @describes("application/gzip", query=ArchiveQuery)
    async def get(self, **_: str) -> None:
        """Download the packed environment."""
        await self.send_content(await self.find())

    async def find(self) -> Content:
        """In the format that was asked for."""
        wanted = self.queried(ArchiveQuery).format
        kinds = {"gz": ArtifactType.CONDA_PACK, "zst": ArtifactType.CONDA_PACK_ZST}
        return await self.find_list(kinds[wanted], "The archive")


class Installer(ListHandler):
    """`installer/`"""

    async def find(self) -> Content:
        """A script in front of the archive."""
        return await self.find_list(ArtifactType.CONSTRUCTOR_INSTALLER, "The installer")


class Sbom(DownloadHandler):
    """`sbom/`"""

    async def find(self) -> Content:
        """Ask for it, and wait."""
        artifacts, kind = self.parts.artifacts, ArtifactType.SBOM
        await self.ask(artifacts.request, self.build_id, kind)
        find = partial(artifacts.find_file, self.build_id, kind, "application/spdx+json", "sbom.spdx.json")
        return await self.parts.watcher.until(find, self.parts.download_wait_seconds, "The bill of materials")


class Docker(ContentHandler):
    """`docker/`"""

    @needs_permission("environment::read")
    @describes("text/plain")
    async def get(self, **_: str) -> None:
        """Tell where the image is pulled from; as JSON with every tag when `Accept` asks for it."""
        image: Image = await self.ask(self.parts.artifacts.image, self.build_id, self.image_host)
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
