"""Who works in a store, and when a thing in it was used last: all that a collector needs to leave both alone.

Whoever works in a store says so with `working`. A thing that is used again is marked with `use`, a new one is marked
by being new. A collector takes only what was marked before its `moment`, which is before the oldest worker began. It
looks and takes under a lock that `use` shares, so nothing goes between the moment in which it is found and its use.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: In each directory of which something may be taken.
LOCK = ".collection.lock"
_COLLECTOR = ".collector.lock"
LOCKS = frozenset({LOCK, _COLLECTOR})
_WORKERS = "workers"
# The kernel stamps files with a clock that is some milliseconds late.
_CLOCK_SECONDS = 1.0


@contextmanager
def working(root: Path) -> Iterator[None]:
    """Whatever is used or made in the store `root` inside of this stays, however long it takes."""
    folder = root / _WORKERS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path, descriptor = _held(folder)
    except OSError:
        # On a full or read-only disk whoever works will say better what is wrong, and new things have their grace.
        yield
        return
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _held(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / uuid.uuid4().hex
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return path, descriptor
        # A collector took it for one whose process is gone, between the two calls above.
        os.close(descriptor)


def moment(root: Path, grace_seconds: float) -> float:
    """The time before which something must have been used last to be taken from the store `root`."""
    begun = [_begun(path) for path in (root / _WORKERS).glob("*")]
    oldest = min((one for one in begun if one is not None), default=time.time())
    return min(oldest, time.time() - grace_seconds) - _CLOCK_SECONDS


def _begun(path: Path) -> float | None:
    """When a worker began; None, and forgotten, when its process is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
        return None
    except BlockingIOError:
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)


def use(root: Path, path: Path) -> bool:
    """Mark what is at `path`, below `root`, as used now; False when there is nothing."""
    try:
        with using(root):
            os.utime(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # Where nothing can be written, nothing is taken either.
        return path.exists()
    return True


@contextmanager
def collecting(root: Path) -> Iterator[bool]:
    """Be the only collector of the store `root`; False while there is another one."""
    descriptor = _opened(root / _COLLECTOR)
    try:
        alone = _is_free(descriptor)
        if alone:
            os.utime(descriptor)
        yield alone
    finally:
        os.close(descriptor)


def collected_on(root: Path) -> float:
    """When the last collector began in the store `root`; without one, when this was asked first."""
    descriptor = _opened(root / _COLLECTOR)
    try:
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def using(root: Path) -> Iterator[None]:
    """Nothing below `root` is taken inside of this; keep it short."""
    with _locked(root, fcntl.LOCK_SH):
        yield


@contextmanager
def taking(root: Path) -> Iterator[None]:
    """Nothing below `root` is found inside of this; keep it short."""
    with _locked(root, fcntl.LOCK_EX):
        yield


def take(root: Path, path: Path, before: float, aside: Path) -> bool:
    """Move what is at `path`, below `root`, to `aside` unless it was used at or after `before`."""
    with suppress(FileNotFoundError), taking(root):
        if path.lstat().st_mtime < before:
            path.rename(aside)
            return True
    return False


@contextmanager
def _locked(root: Path, how: int) -> Iterator[None]:
    descriptor = _opened(root / LOCK)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _opened(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
