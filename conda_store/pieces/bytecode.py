"""Bytecode as a piece: the compiled modules of one package for one python, made once and linked ever after.

Keyed by the package, the python package and the format; compiled by one fresh, isolated `python` for each package over
its sorted files, because a module compiled in another company can differ by a bit. The pyc files are
hash-based and unchecked, so no time and no path stands in them: **an edit to a `.py` file in a prefix is
ignored by python** until its pyc is removed.

Modules whose package brings bytecode keep it. Modules that hold the prefix cannot share any: they are compiled for
each prefix (`compile_relocated`), and archives have none for them. For a platform that this machine
cannot run, none is made.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from conda_store.errors import CondaStoreError
from conda_store.packages.contents import Contents, PlacedFile, Python
from conda_store.packages.ownership import library_of, pyc_target
from conda_store.packages.relocation import relocate
from conda_store.storage.scratch import exchange, exclusive, scratch_directory
from conda_store.storage.uses import use

FORMAT_VERSION = 1
PIECE_MODE = 0o444
_COMPILER = Path(__file__).with_name("compile_modules.py")
_TIMEOUT_SECONDS = 1800


def runnable(subdir: str) -> bool:
    """Whether this machine can run programs of the conda platform `subdir`."""
    return subdir == machine_platform()


def machine_platform() -> str:
    """This machine's conda platform, such as `linux-64`."""
    system = {"linux": "linux", "darwin": "osx", "win32": "win"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    names = {"x86_64": "64", "amd64": "64", "arm64": "arm64" if system == "osx" else "aarch64"}
    return f"{system}-{names.get(machine, machine)}"


@dataclass(frozen=True)
class ModulePlan:
    """A package's modules by what happens to their bytecode.

    `shared`: compiled once; `relocated`: hold the prefix, compiled for each prefix; `stale`: targets of pyc
    files that the package brings for relocated modules, which no python would accept.
    """

    shared: tuple[PlacedFile, ...]
    relocated: tuple[PlacedFile, ...]
    stale: frozenset[str]


def plan_modules(package: Contents, python: Python) -> ModulePlan:
    """Sort the modules of `package` that python can import from its library folder."""
    library = library_of(python)
    targets = {file.target for file in package.files}
    shared, relocated, stale = [], [], set()
    for file in package.files:
        if not file.target.endswith(".py") or not file.target.startswith(library) or file.link_target is not None:
            continue
        pyc = pyc_target(file.target, python)
        if file.placeholder is not None:
            relocated.append(file)
            if pyc in targets:
                stale.add(pyc)
        elif pyc not in targets:
            shared.append(file)
    return ModulePlan(tuple(shared), tuple(relocated), frozenset(stale))


@dataclass(frozen=True)
class Bytecode:
    """Compiled modules of one package: pyc files by target below `directory`, with their sizes in bytes."""

    directory: Path | None
    files: tuple[tuple[str, int], ...] = field(default=(), repr=False)


class BytecodeMaker:
    """Makes and finds bytecode pieces below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def key(self, package: Contents, python: Python) -> str:
        """What a package's bytecode depends on, as a hex digest."""
        parts = [f"bytecode-{FORMAT_VERSION}", package.key, python.sha256, python.site_packages]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def ensure(
        self, packages: Sequence[Contents], python: Python, interpreter: Path
    ) -> tuple[dict[str, Bytecode], int]:
        """Bytecode of every package by its key, and how many had to be made.

        `interpreter` is a runnable python of the package `python.sha256`.
        """
        known = {package.key: self._find(self._directory(package, python)) for package in packages}
        missing = [package for package in packages if known[package.key] is None]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            # Large packages first: the last one to finish decides how long all take.
            largest_first = sorted(missing, key=lambda package: -len(package.files))
            made = pool.map(lambda package: self._make(package, python, interpreter), largest_first)
            known |= {package.key: piece for package, piece in zip(largest_first, made, strict=True)}
        return {key: piece for key, piece in known.items() if piece is not None}, len(missing)

    def _directory(self, package: Contents, python: Python) -> Path:
        key = self.key(package, python)
        return self.root / key[:2] / key

    def _find(self, directory: Path) -> Bytecode | None:
        """The piece in `directory`; None when there is none, or its list was damaged since it was written."""
        try:
            use(self.root, directory)
            rows = json.loads((directory / "files.json").read_bytes())
            return Bytecode(directory / "pyc", tuple((target, size) for target, size in rows))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _make(self, package: Contents, python: Python, interpreter: Path) -> Bytecode:
        final = self._directory(package, python)
        with exclusive(self.root / "locks" / f"{final.name[:3]}.lock"):
            if (known := self._find(final)) is not None:
                return known
            with scratch_directory(self.root / "tmp") as scratch:
                whole = scratch / "whole"
                modules = plan_modules(package, python).shared
                jobs = [
                    (str(file.source), file.target, pyc_target(file.target, python)) for file in modules if file.source
                ]
                rows = _compile(jobs, whole / "pyc", interpreter, package.stem)
                (whole / "files.json").write_text(json.dumps(rows, separators=(",", ":")))
                final.parent.mkdir(parents=True, exist_ok=True)
                exchange(whole, final)
        return Bytecode(final / "pyc", tuple(rows))


def compile_relocated(
    packages: Sequence[Contents], python: Python, prefix: str, interpreter: Path, scratch: Path
) -> dict[str, dict[str, bytes]]:
    """Bytecode for modules that hold the prefix, as they are at `prefix`: package key → pyc target → bytes."""
    result: dict[str, dict[str, bytes]] = {}
    for package in packages:
        if not any(file.placeholder is not None and file.target.endswith(".py") for file in package.files):
            continue
        jobs = []
        for number, file in enumerate(plan_modules(package, python).relocated):
            source = scratch / f"{package.key}-{number}.py"
            source.write_bytes(relocate(file, prefix))
            jobs.append((str(source), file.target, pyc_target(file.target, python)))
        output = scratch / f"{package.key}-pyc"
        rows = _compile(jobs, output, interpreter, package.stem)
        result[package.key] = {target: (output / target).read_bytes() for target, _ in rows}
    return result


def _compile(
    jobs: Sequence[tuple[str, str, str]], output: Path, interpreter: Path, label: str
) -> list[tuple[str, int]]:
    """Compile `(source, name, pyc target)` below `output`; returns (target, size) of what could be compiled."""
    output.mkdir(parents=True)
    if not jobs:
        return []
    for folder in {(output / target).parent for _, _, target in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
    work = [(source, name, str(output / target)) for source, name, target in sorted(jobs, key=lambda job: job[1])]
    done = _run(work, interpreter)
    if done.returncode == -signal.SIGKILL:
        # Somebody or a full memory chose this process instead of ours: what it does may be done twice.
        done = _run(work, interpreter)
    if done.returncode:
        raise CondaStoreError(f"{label}: its modules could not be compiled by {interpreter}: {_reason(done)}")
    rows = []
    for _, _, target in work:
        path = Path(target)
        if path.exists():
            path.chmod(PIECE_MODE)
            rows.append((path.relative_to(output).as_posix(), path.stat().st_size))
    return rows


def _run(work: list[tuple[str, str, str]], interpreter: Path) -> subprocess.CompletedProcess[bytes]:
    # Channel code runs here: nothing of this process's environment is handed to it.
    return subprocess.run(
        [interpreter, "-I", "-S", _COMPILER],
        input=json.dumps(work).encode(),
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        return f"it was ended by {signal.Signals(-done.returncode).name}, perhaps for want of memory"
    return done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
