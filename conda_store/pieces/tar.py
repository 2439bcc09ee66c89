"""Tar streams that are a function of their entries: sorted, uid and gid 0, no user names, pax where needed.

Format: POSIX.1-2001 pax (`tarfile.PAX_FORMAT`), which every tar and container client reads.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable
from typing import NamedTuple

from conda_store.packages.contents import open_no_follow

END = b"\0" * (2 * tarfile.BLOCKSIZE)
_CHUNK = 1 << 20


class Entry(NamedTuple):
    """One entry of a tar. Content is `data`, or is read from the file `source`, or is nothing for links and folders."""

    path: str
    mode: int
    mtime: int
    data: bytes | None = None
    source: str | None = None
    size: int = 0
    link_target: str | None = None
    directory: bool = False
    owner: int = 0


def file_entry(path: str, mode: int, mtime: int, data: bytes) -> Entry:
    """A regular file with the given bytes."""
    return Entry(path, mode, mtime, data=data, size=len(data))


def directory_entries(paths: Iterable[str], mtime: int) -> list[Entry]:
    """All folders above `paths`: a client makes missing ones with whatever mode it likes."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return [Entry(folder, 0o755, mtime, directory=True) for folder in folders]


def write_tar(entries: Iterable[Entry], write: Callable[[bytes], object], *, end: bool = True) -> None:
    """Write `entries`, sorted by path, to `write`; without `end` the stream can be continued by another.

    Raises OSError when a source cannot be read or has not the size that its entry says.
    """
    for entry in sorted(entries, key=lambda entry: entry.path):
        write(_header(entry))
        if entry.data is not None:
            _padded(entry.data, write)
        elif entry.source is not None:
            _copy(entry, write)
    if end:
        write(END)


def _header(entry: Entry) -> bytes:
    info = tarfile.TarInfo(entry.path)
    info.mode, info.mtime = entry.mode, entry.mtime
    info.uid = info.gid = entry.owner
    if entry.directory:
        info.type = tarfile.DIRTYPE
    elif entry.link_target is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link_target, 0o777
    else:
        info.size = entry.size
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _copy(entry: Entry, write: Callable[[bytes], object]) -> None:
    copied = 0
    with open(entry.source or "", "rb", buffering=0, opener=open_no_follow) as stream:
        while chunk := stream.read(_CHUNK):
            copied += len(chunk)
            write(chunk)
    if copied != entry.size:
        raise OSError(f"{entry.source} has {copied} bytes, not {entry.size}: something changed it in the store")
    if tail := -copied % tarfile.BLOCKSIZE:
        write(bytes(tail))


def _padded(data: bytes, write: Callable[[bytes], object]) -> None:
    write(data)
    if tail := -len(data) % tarfile.BLOCKSIZE:
        write(bytes(tail))
