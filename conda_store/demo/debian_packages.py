"""Fetches Debian packages with the machine's apt and reads them, without root, chroot or maintainer scripts."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from conda_store.errors import BaseImageMissing, FetchFailed

WAY_OUT = "Name a base image in c.ImageBuilder.base_image instead, or make one on a Debian machine."

# What links to nothing else: relations that are no libraries are left to the caller (`debconf`, `openssl`, ...).
LIBRARY = re.compile(r"lib[a-z0-9][a-z0-9+.-]*")


def with_libraries(packages: Sequence[str]) -> list[str]:
    """`packages` and every library package that they or those libraries depend on. Sorted."""
    found, pending = set(packages), list(packages)
    while pending:
        shown = _apt("apt-cache", ["depends", "--important", *pending], None)
        depends = re.findall(r"^ +(?:Pre)?Depends: (\S+)", shown, flags=re.MULTILINE)
        pending = sorted({name for name in depends if LIBRARY.fullmatch(name)} - found)
        found.update(pending)
    return sorted(found)


def download(packages: Sequence[str], directory: Path) -> list[Path]:
    """Fetch packages into `directory`. Raises FetchFailed with what apt said and BaseImageMissing without apt."""
    _apt("apt-get", ["download", "--quiet", *packages], directory)
    return sorted(directory.glob("*.deb"))


def members(package: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """What a package holds, as (entry, content), in the package's order. Entries' names begin with `./`."""
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise FetchFailed(f"{package.name} is damaged: {said}\nFetch it again; if that does not help, `apt-get clean`.")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for entry in archive:
            file = archive.extractfile(entry) if entry.isfile() else None
            yield entry, file.read() if file else b""


def versions(packages: Iterable[Path]) -> list[str]:
    """`name version` of every package file, from apt's file names (`name_version_architecture.deb`)."""
    parts = [package.stem.replace("%3a", ":").split("_") for package in packages]
    return [f"{name} {version}" for name, version, _ in parts]


def _apt(tool: str, arguments: Sequence[str], directory: Path | None) -> str:
    try:
        done = subprocess.run([tool, *arguments], cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BaseImageMissing(
            f"The demo's base image is made from Debian packages, but {tool} is missing. {WAY_OUT}"
        ) from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("E:")] or [done.stderr.strip()]
        raise FetchFailed(
            f"{tool} could not find or fetch a Debian package:\n  "
            + "\n  ".join(errors)
            + f"\nRun `apt-get update` and try again. {WAY_OUT}"
        )
    return done.stdout
