"""Fetches wheels with pip and reads what they say about themselves (binary distribution format 1.0)."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import parse_wheel_filename

from conda_store.errors import FetchFailed

# manylinux platforms, newest first, whose wheels a current distribution runs.
MANYLINUX = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_24")
MANYLINUX_OLD = ("manylinux_2_17", "manylinux2014")


@dataclass(frozen=True)
class Wheel:
    """A wheel on disk. Its name and version are normalised (PEP 503, PEP 440)."""

    path: Path

    @cached_property
    def name(self) -> str:
        return str(parse_wheel_filename(self.path.name)[0])

    @cached_property
    def version(self) -> str:
        return str(parse_wheel_filename(self.path.name)[1])

    @cached_property
    def is_pure(self) -> bool:
        """Whether the wheel runs with any Python 3 on any platform."""
        tags = parse_wheel_filename(self.path.name)[3]
        return all(tag.platform == "any" and tag.interpreter.startswith("py") for tag in tags)

    @cached_property
    def contents(self) -> dict[str, tuple[bytes, bool]]:
        """Every file by its path in the wheel: content, and whether it is executable."""
        with zipfile.ZipFile(self.path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            return {m.filename: (archive.read(m), bool(m.external_attr >> 16 & 0o111)) for m in members}

    @cached_property
    def dist_info(self) -> str:
        """The name of the wheel's `.dist-info` directory."""
        with zipfile.ZipFile(self.path) as archive:
            names = [name.partition("/")[0] for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        if not names:
            raise FetchFailed(f"{self.path.name} has no METADATA: it is no wheel. Remove it and fetch it again.")
        return names[0]

    @cached_property
    def metadata(self) -> Message:
        with zipfile.ZipFile(self.path) as archive:
            return Parser().parsestr(archive.read(f"{self.dist_info}/METADATA").decode())

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        return tuple(Requirement(text) for text in self.metadata.get_all("Requires-Dist", []))

    @cached_property
    def requires_python(self) -> SpecifierSet:
        return SpecifierSet(self.metadata.get("Requires-Python", ""))


def download_wheels(requirements: Sequence[str], directory: Path, machine: str | None = None) -> list[Wheel]:
    """Fetch the wheels of `requirements` and of all that they need into `directory` with pip, newest versions first.

    `machine` (such as `aarch64`) asks for a Linux machine other than this one. pip's own configuration (index,
    proxy, cache) applies. Raises FetchFailed with what pip said.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--only-binary", ":all:", "--dest", str(directory)]
    if machine is not None:
        command += [f"--platform={platform}_{machine}" for platform in (*MANYLINUX, *MANYLINUX_OLD)]
    directory.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False)
    if done.returncode:
        raise FetchFailed(_pip_failed(requirements, done.stderr))
    return [Wheel(path) for path in sorted(directory.glob("*.whl"))]


def _pip_failed(requirements: Sequence[str], said: str) -> str:
    if "No module named pip" in said:
        return f"{sys.executable} has no pip, which fetches the wheels. Install it: {sys.executable} -m ensurepip"
    errors = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()[-3:]
    return (
        f"pip could not fetch {', '.join(requirements)}:\n  "
        + "\n  ".join(errors)
        + "\nCheck that pip reaches its package index (`pip config list` shows which one) and try again."
    )
