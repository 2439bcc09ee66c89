"""Looking into a package archive before it is unpacked: names, kinds and how large it will be.

Formats: conda's `.conda` (a zip with `info-*.tar.zst` and `pkg-*.tar.zst`) and `.tar.bz2`.
"""

from __future__ import annotations

import bz2
import posixpath
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

from conda_store.errors import PackageRefused

_ZIP_HEADER = 30


@dataclass(frozen=True)
class UnpackLimits:
    """How large a package may become.

    A package may unpack to `ratio` times its archive's size, to `free_bytes` at least (small archives of
    text compress very well) and to `total_bytes` at most, in `entries` files at most.
    """

    total_bytes: int = 32 << 30
    free_bytes: int = 256 << 20
    ratio: int = 60
    entries: int = 500_000

    def allowed(self, archive_bytes: int) -> int:
        """Bytes that an archive of this size may unpack to."""
        return min(self.total_bytes, max(self.free_bytes, self.ratio * archive_bytes))


def scan_archive(path: Path, label: str, limits: UnpackLimits | None = None) -> int:
    """Read all headers of the archive; returns the bytes that it unpacks to.

    Raises `PackageRefused` for an archive that cannot be read, is larger than `limits`, or holds names that
    are absolute or lead upwards, devices, or hard links out of itself.
    """
    limits = limits or UnpackLimits()
    allowed = limits.allowed(path.stat().st_size)
    total = entries = 0
    names = _Names(label)
    try:
        for member in _members(path, allowed):
            entries += 1
            total += member.size
            if total > allowed or entries > limits.entries:
                raise _too_large(label, path, allowed, limits)
            _check_member(member, label)
            names.add(member)
        names.check()
    except _TooLarge:
        raise _too_large(label, path, allowed, limits) from None
    except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, zstandard.ZstdError) as error:
        raise PackageRefused(f"{label}: the archive cannot be read ({error}); it is damaged.") from error
    return total


class _TooLarge(Exception):
    pass


def _too_large(label: str, path: Path, allowed: int, limits: UnpackLimits) -> PackageRefused:
    return PackageRefused(
        f"{label}: the archive of {path.stat().st_size:,} bytes unpacks to more than {allowed:,} bytes or "
        f"{limits.entries:,} files; it is refused as a decompression bomb."
    )


def _check_member(member: tarfile.TarInfo, label: str) -> None:
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise PackageRefused(f"{label}: the archive holds {member.name!r}, which leads out of the package.")
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise PackageRefused(f"{label}: {member.name!r} in the archive is a device or pipe.")
    if member.islnk() and (member.linkname.startswith("/") or ".." in member.linkname.split("/")):
        raise PackageRefused(f"{label}: {member.name!r} is a hard link to {member.linkname!r}, outside of the package.")


class _Names:
    """The names in an archive: none may be below a symlink or, twice, one itself; whoever unpacks follows those."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.seen: set[str] = set()
        self.links: set[str] = set()
        self.through: dict[str, str] = {}

    def add(self, member: tarfile.TarInfo) -> None:
        name = posixpath.normpath(member.name)
        if name in self.links or (member.issym() and name in self.seen):
            raise PackageRefused(f"{self.label}: {name!r} is in the archive twice, once as a symlink.")
        self.seen.add(name)
        if member.issym():
            self.links.add(name)
        for path in (name, posixpath.normpath(member.linkname)) if member.islnk() else (name,):
            while (path := path.rpartition("/")[0]) and path not in self.through:
                self.through[path] = name

    def check(self) -> None:
        for link in sorted(self.links & self.through.keys()):
            raise PackageRefused(
                f"{self.label}: {self.through[link]!r} in the archive goes through the symlink {link!r}."
            )


def _members(path: Path, allowed: int) -> Iterator[tarfile.TarInfo]:
    if path.name.endswith(".tar.bz2"):
        with bz2.open(path) as unpacked:
            yield from _tar_members(unpacked, allowed)
        return
    with path.open("rb") as raw, zipfile.ZipFile(raw) as container:
        _check_directory(raw, container)
        for entry in container.infolist():
            if not entry.filename.endswith(".tar.zst"):
                continue
            if entry.compress_type != zipfile.ZIP_STORED:
                raise zipfile.BadZipFile(f"{entry.filename} is compressed twice")
            decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
            with (
                container.open(entry) as packed,
                decompressor.stream_reader(packed, read_across_frames=True) as reader,
            ):
                yield from _tar_members(reader, allowed)


def _tar_members(stream: Any, allowed: int) -> Iterator[tarfile.TarInfo]:
    # Headers come on top of the bytes of files, and there may be many small files.
    counted: Any = _Counted(stream, allowed + allowed // 4)
    with tarfile.open(fileobj=counted, mode="r|", bufsize=1 << 20) as archive:
        yield from archive


def _check_directory(raw: IO[bytes], container: zipfile.ZipFile) -> None:
    """Refuse a zip that says other things in its directory than in its entries: a streaming reader sees the latter.

    Format: APPNOTE 6.3, 4.3.7. Between two entries there may be a data descriptor, but no room for another entry.
    """
    position = 0
    for entry in sorted(container.infolist(), key=lambda entry: entry.header_offset):
        raw.seek(entry.header_offset)
        header = raw.read(_ZIP_HEADER)
        name = raw.read(int.from_bytes(header[26:28], "little"))
        extra = raw.read(int.from_bytes(header[28:30], "little"))
        if entry.header_offset - position >= _ZIP_HEADER or entry.header_offset < position:
            raise zipfile.BadZipFile(f"something that its directory does not list stands before {entry.filename}")
        if name != entry.orig_filename.encode() or not _same_kind(header, extra, entry):
            raise zipfile.BadZipFile(f"the header of {entry.filename} differs from the directory")
        position = raw.tell() + entry.compress_size
    if container.start_dir - position >= _ZIP_HEADER:
        raise zipfile.BadZipFile("something that its directory does not list stands at its end")


def _same_kind(header: bytes, extra: bytes, entry: zipfile.ZipInfo) -> bool:
    flags, method = (int.from_bytes(header[place : place + 2], "little") for place in (6, 8))
    size = int.from_bytes(header[18:22], "little")
    # A size of 64 bits stands in the extra field (4.5.3), one that was not yet known (flag 3) behind the bytes.
    known = size == entry.compress_size or (size == 0xFFFFFFFF and struct.pack("<Q", entry.compress_size) in extra)
    return method == entry.compress_type and (known or bool(flags & 8))


class _Counted:
    """A reader that gives up after `limit` bytes: headers can lie about sizes, bytes cannot."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self.stream, self.left = stream, limit

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise _TooLarge
        return data
