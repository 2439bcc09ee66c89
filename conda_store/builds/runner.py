"""One build from start to end: read, solve, fetch, check, and arrange what was asked for.

Where a build runs, and who asked for it, is not known here. Parts that only some builds need (conda-lock's
models, conda-pack, the registry client) are imported when they are: importing them takes longer than a warm build.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conda_store.builds.environment import Environment, find_python
from conda_store.builds.lockfile import is_lockfile
from conda_store.builds.locking import Locker
from conda_store.builds.prefix import make_prefix
from conda_store.builds.progress import Progress, Stages
from conda_store.builds.request import BuildRequest, BuildResult
from conda_store.builds.workshop import Workshop
from conda_store.errors import BadInput
from conda_store.packages.contents import Contents, Python
from conda_store.packages.fetch import StoredPackage
from conda_store.packages.locked import CondaPackage, Lock, PlatformLock
from conda_store.pieces.compression import Compression, compression_for
from conda_store.pieces.layer import PREFIX
from conda_store.registry.settings import DEFAULT_BASE_IMAGE
from conda_store.specification import Specification

if TYPE_CHECKING:
    from conda_store.builds.archive import Archive
    from conda_store.registry.base import BaseImages
    from conda_store.registry.images import Image, ImageMaker
    from conda_store.registry.manifests import Descriptor

__all__ = ["Build", "BuildRequest", "BuildResult"]


@dataclass
class Build:
    """One build. `machine` is the platform of this machine, for which prefixes can be made."""

    workshop: Workshop
    request: BuildRequest
    machine: str
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.stages = Stages(self.progress)
        self._stored: dict[str, dict[CondaPackage, StoredPackage]] = {}

    def run(self) -> BuildResult:
        """Do it; returns when every artifact that was asked for is whole."""
        self.request.check_places()
        specification, lock = self.lock()
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

    def lock(self) -> tuple[Specification, Lock]:
        """Read what is asked for and solve it, or take it from a lockfile."""
        return Locker(self.workshop, self.request, self.machine, self.stages, self._fetch).lock()

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
        return {one.platform: self.environment(one) for one in lock if one.platform in wanted}

    def environment(self, lock: PlatformLock) -> Environment:
        """The packages of one platform, fetched and checked."""
        stored = self._fetch(lock)
        wheels = self._fetch_wheels(lock, stored) if lock.wheels else {}
        with self.stages.stage(f"check {lock.platform}") as notes:
            environment = Environment(self.workshop, lock, stored, wheels)
            self._check_licenses(lock, stored)
            notes.append(f"{sum(len(package.paths) for package in environment.ownership.order):,} files")
        for script in environment.link_scripts:
            self.progress.warn(f"Not run, as it would execute the channel's code: {script}")
        return environment

    def _check_licenses(self, lock: PlatformLock, stored: Mapping[CondaPackage, StoredPackage]) -> None:
        if not self.request.packages.denied_licenses:
            return
        said = {package: str(item.summary["index"].get("license") or "") for package, item in stored.items()}
        self.request.packages.check_licenses(said, lock)

    def _fetch_wheels(self, lock: PlatformLock, stored: Mapping[CondaPackage, StoredPackage]) -> Mapping[str, Contents]:
        python = find_python(stored)
        if python is None:
            raise BadInput(f"The lock has wheels for {lock.platform}, but no python.")
        with self.stages.stage(f"wheels {lock.platform}", len(lock.wheels)) as notes:
            notes.append(f"{len(lock.wheels)} wheels")
            if is_lockfile(self.request.source):
                self._check_wheels(lock, python)
            return self.workshop.wheels.ensure(lock.wheels, python, lock.platform)

    def _check_wheels(self, lock: PlatformLock, python: Python) -> None:
        """Refuse wheels of a lockfile that are neither the package index's own nor allowed by the policy.

        What came from the same URL was looked up then: a lockfile can be built again without a network.
        """
        unverified = self.workshop.wheels.unverified(lock.wheels, python)
        if not unverified:
            return
        from conda_store.packages.pip_index import check_on_index

        check_on_index(
            unverified,
            platform=lock.platform,
            python_version=python.version,
            cache_directory=self.workshop.directory / "uv",
            check_url=partial(self.workshop.policy.check_url, kind="pip"),
            index_urls=self.workshop.policy.indexes_for(()),
            gate=self.workshop.indexes,
        )

    def _fetch(self, lock: PlatformLock) -> dict[CondaPackage, StoredPackage]:
        if lock.platform in self._stored:
            return self._stored[lock.platform]
        missing = self.workshop.packages.missing(lock.conda)
        name = f"fetch {lock.platform}"
        with self.stages.stage(name, sum(package.size or 0 for package in missing)) as notes:
            received: dict[CondaPackage, int] = {}

            def progress(package: CondaPackage, received_bytes: int, done: bool) -> None:
                received[package] = received_bytes
                self.progress.advance(name, sum(list(received.values())))

            stored = self.workshop.packages.ensure(lock.conda, progress)
            notes += [f"{len(missing)} fetched", f"{len(stored) - len(missing)} reused"]
        self._stored[lock.platform] = stored
        return stored

    def _make_prefix(self, specification: Specification, environments: Mapping[str, Environment]) -> None:
        if self.request.prefix:
            self.install(specification, environments[self.machine], self.request.prefix)

    def install(
        self,
        specification: Specification,
        environment: Environment,
        prefix: Path,
        appearing: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Make the prefix; it appears inside of the context `appearing`."""
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
                appearing,
            )
            notes.append(str(prefix))

    def _archive_platform(self, lock: Lock) -> str:
        return self.machine if self.machine in lock.platforms else next(iter(lock.platforms))

    def _make_archive(self, specification: Specification, environments: Mapping[str, Environment]) -> Archive | None:
        path = self.request.archive
        if path is None:
            return None
        environment = environments.get(self.machine) or next(iter(environments.values()))
        return self.archive(specification, environment, compression_for(path), path)

    def archive(
        self, specification: Specification, environment: Environment, compression: Compression, path: Path | None = None
    ) -> Archive:
        """Arrange the archive, its members in the storage; write it to `path` when there is one."""
        from conda_store.builds.archive import ArchiveMaker

        with self.stages.stage("archive") as notes:
            archive = ArchiveMaker(self.workshop.storage, compression).make(
                specification,
                environment.ownership,
                environment.python,
                environment.origins,
                runnable=environment.runnable,
                compile_shared=lambda: environment.bytecode,
            )
            if path:
                archive.write(self.workshop.storage, path)
            notes += [f"{archive.made} members made", f"{len(archive.parts) - 1 - archive.made} reused"]
        return archive

    def _make_images(
        self, specification: Specification, environments: Mapping[str, Environment]
    ) -> tuple[tuple[Image, ...], str | None]:
        if self.request.oci is None:
            return (), None
        from conda_store.registry.layout import write_layout

        images, descriptor = self.images(specification, environments)
        with self.stages.stage("layout") as notes:
            write_layout(self.request.oci, self.workshop.storage, [descriptor.named("latest")])
            notes.append(descriptor.digest)
        return images, descriptor.digest

    def images(
        self, specification: Specification, environments: Mapping[str, Environment]
    ) -> tuple[tuple[Image, ...], Descriptor]:
        """The image of every platform, in the storage, and the descriptor of the only one or of their index."""
        from conda_store.registry.base import BaseImages
        from conda_store.registry.images import ImageMaker

        request = self.request
        maker = ImageMaker(self.workshop.storage, request.images)
        bases = BaseImages(
            self.workshop.storage,
            sources=request.base_images or DEFAULT_BASE_IMAGE,
            credentials=request.registry_access.credentials,
            insecure=request.registry_access.insecure,
            report=self.progress.warn,
        )
        images = tuple(self._image(specification, environment, maker, bases) for environment in environments.values())
        return images, maker.index(specification, images)

    def _image(
        self, specification: Specification, environment: Environment, maker: ImageMaker, bases: BaseImages
    ) -> Image:
        with self.stages.stage(f"base {environment.platform}") as notes:
            base = bases.resolve(environment.platform)
            notes.append(base.name)
        with self.stages.stage(f"image {environment.platform}") as notes:
            image = maker.make(
                specification,
                environment.platform,
                environment.ownership,
                environment.python,
                base,
                runnable=environment.runnable,
                compile_all=partial(environment.compiled, PREFIX),
            )
            made = sum(layer.made for layer in image.layers)
            notes += [f"{made} layers made", f"{len(image.layers) - made} reused"]
        return image


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
