"""The files of watched folders: which there are, whether somebody is still writing them, and their bytes."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conda_store.errors import Problem, SpecificationInvalid

SUFFIXES = (".yaml", ".yml")
_LOCK_NAMES = ("conda-lock", "pixi-lock")
_OTHERS = (".", "#", "~")  # hidden files, and what editors leave beside those that they write

#: What tells one content of a file from another, without reading it.
Signature = tuple[int, ...]


@dataclass(frozen=True)
class Look:
    """What lies at one watched path. `fault` is why nobody can say; then the rest means nothing.

    `identity` tells the folder from another one at its place, `is_bare` is whether nothing at all lies in it.
    """

    root: str
    identity: str = ""
    files: tuple[Path, ...] = ()
    is_bare: bool = False
    fault: str | None = None


def is_file_of_folder(name: str) -> bool:
    """Whether a file of this name counts in a watched folder."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(_OTHERS)


def stem_of(path: Path) -> str:
    """What an environment is called whose file does not say it: `ml` for `ml.yaml` and for `ml.conda-lock.yml`."""
    stem = path.name.rpartition(".")[0]
    for name in _LOCK_NAMES:
        stem = stem.removesuffix(f".{name}") or stem
    return stem


def folder_of(root: Path) -> Path:
    """The folder that has to be watched for a path: itself, or that of a single file."""
    is_file = root.is_file() or (root.suffix.lower() in SUFFIXES and not root.is_dir())
    return root.parent if is_file else root


def identity_of(folder: Path) -> str | None:
    """What tells a folder from another one that is mounted or made at its place; None while there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return f"{found.st_dev}:{found.st_ino}" if stat.S_ISDIR(found.st_mode) else None


def look_at(root: Path) -> Look:
    """What lies at a watched path now; folders within it are not looked into."""
    folder = folder_of(root)
    identity = identity_of(folder)
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        return Look(str(root), fault=error.strerror or str(error))
    if identity is None or identity != identity_of(folder):
        return Look(str(root), fault="It was replaced in this moment")
    wanted = [name for name in names if is_file_of_folder(name)] if folder == root else [root.name]
    files = tuple(folder / name for name in wanted if name in names and not (folder / name).is_dir())
    return Look(str(root), identity, files, is_bare=not names)


def signature_of(path: Path) -> Signature:
    """Another one after every change; () for what cannot be looked at, such as a link to nowhere."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class Patience:
    """Knows which files have been as they are for `seconds`: others may still be being written."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._seen: dict[Path, tuple[Signature, float]] = {}

    def split(self, files: Sequence[Path]) -> tuple[dict[Path, Signature], set[Path]]:
        """Those that are settled, and those that are not yet."""
        settled: dict[Path, Signature] = {}
        before, self._seen = self._seen, {}
        for path, signature in self._signatures(files):
            known = before.get(path)
            since = known[1] if known and known[0] == signature else time.monotonic()
            self._seen[path] = signature, since
            # The clock of a file server may be another one; then it has to be seen twice.
            age = time.time() - signature[3] / 1e9 if signature else 0.0
            if max(age, time.monotonic() - since) >= self.seconds:
                settled[path] = signature
        return settled, set(files) - settled.keys()

    @staticmethod
    def _signatures(files: Sequence[Path]) -> Iterator[tuple[Path, Signature]]:
        return ((path, signature_of(path)) for path in files)


def read_file(path: Path, most: int) -> bytes:
    """All bytes of a file. Raises `SpecificationInvalid` for one that cannot be read or has more than `most`."""
    try:
        # A pipe that is called so would let us wait for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise SpecificationInvalid([Problem("It is no file with text: remove it, or give it another name.")])
            data = file.read(most + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SpecificationInvalid([Problem(f"It cannot be read ({reason}): check its permissions.")]) from None
    if len(data) > most:
        size = max(found.st_size, len(data))
        raise SpecificationInvalid([Problem(f"The file has {size} bytes; at most {most} are read.")])
    return data
