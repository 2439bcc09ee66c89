"""A directory that is made once, and appears whole or not at all."""

from __future__ import annotations

import fcntl
import glob
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conda_store.errors import BadInput

MARKER = "made-from.json"


def make_whole(directory: Path, recipe: dict[str, Any], make: Callable[[Path], None]) -> Path:
    """Let `make(empty)` fill a directory, then rename it to `directory`; return the absolute path.

    `recipe` (JSON) says what the content is made from: a directory with an equal one is left as it is, one with
    another is replaced. Two callers at once make it once. Whatever ends this early, an interrupt too, leaves
    `directory` as it was. Raises BadInput rather than replace a directory that this did not make.
    """
    directory = Path(directory).absolute()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _locked(directory.with_name(f".{directory.name}.lock")):
        if _made_from(directory) == recipe:
            return directory
        if directory.exists() and _made_from(directory) is None and any(directory.iterdir()):
            raise BadInput(f"{directory} holds something else and stays as it is. Name another or an empty directory.")
        for leftover in directory.parent.glob(f".{glob.escape(directory.name)}.making-*"):
            shutil.rmtree(leftover)  # of a killed maker: nobody else is at work while this holds the lock
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}.making-", dir=directory.parent) as scratch:
            fresh = Path(scratch) / "fresh"
            fresh.mkdir()
            make(fresh)
            (fresh / MARKER).write_text(json.dumps(recipe, indent=2) + "\n")
            if directory.exists():
                directory.rename(Path(scratch) / "outdated")
            fresh.rename(directory)
    return directory


def _made_from(directory: Path) -> object:
    marker = directory / MARKER
    return json.loads(marker.read_text()) if marker.exists() else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
