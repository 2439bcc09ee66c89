"""The packages of one platform, fetched, checked and settled: what prefix, archive and image are arranged from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from conda_store.builds.workshop import Workshop
from conda_store.packages.check import check_set
from conda_store.packages.contents import Contents, Python, python_of
from conda_store.packages.fetch import StoredPackage
from conda_store.packages.installer import link_order
from conda_store.packages.locked import CondaPackage, PlatformLock
from conda_store.packages.ownership import Ownership, settle
from conda_store.pieces.bytecode import Bytecode, compile_relocated, runnable
from conda_store.pieces.layer import CompiledSet
from conda_store.storage.scratch import scratch_directory


def find_python(stored: Mapping[CondaPackage, StoredPackage]) -> Python | None:
    """The python of a set of packages, if it has one."""
    for package, item in stored.items():
        if package.name == "python":
            return python_of(item.summary["index"], package.sha256)
    return None


class Environment:
    """One platform's packages, in the order in which they are linked.

    Raises `PackageRefused` for packages that contradict each other.
    """

    def __init__(
        self,
        workshop: Workshop,
        lock: PlatformLock,
        stored: Mapping[CondaPackage, StoredPackage],
        wheels: Mapping[str, Contents],
    ) -> None:
        self.workshop = workshop
        self.platform = lock.platform
        self.runnable = runnable(lock.platform)
        self.python = find_python(stored)
        self.by_package = dict(stored)
        self.stored = link_order(list(stored.values()))
        self.origins = {package.sha256: package for package in stored}
        placed = [item.contents(self.python) for item in self.stored]
        placed += [wheels[wheel.sha256] for wheel in lock.wheels]
        check_set(placed)
        self.ownership: Ownership = settle(placed, self.python)
        self.compiled_count = 0

    @property
    def link_scripts(self) -> list[str]:
        """`package: script` of every link script that is not run."""
        return [f"{package.stem}: {script}" for package in self.ownership.order for script in package.link_scripts]

    @cached_property
    def interpreter(self) -> Path | None:
        """A python to compile with; None where there is none or this machine cannot run it."""
        if self.python is None or not self.runnable:
            return None
        return self.workshop.toolchains.interpreter(self.by_package, self.python, self.platform)

    @cached_property
    def bytecode(self) -> Mapping[str, Bytecode]:
        """The shared bytecode of every package, by its key."""
        if self.python is None or self.interpreter is None:
            return {}
        packages = [package for package in self.ownership.order if package.has_modules]
        pieces, self.compiled_count = self.workshop.bytecode.ensure(packages, self.python, self.interpreter)
        return pieces

    def compiled(self, prefix: str) -> CompiledSet:
        """All bytecode for a prefix at `prefix`."""
        if self.python is None or self.interpreter is None:
            return CompiledSet(self.runnable and self.python is not None)
        packages = [package for package in self.ownership.order if package.has_modules]
        with scratch_directory(self.workshop.scratch) as scratch:
            relocated = compile_relocated(packages, self.python, prefix, self.interpreter, scratch)
        return CompiledSet(True, self.bytecode, relocated)
