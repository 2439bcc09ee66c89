"""Looking into a package archive before it is unpacked: names, kinds and how large it will be.

Formats: conda's `.conda` (a zip with `info-*.tar.zst` and `pkg-*.tar.zst`) and `.tar.bz2`.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from conda_store.errors import PackageRefused


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
    try:
        for member in _members(path, allowed):
            entries += 1
            total += member.size
            if total > allowed or entries > limits.entries:
                raise _too_large(label, path, allowed, limits)
            _check_member(member, label)
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


def _members(path: Path, allowed: int) -> Iterator[tarfile.TarInfo]:
    if path.name.endswith(".tar.bz2"):
        with tarfile.open(path, "r|bz2") as archive:
            yield from archive
        return
    with zipfile.ZipFile(path) as container:
        for entry in container.infolist():
            if not entry.filename.endswith(".tar.zst"):
                continue
            if entry.compress_type != zipfile.ZIP_STORED:
                raise zipfile.BadZipFile(f"{entry.filename} is compressed twice")
            with (
                container.open(entry) as packed,
                _decompressed(packed, allowed) as stream,
                tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as archive,
            ):
                yield from archive


@contextmanager
def _decompressed(packed: IO[bytes], allowed: int) -> Iterator[IO[bytes]]:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(packed, read_across_frames=True)
    with reader:
        yield _Counted(reader, allowed + (64 << 20))  # type: ignore[misc]


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
