"""A store in a directory of a local file system.

Unfinished files lie in `<root>/tmp`, each under an exclusive flock of its writer: the kernel lets go of it
however the writer ends, so a file that can be locked has no writer any more.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from conda_store.errors import StorageFull, StorageReadOnly
from conda_store.storage import uses
from conda_store.storage.base import TEMPORARY, NotStored, Storage, StorageUnreadable, Writer, checked_key

# Blobs are shared by hard links; whoever edits one would edit all.
FILE_MODE = 0o444

# As much as the rows and records of one build need at least.
_SMALL_BYTES = 64 * 1024
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


class LocalStorage(Storage):
    """Bytes as files under `root`, which is made at the first write.

    `durable` writes through to the disk before a file appears, so that a power failure cannot leave an
    empty one under its name; without it only a crash of the machine, not of a process, can lose bytes.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.root = root.absolute()
        self.durable = durable

    @contextmanager
    def writer(self, key: str | None = None) -> Iterator[Writer]:
        out = LocalWriter(self, key)
        try:
            yield out
            if key is not None and not out.committed:
                out.commit()
        finally:
            out.close()

    def open(self, key: str) -> BinaryIO:
        path = self._place(key)
        with self._reading(key, path):
            return path.open("rb")

    def path(self, key: str) -> Path | None:
        path = self._place(key)
        return path if path.is_file() else None

    def size(self, key: str) -> int:
        path = self._place(key)
        with self._reading(key, path):
            status = path.stat()
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a directory")
            return status.st_size

    def use(self, key: str) -> bool:
        path = self._place(key)
        return uses.use(self.root, path) and path.is_file()

    def used_on(self, key: str) -> float:
        path = self._place(key)
        with self._reading(key, path):
            return path.stat().st_mtime

    def delete_unused(self, key: str, before: float) -> bool:
        with uses.taking(self.root):
            try:
                unused = self.used_on(key) < before
            except NotStored:
                return False
            if unused:
                self.delete(key)
            return unused

    def delete(self, key: str) -> None:
        path = self._place(key)
        try:
            path.unlink()
        except OSError as error:
            if error.errno not in _ABSENT:
                raise _unwritable(path, error) from error

    def list(self, prefix: str = "") -> Iterator[str]:
        folder = prefix.rpartition("/")[0]
        top = self._place(folder) if folder else self.root
        for directory, folders, names in os.walk(top):
            folders.sort()
            inside = Path(directory).relative_to(self.root)
            if inside == Path():
                folders[:] = [name for name in folders if name != TEMPORARY]
            keys = ((inside / name).as_posix() for name in sorted(names) if name not in uses.LOCKS)
            yield from (key for key in keys if key.startswith(prefix))

    def sweep(self) -> int:
        try:
            unfinished = list(Path(self.root, TEMPORARY).iterdir())
        except OSError:
            return 0
        return sum(map(self._sweep_one, unfinished))

    def check_writable(self) -> None:
        check_writable(self.root)

    def free_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self.root).free
        except OSError:
            return None

    def _sweep_one(self, path: Path) -> bool:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A writer that finished meanwhile renamed its file: then there is nothing under this name.
            path.unlink()
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def _place(self, key: str) -> Path:
        return self.root / checked_key(key)

    @contextmanager
    def _reading(self, key: str, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _ABSENT:
                raise NotStored(f"The store has nothing under {key!r}.") from error
            raise StorageUnreadable(f"{path} cannot be read: {error.strerror}.") from error


class LocalWriter:
    """The unfinished file of one writer."""

    def __init__(self, storage: LocalStorage, key: str | None) -> None:
        self.committed = False
        self._storage = storage
        self._key = None if key is None else checked_key(key)
        self._written = 0
        self._path, self._descriptor = _locked_file(storage.root / TEMPORARY)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Append all of `data`; raises `StorageFull`."""
        with memoryview(data).cast("B") as view:
            done = 0
            while done < len(view):
                try:
                    done += os.write(self._descriptor, view[done:])
                except OSError as error:
                    raise _unwritable(self._path, error) from error
            self._written += done
            return done

    def tell(self) -> int:
        """Bytes written so far."""
        return self._written

    def flush(self) -> None:
        """Nothing is buffered here."""

    def commit(self, key: str | None = None) -> None:
        """Rename the file to its key; the directories on the way are made."""
        chosen = self._key if key is None else checked_key(key)
        if chosen is None or self.committed:
            raise ValueError("a writer is committed once, under a key")
        target = self._storage.root / chosen
        try:
            os.fchmod(self._descriptor, FILE_MODE)
            if self._storage.durable:
                os.fsync(self._descriptor)
            made = _make_directory(target.parent)
            # What it may replace is not taken for the old one between being looked at and being removed.
            with uses.using(self._storage.root):
                self._path.replace(target)
            if self._storage.durable:
                _sync_directories(target.parent, made)
        except OSError as error:
            raise _unwritable(target, error) from error
        self.committed = True

    def close(self) -> None:
        """Let go of the file, and remove it unless it was committed."""
        if not self.committed:
            with suppress(OSError):
                self._path.unlink()
        os.close(self._descriptor)


def _locked_file(directory: Path) -> tuple[Path, int]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        while True:
            path = directory / f"{os.getpid()}-{secrets.token_hex(8)}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if _lock(descriptor, path):
                return path, descriptor
    except OSError as error:
        raise _unwritable(directory, error) from error


def _lock(descriptor: int, path: Path) -> bool:
    """Lock a new file; False, and closed, when a sweep locked and removed it first."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, path):
            return True
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return False


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _make_directory(directory: Path) -> int:
    """Make `directory` and its parents; returns how many were missing."""
    missing = 0
    for parent in (directory, *directory.parents):
        if parent.is_dir():
            break
        missing += 1
    if missing:
        directory.mkdir(parents=True, exist_ok=True)
    return missing


def _sync_directories(directory: Path, made: int) -> None:
    """Write a new name, and those of its `made` new parents, through to the disk."""
    for place in [directory, *directory.parents][: made + 1]:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_writable(directory: Path) -> None:
    """Raise `StorageFull` (`StorageReadOnly`) unless a small file can be kept in `directory`, made when missing."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # Nameless where the file system can: nothing remains, however this process ends.
        with tempfile.TemporaryFile(dir=directory) as file:
            os.posix_fallocate(file.fileno(), 0, _SMALL_BYTES)
    except OSError as error:
        raise _unwritable(directory, error) from error


def _unwritable(path: Path, error: OSError) -> StorageFull:
    reason = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull(f"The disk under {path} is full ({reason}): free some space or choose another store.")
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return StorageReadOnly(
            f"{path} cannot be written: {reason}. Mount it for writing, check its owner and permissions, or choose "
            "another store."
        )
    return StorageFull(f"{path} cannot be written: {reason}. Check its owner and permissions, or choose another store.")
