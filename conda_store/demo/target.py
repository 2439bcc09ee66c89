"""The platforms and the Python that the sample channel is made for."""

from __future__ import annotations

import importlib.util
import platform
import sys
from dataclasses import dataclass
from pathlib import PurePosixPath

from packaging.markers import default_environment

from conda_store.demo.bytecode_compiler import compile_sources
from conda_store.demo.conda_package import PackageFile
from conda_store.errors import BadInput

# conda's platform -> the machine's name in wheels, markers and `uname -m`.
MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}


def running_platform() -> str:
    """conda's name of the platform that this runs on. Raises BadInput where the demo cannot run."""
    for subdir, machine in MACHINES.items():
        if sys.platform == "linux" and platform.machine() == machine:
            return subdir
    here = f"{platform.system()} on {platform.machine()}"
    raise BadInput(f"The demo's channel and base image need {' or '.join(MACHINES)}, and this is {here}.")


def foreign_platform() -> str:
    """The other platform of the sample channel, which this machine does not run."""
    return next(subdir for subdir in MACHINES if subdir != running_platform())


@dataclass(frozen=True)
class Target:
    """A platform with the version of Python (major and minor, of the running one) that its packages are made for."""

    subdir: str
    python: tuple[int, int] = (sys.version_info.major, sys.version_info.minor)

    @property
    def machine(self) -> str:
        return MACHINES[self.subdir]

    @property
    def python_name(self) -> str:
        """Such as `python3.11`: the executable's and the library directory's name."""
        return f"python{self.python[0]}.{self.python[1]}"

    @property
    def site_packages(self) -> str:
        return f"lib/{self.python_name}/site-packages"

    @property
    def python_depends(self) -> str:
        """What a package with extension modules needs: this minor version and no other."""
        major, minor = self.python
        return f"python >={major}.{minor},<{major}.{minor + 1}.0a0"

    @property
    def build(self) -> str:
        return f"py{self.python[0]}{self.python[1]}_0"

    @property
    def markers(self) -> dict[str, str]:
        """The variables of PEP 508 markers on this platform."""
        here = {key: str(value) for key, value in default_environment().items()}
        return {**here, "platform_machine": self.machine, "platform_release": "", "platform_version": ""}


def bytecode_files(files: list[PackageFile]) -> list[PackageFile]:
    """The `__pycache__` entries of the modules among `files`, as conda-forge's binary packages bring them.

    Header: magic, flags 0, the source's mtime and size (PEP 552). A module that holds a placeholder gets none:
    its size changes at installation, and Python would reject the file at every start.
    """
    modules = sorted((f for f in files if f.path.endswith(".py") and f.content is not None), key=lambda f: f.path)
    modules = [file for file in modules if file.placeholder is None]
    codes = compile_sources([(file.path, file.content or b"") for file in modules])
    return [_bytecode_file(file, code) for file, code in zip(modules, codes, strict=True) if code is not None]


def _bytecode_file(module: PackageFile, code: bytes) -> PackageFile:
    numbers = (0, module.mtime, len(module.content or b""))
    header = importlib.util.MAGIC_NUMBER + b"".join(number.to_bytes(4, "little") for number in numbers)
    path = PurePosixPath(module.path)
    cached = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
    return PackageFile(str(cached), header + code, mtime=module.mtime)
