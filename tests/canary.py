"""A directory that nobody may touch: says who read, wrote, made or opened anything in it."""

from __future__ import annotations

import ctypes
import os
import secrets
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# All events but those of a file that is closed again (inotify(7)).
_ANY = 0x1 | 0x2 | 0x4 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
_HEADER = struct.Struct("iIII")


class Canary:
    """Watches `directory`, which holds a file `secret`, a folder and a program."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.secret = f"secret-{secrets.token_hex(16)}"
        (directory / "folder").mkdir(parents=True)
        for name in ("secret", "folder/index.json"):
            (directory / name).write_text(self.secret)
        self.before = self._state()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._descriptor >= 0, os.strerror(ctypes.get_errno())
        for folder in (directory, directory / "folder"):
            assert self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _ANY) > 0

    def _state(self) -> list[tuple[str, int, int, int]]:
        paths = [self.directory, *sorted(self.directory.rglob("*"))]
        return [(str(p), s.st_mode, s.st_nlink, s.st_mtime_ns) for p in paths for s in [p.lstat()]]

    def touched(self) -> list[str]:
        """Names in the directory that were read, written, changed or made since the last call."""
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return [str(entry) for entry in set(self._state()) ^ set(self.before)]
        names = []
        while data:
            _, mask, _, length = _HEADER.unpack_from(data)
            name = data[_HEADER.size : _HEADER.size + length].rstrip(b"\0").decode()
            names.append(f"{name or '.'} ({mask:#x})")
            data = data[_HEADER.size + length :]
        return names

    def leaked_into(self, *roots: Path) -> list[Path]:
        """Files below `roots` that hold the secret."""
        files = (path for root in roots for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        return [path for path in files if self.secret.encode() in path.read_bytes()]

    def close(self) -> None:
        """End the watch."""
        os.close(self._descriptor)


@contextmanager
def watched(directory: Path) -> Iterator[Canary]:
    """A canary for the time of a test."""
    canary = Canary(directory)
    try:
        yield canary
    finally:
        canary.close()
