"""An archive becomes an environment where it lies: unpacked, then its own conda-unpack writes its place into it.

No HTTP here, and nothing of the cache.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zlib
from contextlib import suppress
from pathlib import Path

from conda_store.errors import BadInput, CondaStoreError

#: Packages have room for a path of so many bytes (conda's placeholder).
LONGEST_PREFIX_BYTES = 255


class ArchiveDamaged(CondaStoreError):
    """An archive that cannot be unpacked, or does not become an environment."""

    status = 502
    code = "archive_damaged"


def unpack(archive: Path, prefix: Path) -> None:
    """Make the environment of a tar.gz at `prefix`. Raises `ArchiveDamaged`."""
    try:
        with tarfile.open(archive, "r:gz") as members:
            members.extractall(prefix, filter="tar")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ArchiveDamaged(f"The archive of the build cannot be unpacked ({error}): try again.") from error
    program = prefix / "bin" / "conda-unpack"
    if not (prefix / "bin" / "activate").is_file():
        raise ArchiveDamaged("The archive of the build holds no bin/activate: it is no packed environment.")
    if program.is_file():
        _fix_paths(program)


def check_length(prefix: Path) -> None:
    """Raises `BadInput` when programs in packages have no room for the path of their prefix."""
    length = len(os.fsencode(prefix))
    if length > LONGEST_PREFIX_BYTES:
        raise BadInput(
            f"The path {prefix} has {length} bytes, and packages have room for {LONGEST_PREFIX_BYTES}: "
            "name a shorter directory with XDG_CACHE_HOME."
        )


def remove_tree(path: Path) -> None:
    """Remove a directory, also when packages made parts of it read-only; what another user owns stays."""
    for directory, _, _ in os.walk(path):
        with suppress(OSError):
            Path(directory).chmod(stat.S_IRWXU)
    shutil.rmtree(path, ignore_errors=True)


def _fix_paths(program: Path) -> None:
    # By this python, as the environment may have none; not with -I, since it imports what lies beside it.
    command = [sys.executable, "-E", "-s", "-B", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason"]
        if "padding" in said[-1].lower():
            raise BadInput(f"A package has no room for the path {program.parents[1]}: name a shorter XDG_CACHE_HOME.")
        raise ArchiveDamaged(f"conda-unpack of this build ended with status {done.returncode}: {said[-1]}")
