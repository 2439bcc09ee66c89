"""What a worker is told about the build that it works on, and the settings that hold for all builds. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from conda_store.builds.credentials import read_credentials
from conda_store.builds.keys import Places, artifact_key, build_key, short_key
from conda_store.builds.levels import effective
from conda_store.builds.limits import Limits
from conda_store.builds.policies import Policy, read_policy
from conda_store.builds.states import ArtifactType
from conda_store.db.orm import BuildRow
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.credentials import Credentials
from conda_store.pieces.bytecode import machine_platform
from conda_store.registry.names import DYNAMIC
from conda_store.registry.settings import ImageSettings, RegistryAccess

DEFAULT_ARTIFACTS = (
    ArtifactType.LOCKFILE,
    ArtifactType.YAML,
    ArtifactType.CONDA_PACK,
    ArtifactType.DOCKER_MANIFEST,
)


@dataclass(frozen=True)
class JobSettings:
    """All that a worker in another process needs to know; it can be pickled.

    `base_images` is as for `BaseImages`; `build_artifacts` are made after every build, others on request; `platforms`
    are those of specifications that name none. Namespaces and environments may set the latter two otherwise. Images on
    demand keep to `on_demand_limits` (packages and download only) besides `limits`.
    """

    database_url: str
    store_directory: Path
    prefix_directory: Path
    environments_directory: Path
    policy: ChannelPolicy = field(default_factory=ChannelPolicy)
    base_images: Mapping[str, str] | str | None = None
    build_artifacts: tuple[ArtifactType, ...] = DEFAULT_ARTIFACTS
    images: ImageSettings = field(default_factory=ImageSettings)
    registry_access: RegistryAccess = field(default_factory=RegistryAccess)
    lease_seconds: float = 20.0
    limits: Limits = field(default_factory=Limits)
    on_demand_limits: Limits = field(default_factory=Limits)
    platforms: tuple[str, ...] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=Credentials, repr=False)
    secret_file: Path | None = None

    @property
    def setting_options(self) -> dict[str, object]:
        """The settings that the deployment's options give (`conda_store.settings`); `rules` go over the others."""
        seconds, policy = self.limits.solve_seconds or 0, self.policy
        return {
            "conda_max_solve_time": int(seconds) if seconds == int(seconds) else seconds,
            "conda_platforms": ["noarch", machine_platform()],
            "conda_channel_alias": policy.alias,
            "conda_default_channels": list(policy.default_channels),
            "conda_allowed_channels": list(policy.allowed_channels),
            "conda_indexed_channels": list(policy.default_channels),
            "conda_solve_platforms": list(self.platforms),
            "build_artifacts": list(map(str, self.build_artifacts)),
            "image": self.images.options.as_dict(),
            **self.rules,
        }

    @property
    def places(self) -> Places:
        """Where prefixes and the links to them stand."""
        return Places(self.prefix_directory.absolute(), self.environments_directory.absolute())


@dataclass(frozen=True)
class Subject:
    """One build, as far as its worker must know it. `prefix` is None for an image on demand, which has none.

    `settings` are those that count for its environment (`conda_store.settings`), `policy` what they forbid and add.
    """

    build_id: int
    namespace: str
    environment: str
    source: bytes
    is_lockfile: bool
    build_key: str
    short_key: str
    prefix: Path | None
    settings: Mapping[str, Any]
    policy: Policy
    credentials: Credentials

    @property
    def artifacts(self) -> tuple[ArtifactType, ...]:
        """What is made right after the build."""
        return tuple(map(ArtifactType, self.settings["build_artifacts"]))

    def key(self, file_name: str) -> str:
        """Where one of its files lies in the storage."""
        return artifact_key(self.build_id, file_name)


def read_subject(session: Session, build_id: int, settings: JobSettings) -> Subject:
    """The subject of a build that exists."""
    build = session.get_one(BuildRow, build_id)
    specification, environment = build.specification, build.environment
    named = (specification.sha256, build.scheduled_on, build.id, environment.name)
    namespace = environment.namespace.name
    short = short_key(*named)
    own = read_credentials(session, environment.namespace_id, settings.secret_file)
    return Subject(
        build_id=build.id,
        namespace=namespace,
        environment=environment.name,
        source=specification.source.encode(),
        is_lockfile=specification.is_lockfile,
        build_key=build_key(*named),
        short_key=short,
        prefix=None if namespace == DYNAMIC else settings.places.prefix(namespace, short),
        settings=effective(session, environment, settings.setting_options),
        credentials=own.over(settings.credentials),
        policy=read_policy(session, environment.namespace, environment, settings.setting_options, settings.policy),
    )
