"""What all measurements work with: the sample channel, a base image, a store of their own, and environments in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.timing import Cost, cost_of
from conda_store.builds.environment import Environment
from conda_store.builds.prefix import make_prefix
from conda_store.builds.workshop import Workshop
from conda_store.demo.base_image import make_base_image
from conda_store.demo.sample_channel import FIVE, SEVENTY, make_sample_channel
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.locked import PlatformLock
from conda_store.pieces.bytecode import machine_platform
from conda_store.pieces.layer import PREFIX
from conda_store.registry.base import BaseImage, BaseImages
from conda_store.registry.images import Image, ImageMaker
from conda_store.specification import Specification
from conda_store.storage.base import Storage
from conda_store.storage.scratch import exclusive

# Enough to see that everything runs, and no more to fetch and compile than that needs.
QUICK = ("python", "requests")


@dataclass(frozen=True)
class Subject:
    """An environment to measure with: what was asked for, and the solution for this machine."""

    specification: Specification
    lock: PlatformLock

    @property
    def size(self) -> int:
        """Number of packages."""
        return len(self.lock.conda)


class Workbench:
    """`cache` keeps channel and base image between runs; everything else is made below `scratch`."""

    def __init__(self, cache: Path, scratch: Path, *, rounds: int, quick: bool, report: Callable[[str], None]) -> None:
        self.cache, self.scratch, self.rounds, self.quick, self.report = cache, scratch, rounds, quick, report
        self.channel = make_sample_channel(cache / "sample-channel", report)
        self.workshop = self.new_workshop("store")
        self.platform = machine_platform()
        wanted = {"small": QUICK} if quick else {"five": FIVE, "seventy": SEVENTY}
        self.subjects = [self.solve(name, dependencies) for name, dependencies in wanted.items()]

    @property
    def largest(self) -> Subject:
        """The subject with the most packages."""
        return max(self.subjects, key=lambda subject: subject.size)

    def new_workshop(self, name: str) -> Workshop:
        """An empty store below the scratch directory."""
        return Workshop(self.scratch / name, ChannelPolicy().with_channels([self.channel]))

    def solve(self, name: str, dependencies: Sequence[str]) -> Subject:
        """A subject of these requirements."""
        specification = Specification(name, dependencies=tuple(dependencies))
        channels = self.workshop.policy.channels_for(specification)
        return Subject(specification, self.workshop.solver.solve(dependencies, channels, self.platform))

    def environment(self, subject: Subject, workshop: Workshop | None = None) -> Environment:
        """The subject's packages, fetched, checked and settled."""
        chosen = workshop or self.workshop
        return Environment(chosen, subject.lock, chosen.packages.ensure(subject.lock.conda), {})

    def prefix(self, subject: Subject, environment: Environment, folder: str) -> Path:
        """An installed prefix of the subject, with bytecode, in a folder of the scratch directory."""
        prefix = self.scratch / folder / subject.specification.name
        prefix.parent.mkdir(exist_ok=True)
        make_prefix(
            prefix,
            subject.specification,
            self.platform,
            environment.stored,
            environment.ownership,
            environment.python,
            environment.compiled(str(prefix)),
        )
        return prefix

    def base(self, storage: Storage) -> BaseImage:
        """The base image, brought into `storage`."""
        with exclusive(self.cache / "base-image.lock"):
            layout = make_base_image(self.cache / "base-image", self.platform)
        return BaseImages(storage, sources=f"oci:{layout}").resolve(self.platform)

    def image(self, specification: Specification, environment: Environment, base: BaseImage) -> Image:
        """The environment's image, in its workshop's storage."""
        return ImageMaker(environment.workshop.storage).make(
            specification,
            self.platform,
            environment.ownership,
            environment.python,
            base,
            runnable=environment.runnable,
            compile_all=partial(environment.compiled, PREFIX),
        )

    def cost_in_new_place(self, work: Callable[[Path], object]) -> Cost:
        """What it costs to make something at a path where nothing is; it is removed afterwards, uncounted."""
        place = self.scratch / "turn"
        try:
            return cost_of(lambda: work(place))
        finally:
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
