"""One build from start to end: read, solve, fetch, check, and arrange what was asked for.

Where a build runs, and who asked for it, is not known here. Parts that only some builds need (conda-lock's
models, conda-pack, the registry client) are imported when they are: importing them takes longer than a warm build.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conda_store.builds.environment import Environment, find_python
from conda_store.builds.lockfile import is_lockfile, parse_lockfile
from conda_store.builds.prefix import check_place, make_prefix
from conda_store.builds.progress import Progress, StageResult, Stages
from conda_store.builds.workshop import Workshop
from conda_store.errors import BadInput
from conda_store.packages.fetch import StoredPackage
from conda_store.packages.locked import CondaPackage, Lock, PlatformLock
from conda_store.packages.pip import lock_wheels, provided_distributions
from conda_store.packages.submission import read_specification
from conda_store.packages.virtual import virtual_packages
from conda_store.pieces.compression import GZIP, Compression
from conda_store.pieces.grouping import DEFAULT_BUDGET
from conda_store.pieces.layer import PREFIX
from conda_store.specification import Specification

if TYPE_CHECKING:
    from conda_store.builds.archive import Archive
    from conda_store.registry.images import Image


@dataclass(frozen=True)
class BuildRequest:
    """What to build, and which artifacts to leave where.

    `source` is an `environment.yaml` or a lockfile; `platforms` narrows or replaces the specification's own;
    paths are absolute. `base_images` is as for `BaseImages`, None for the default.
    """

    source: bytes
    default_name: str | None = None
    platforms: tuple[str, ...] = ()
    prefix: Path | None = None
    lock: Path | None = None
    archive: Path | None = None
    oci: Path | None = None
    base_images: Mapping[str, str] | str | None = None
    compression: Compression = GZIP
    layer_budget: int = DEFAULT_BUDGET


@dataclass(frozen=True)
class BuildResult:
    """What a build was of, and what it left."""

    specification: Specification
    lock: Lock
    stages: tuple[StageResult, ...]
    images: tuple[Image, ...] = ()
    image_digest: str | None = None
    archive: Archive | None = None


@dataclass
class Build:
    """One build. `machine` is the platform of this machine, for which prefixes can be made."""

    workshop: Workshop
    request: BuildRequest
    machine: str
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.stages = Stages(self.progress)

    def run(self) -> BuildResult:
        """Do it; returns when every artifact that was asked for is whole."""
        if self.request.prefix:
            check_place(self.request.prefix)
        specification, lock = self._read()
        if lock is None:
            lock = self._lock(specification)
        self._check_targets(lock)
        if self.request.lock:
            self._write_lock(self.request.lock, lock, specification)
        if not (self.request.prefix or self.request.archive or self.request.oci):
            return BuildResult(specification, lock, tuple(self.stages.results))
        environments = self._environments(lock)
        self._make_prefix(specification, environments)
        archive = self._make_archive(specification, environments)
        images, digest = self._make_images(specification, environments)
        return BuildResult(specification, lock, tuple(self.stages.results), images, digest, archive)

    def _read(self) -> tuple[Specification, Lock | None]:
        request = self.request
        with self.stages.stage("read") as notes:
            if is_lockfile(request.source):
                lock, specification = parse_lockfile(
                    request.source, policy=self.workshop.policy, default_name=request.default_name
                )
                lock = narrowed(lock, request.platforms)
                notes.append(f"{specification.name} from a lockfile for {', '.join(lock.platforms)}")
                return specification, lock
            parsed = read_specification(request.source, self.workshop.policy, default_name=request.default_name)
            for warning in parsed.warnings:
                self.progress.warn(str(warning))
            notes.append(parsed.specification.name)
        return parsed.specification, None

    def _lock(self, specification: Specification) -> Lock:
        platforms = self.request.platforms or specification.platforms or (self.machine,)
        channels = self.workshop.policy.channels_for(specification)
        with self.stages.stage("solve", len(platforms)) as notes:
            solved: dict[str, PlatformLock] = {}
            for number, platform in enumerate(platforms, 1):
                virtual = virtual_packages(platform, dict(specification.variables))
                dependencies = [self.workshop.policy.resolved(text) for text in specification.dependencies]
                solved[platform] = self.workshop.solver.solve(dependencies, channels, platform, virtual=virtual)
                self.progress.advance("solve", number)
            notes += [f"{len(one.conda)} packages for {one.platform}" for one in solved.values()]
        if specification.pip:
            solved = {platform: self._lock_wheels(specification, one) for platform, one in solved.items()}
        return Lock(tuple(channels), solved)

    def _lock_wheels(self, specification: Specification, solved: PlatformLock) -> PlatformLock:
        stored = self._fetch(solved)
        with self.stages.stage(f"solve pip {solved.platform}") as notes:
            python = find_python(stored)
            if python is None:
                raise BadInput(
                    "The specification has a pip section, but no python: add python and pip to 'dependencies'."
                )
            wheels = lock_wheels(
                specification.pip,
                platform=solved.platform,
                python_version=python.version,
                provided=provided_distributions([item.contents(python) for item in stored.values()]),
                cache_directory=self.workshop.directory / "uv",
            )
            notes.append(f"{len(wheels)} wheels")
        return PlatformLock(solved.platform, solved.conda, tuple(wheels))

    def _check_targets(self, lock: Lock) -> None:
        have = ", ".join(lock.platforms)
        if self.request.prefix and self.machine not in lock.platforms:
            raise BadInput(
                f"A prefix can only be made for this machine ({self.machine}), but the lock is for {have}. "
                f"Add --platform {self.machine}, or leave --prefix out."
            )
        if self.request.archive and self.machine not in lock.platforms and len(lock.platforms) > 1:
            raise BadInput(f"An archive holds one platform, the lock is for {have}: choose one with --platform.")

    def _write_lock(self, path: Path, lock: Lock, specification: Specification) -> None:
        from conda_store.builds.lockfile import lockfile_text

        with self.stages.stage("lock") as notes:
            write_whole(path, lockfile_text(lock, specification).encode())
            notes.append(str(path))

    def _environments(self, lock: Lock) -> dict[str, Environment]:
        wanted = set(lock.platforms) if self.request.oci else {self._archive_platform(lock)}
        if self.request.prefix:
            wanted.add(self.machine)
        environments = {}
        for one in lock:
            if one.platform not in wanted:
                continue
            stored = self._fetch(one)
            python = find_python(stored)
            wheels = {}
            if one.wheels:
                if python is None:
                    raise BadInput(f"The lock has wheels for {one.platform}, but no python.")
                with self.stages.stage(f"wheels {one.platform}", len(one.wheels)) as notes:
                    wheels = self.workshop.wheels.ensure(one.wheels, python, one.platform)
                    notes.append(f"{len(one.wheels)} wheels")
            with self.stages.stage(f"check {one.platform}") as notes:
                environments[one.platform] = environment = Environment(self.workshop, one, stored, wheels)
                notes.append(f"{sum(len(package.paths) for package in environment.ownership.order):,} files")
            for script in environment.link_scripts:
                self.progress.warn(f"Not run, as it would execute the channel's code: {script}")
        return environments

    def _fetch(self, lock: PlatformLock) -> dict[CondaPackage, StoredPackage]:
        missing = self.workshop.packages.missing(lock.conda)
        name = f"fetch {lock.platform}"
        with self.stages.stage(name, sum(package.size or 0 for package in missing)) as notes:
            received: dict[CondaPackage, int] = {}

            def progress(package: CondaPackage, received_bytes: int, done: bool) -> None:
                received[package] = received_bytes
                self.progress.advance(name, sum(list(received.values())))

            stored = self.workshop.packages.ensure(lock.conda, progress)
            notes += [f"{len(missing)} fetched", f"{len(stored) - len(missing)} reused"]
        return stored

    def _make_prefix(self, specification: Specification, environments: Mapping[str, Environment]) -> None:
        prefix = self.request.prefix
        if prefix is None:
            return
        environment = environments[self.machine]
        with self.stages.stage("compile") as notes:
            compiled = environment.compiled(str(prefix))
            notes += [
                f"{environment.compiled_count} packages compiled",
                f"{len(environment.bytecode) - environment.compiled_count} reused",
            ]
        with self.stages.stage("link") as notes:
            make_prefix(
                prefix,
                specification,
                self.machine,
                environment.stored,
                environment.ownership,
                environment.python,
                compiled,
            )
            notes.append(str(prefix))

    def _archive_platform(self, lock: Lock) -> str:
        return self.machine if self.machine in lock.platforms else next(iter(lock.platforms))

    def _make_archive(self, specification: Specification, environments: Mapping[str, Environment]) -> Archive | None:
        path = self.request.archive
        if path is None:
            return None
        from conda_store.builds.archive import ArchiveMaker, compression_for

        environment = environments.get(self.machine) or next(iter(environments.values()))
        with self.stages.stage("archive") as notes:
            maker = ArchiveMaker(self.workshop.storage, compression_for(path))
            archive = maker.make(
                specification,
                environment.ownership,
                environment.python,
                environment.origins,
                runnable=environment.runnable,
                compile_shared=lambda: environment.bytecode,
            )
            archive.write(self.workshop.storage, path)
            notes += [f"{archive.made} members made", f"{len(archive.parts) - 1 - archive.made} reused"]
        return archive

    def _make_images(
        self, specification: Specification, environments: Mapping[str, Environment]
    ) -> tuple[tuple[Image, ...], str | None]:
        if self.request.oci is None:
            return (), None
        from conda_store.registry.base import DEFAULT_BASE_IMAGE, BaseImages
        from conda_store.registry.images import ImageMaker, ImageSettings
        from conda_store.registry.layout import write_layout

        settings = ImageSettings(self.request.compression, self.request.layer_budget)
        maker = ImageMaker(self.workshop.storage, settings)
        bases = BaseImages(
            self.workshop.storage,
            sources=self.request.base_images or DEFAULT_BASE_IMAGE,
            report=self.progress.warn,
        )
        images = []
        for platform, environment in environments.items():
            with self.stages.stage(f"base {platform}") as notes:
                base = bases.resolve(platform)
                notes.append(base.name)
            with self.stages.stage(f"image {platform}") as notes:
                image = maker.make(
                    specification,
                    platform,
                    environment.ownership,
                    environment.python,
                    base,
                    runnable=environment.runnable,
                    compile_all=partial(environment.compiled, PREFIX),
                )
                images.append(image)
                made = sum(layer.made for layer in image.layers)
                notes += [f"{made} layers made", f"{len(image.layers) - made} reused"]
        with self.stages.stage("layout") as notes:
            descriptor = maker.index(images)
            write_layout(self.request.oci, self.workshop.storage, [descriptor.named("latest")])
            notes.append(descriptor.digest)
        return tuple(images), descriptor.digest


def narrowed(lock: Lock, platforms: tuple[str, ...]) -> Lock:
    """`lock` for `platforms` only (all when empty); raises `BadInput` for one that it has not."""
    for platform in platforms:
        if platform not in lock.platforms:
            raise BadInput(f"The lockfile has no packages for {platform}, only for {', '.join(lock.platforms)}.")
    chosen = platforms or tuple(lock.platforms)
    return Lock(lock.channels, {platform: lock.platforms[platform] for platform in chosen})


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.conda-store")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)
