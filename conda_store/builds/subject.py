"""What a worker is told about the build that it works on, and the settings that hold for all builds. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from conda_store.builds.keys import Places, artifact_key, build_key, short_key
from conda_store.builds.states import ArtifactType
from conda_store.db.orm import BuildRow
from conda_store.errors import PolicyRefused
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.locked import Lock
from conda_store.pieces.compression import GZIP, Compression
from conda_store.pieces.grouping import DEFAULT_BUDGET
from conda_store.registry.names import DYNAMIC

DEFAULT_ARTIFACTS = (
    ArtifactType.LOCKFILE,
    ArtifactType.YAML,
    ArtifactType.CONDA_PACK,
    ArtifactType.DOCKER_MANIFEST,
)


@dataclass(frozen=True)
class Limits:
    """What one build may use; None is without limit.

    `build_seconds` counts from the start of the worker to its end, artifacts included; `memory_bytes` is the data of
    each process (RLIMIT_DATA); `packages` is for one platform; `download_bytes` what has to be fetched for one.
    """

    solve_seconds: float | None = 300.0
    build_seconds: float | None = 3600.0
    memory_bytes: int | None = None
    packages: int | None = 5000
    download_bytes: int | None = None

    def check_packages(self, lock: Lock) -> None:
        """Refuse a lock that is too large. Raises `PolicyRefused`."""
        for one in lock:
            count = len(one.conda) + len(one.wheels)
            if self.packages is not None and count > self.packages:
                raise PolicyRefused(
                    f"The environment needs {count:,} packages for {one.platform}; {self.packages:,} are allowed here. "
                    "Ask for less in one environment, or let an administrator raise the limit."
                )

    def check_download(self, size: int, platform: str) -> None:
        """Refuse to fetch too much. Raises `PolicyRefused`."""
        if self.download_bytes is not None and size > self.download_bytes:
            raise PolicyRefused(
                f"{size:,} bytes would have to be fetched for {platform}; {self.download_bytes:,} are allowed here. "
                "Ask for less in one environment, or let an administrator raise the limit."
            )


@dataclass(frozen=True)
class JobSettings:
    """All that a worker in another process needs to know; it can be pickled.

    `base_images` is as for `BaseImages`; `build_artifacts` are made after every build, others on request.
    """

    database_url: str
    store_directory: Path
    prefix_directory: Path
    environments_directory: Path
    policy: ChannelPolicy = field(default_factory=ChannelPolicy)
    base_images: Mapping[str, str] | str | None = None
    build_artifacts: tuple[ArtifactType, ...] = DEFAULT_ARTIFACTS
    compression: Compression = GZIP
    layer_budget: int = DEFAULT_BUDGET
    lease_seconds: float = 20.0
    limits: Limits = field(default_factory=Limits)

    @property
    def places(self) -> Places:
        """Where prefixes and the links to them stand."""
        return Places(self.prefix_directory.absolute(), self.environments_directory.absolute())


@dataclass(frozen=True)
class Subject:
    """One build, as far as its worker must know it. `prefix` is None for an image on demand, which has none."""

    build_id: int
    namespace: str
    environment: str
    source: bytes
    is_lockfile: bool
    build_key: str
    short_key: str
    prefix: Path | None

    def key(self, file_name: str) -> str:
        """Where one of its files lies in the storage."""
        return artifact_key(self.build_id, file_name)


def read_subject(session: Session, build_id: int, places: Places) -> Subject:
    """The subject of a build that exists."""
    build = session.get_one(BuildRow, build_id)
    specification, environment = build.specification, build.environment
    named = (specification.sha256, build.scheduled_on, build.id, environment.name)
    namespace = environment.namespace.name
    short = short_key(*named)
    return Subject(
        build_id=build.id,
        namespace=namespace,
        environment=environment.name,
        source=specification.source.encode(),
        is_lockfile=specification.is_lockfile,
        build_key=build_key(*named),
        short_key=short,
        prefix=None if namespace == DYNAMIC else places.prefix(namespace, short),
    )
