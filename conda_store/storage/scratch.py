"""Temporary directories and locks that outlive no process.

Whatever is being made lives in a scratch directory until it is whole and is then renamed into place. A
scratch directory is held by a `flock`, which the kernel drops with its process, however that ends: so
`sweep` can tell what a killed process left from what a living one is using. Network file systems without
`flock` are not supported under a store.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` (made when missing, never removed) against every other process and thread."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def scratch_directory(root: Path) -> Iterator[Path]:
    """A new directory below `root`, removed at the end; rename its content away before."""
    root.mkdir(parents=True, exist_ok=True)
    lock, descriptor = _held_lock(root)
    directory = lock.with_suffix("")
    try:
        directory.mkdir(mode=0o755)
        yield directory
    finally:
        remove_tree(directory)
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _held_lock(root: Path) -> tuple[Path, int]:
    while True:
        lock = root / f"{uuid.uuid4().hex}.lock"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if lock.exists():
            return lock, descriptor
        # A sweep took it between the two calls above.
        os.close(descriptor)


def sweep(root: Path) -> int:
    """Remove scratch directories whose process is gone; returns how many."""
    removed = 0
    for lock in root.glob("*.lock"):
        with suppress(OSError):
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(lock.with_suffix(""))
                lock.unlink(missing_ok=True)
                removed += 1
            finally:
                os.close(descriptor)
    for directory in root.iterdir() if root.exists() else ():
        # Its lock file exists from before it is made until after it is removed.
        if directory.is_dir() and not directory.with_name(f"{directory.name}.lock").exists():
            remove_tree(directory)
            removed += 1
    return removed


def exchange(made: Path, target: Path) -> None:
    """Let `made` stand at `target`, and what was there at `made`, in one step where the file system can."""
    if not target.exists():
        made.rename(target)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(made), _AT_FDCWD, os.fsencode(target), _RENAME_EXCHANGE) == 0:
        return
    # Some file systems cannot exchange (NFS, old kernels): for an instant the target is missing there.
    aside = made.with_name(f"{made.name}-old")
    target.rename(aside)
    made.rename(target)
    aside.rename(made)


def remove_tree(directory: Path) -> None:
    """Remove a directory even where its folders lack write permission; a missing one is fine."""

    def unlock(function: object, path: str, _error: object) -> None:
        parent = Path(path).parent
        with suppress(OSError):
            parent.chmod(parent.stat().st_mode | stat.S_IRWXU)
            Path(path).chmod(stat.S_IRWXU)
            if callable(function):
                function(path)

    shutil.rmtree(directory, onerror=unlock) if directory.exists() else None
