"""What a build is asked for and what it leaves, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from conda_store.builds.prefix import check_place
from conda_store.builds.progress import StageResult
from conda_store.errors import BadInput
from conda_store.packages.locked import Lock
from conda_store.packages.policy import PackagePolicy
from conda_store.pieces.compression import compression_for
from conda_store.registry.settings import ImageSettings, RegistryAccess
from conda_store.specification import Specification

if TYPE_CHECKING:
    from conda_store.builds.archive import Archive
    from conda_store.registry.images import Image


@dataclass(frozen=True)
class BuildRequest:
    """What to build, and which artifacts to leave where.

    `source` is an `environment.yaml` or a lockfile; unless it `is_written` by a person, places in it are not told.
    `platforms` narrows or replaces the specification's own, `default_platforms` serve a specification without; none
    of all is this machine's. Paths are absolute. `base_images` is as for `BaseImages`, None for the default.
    `packages` says which there may be, and must be.
    """

    source: bytes
    is_written: bool = True
    default_name: str | None = None
    platforms: tuple[str, ...] = ()
    default_platforms: tuple[str, ...] = ()
    prefix: Path | None = None
    lock: Path | None = None
    archive: Path | None = None
    oci: Path | None = None
    base_images: Mapping[str, str] | str | None = None
    images: ImageSettings = field(default_factory=ImageSettings)
    registry_access: RegistryAccess = field(default_factory=RegistryAccess)
    packages: PackagePolicy = field(default_factory=PackagePolicy)

    def check_places(self) -> None:
        """Refuse places that cannot be used before any work is done. Raises `BadInput` naming the place."""
        for path in filter(None, (self.prefix, self.lock, self.archive, self.oci)):
            if not path.parent.is_dir():
                raise BadInput(f"{path} cannot be made: there is no directory {path.parent}.")
        if self.prefix:
            check_place(self.prefix)
        if self.archive:
            compression_for(self.archive)
        for path in filter(None, (self.lock, self.archive)):
            if path.is_dir():
                raise BadInput(f"{path} is a directory: name a file.")


@dataclass(frozen=True)
class BuildResult:
    """What a build was of, and what it left."""

    specification: Specification
    lock: Lock
    stages: tuple[StageResult, ...]
    images: tuple[Image, ...] = ()
    image_digest: str | None = None
    archive: Archive | None = None
