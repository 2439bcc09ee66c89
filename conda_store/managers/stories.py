"""How a build went and what its image is made of, for a person who looks at it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.builds.artifact_states import ArtifactState, ArtifactType
from conda_store.db import Database
from conda_store.db.orm import ArtifactRow, BuildRow, EventRow, TagRow
from conda_store.db.overviews import shared_digests
from conda_store.managers.builds import live_build
from conda_store.registry.manifests import children
from conda_store.storage.base import NotStored, Storage, blob_key

_PREFIX = "conda-store: "


@dataclass(frozen=True)
class Stage:
    """A stage of a build that has ended; `summary` says what it made and what it reused."""

    name: str
    summary: str
    seconds: float


@dataclass(frozen=True)
class Layer:
    """A layer of an image: what is in it, its compressed size in bytes, and whether other images have it too."""

    content: str
    digest: str
    size: int
    is_shared: bool


@dataclass(frozen=True)
class PlatformImage:
    """The image for one platform (`linux/amd64`), its layers bottom first."""

    platform: str
    digest: str
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Compressed bytes of all layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def own_size(self) -> int:
        """Compressed bytes of the layers that no other image has."""
        return sum(layer.size for layer in self.layers if not layer.is_shared)

    def bars(self, width: float) -> Iterator[tuple[float, float, Layer]]:
        """Start and length of each layer on a line of `width`, in proportion to their sizes."""
        start, unit = 0.0, width / max(self.size, 1)
        for layer in self.layers:
            yield start, layer.size * unit, layer
            start += layer.size * unit


@dataclass(frozen=True)
class ArtifactProgress:
    """An artifact in whatever state it is; `digest` is that of its file, or of the list that it is put together by."""

    kind: str
    state: str
    reason: str | None
    size: int
    digest: str = ""


@dataclass(frozen=True)
class Story:
    """All of it; `author` is who asked for the build."""

    author: str
    stages: tuple[Stage, ...]
    artifacts: tuple[ArtifactProgress, ...]
    images: tuple[PlatformImage, ...]

    @property
    def seconds(self) -> float:
        """How long all stages took together."""
        return sum(stage.seconds for stage in self.stages)


class StoryManager:
    """Tells the story of a build."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self.database, self.storage = database, storage
        # A stored file never changes, so it is read once.
        self._digest_of = lru_cache(1024)(self._read_digest)

    def get(self, build_id: int) -> Story:
        """Raises `BuildNotFound`."""
        with self.database.read() as session:
            build = live_build(session, build_id)
            tag = session.scalar(select(TagRow).where(TagRow.build_id == build.id).limit(1))
            return Story(
                author=build.requested_by,
                stages=_stages(session, build),
                artifacts=tuple(self._artifact(row, tag.digest if tag else "") for row in _artifacts(session, build)),
                images=self._images(session, tag) if tag else (),
            )

    def _artifact(self, row: ArtifactRow, image: str) -> ArtifactProgress:
        digest = ""
        if row.state == ArtifactState.READY and row.key:
            digest = image if row.artifact_type == ArtifactType.DOCKER_MANIFEST else self._digest_of(row.key)
        return ArtifactProgress(row.artifact_type, row.state, row.reason, row.size, digest)

    def _read_digest(self, key: str) -> str:
        if not key.startswith("artifacts/"):
            return ""
        try:
            return f"sha256:{hashlib.sha256(self.storage.get(key)).hexdigest()}"
        except NotStored:
            return ""

    def _images(self, session: Session, tag: TagRow) -> tuple[PlatformImage, ...]:
        try:
            documents = self._manifests(tag.digest)
            layers = [self._layers(manifest) for _, _, manifest in documents]
        except (NotStored, ValueError, LookupError):
            # The store has lost a part: it is made again at the next pull, and then shown here.
            return ()
        shared = shared_digests(session, tag.repository, {layer[1] for image in layers for layer in image})
        return tuple(
            PlatformImage(platform, digest, tuple(Layer(*one, one[1] in shared) for one in image))
            for (platform, digest, _), image in zip(documents, layers, strict=True)
        )

    def _manifests(self, digest: str) -> list[tuple[str, str, dict[str, Any]]]:
        document = self._document(digest)
        if "manifests" not in document:
            return [("", digest, document)]
        found = []
        for one in children(document):
            platform = one.platform or {}
            words = [platform[key] for key in ("os", "architecture", "variant") if key in platform]
            found.append(("/".join(words), one.digest))
        return [(platform, one, self._document(one)) for platform, one in found]

    def _layers(self, manifest: dict[str, Any]) -> list[tuple[str, str, int]]:
        history = self._document(manifest["config"]["digest"])["history"]
        contents = [one["created_by"].removeprefix(_PREFIX) for one in history if not one.get("empty_layer")]
        return [
            (content, layer["digest"], layer["size"])
            for content, layer in zip(contents, manifest["layers"], strict=True)
        ]

    def _document(self, digest: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.storage.get(blob_key(digest)))
        return found


def _artifacts(session: Session, build: BuildRow) -> list[ArtifactRow]:
    wanted = select(ArtifactRow).where(ArtifactRow.build_id == build.id).order_by(ArtifactRow.id)
    return list(session.scalars(wanted))


def _stages(session: Session, build: BuildRow) -> tuple[Stage, ...]:
    wanted = select(EventRow.data).where(EventRow.build_id == build.id, EventRow.kind == "progress")
    ended = (data for data in session.scalars(wanted.order_by(EventRow.number)) if "seconds" in data)
    return tuple(Stage(data["stage"], data.get("summary") or "", data["seconds"]) for data in ended)
