"""Looking into a wheel before uv sees it: nothing that could write outside, grow without bounds or be misread.

Format: PyPA "Binary distribution format"; PKWARE's APPNOTE for what a zip's headers say.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from packaging.metadata import parse_email
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from conda_store.errors import PackageRefused
from conda_store.packages.archives import UnpackLimits
from conda_store.packages.check import check_path
from conda_store.packages.locked import LockedWheel
from conda_store.packages.wheel_target import WheelTarget


@dataclass(frozen=True)
class WheelPlan:
    """What an inspected wheel will put where: its dist-info directory, its scripts for python, its data files."""

    dist_info: str
    python_scripts: frozenset[str] = field(repr=False)
    data: frozenset[str] = field(repr=False)


def inspect_wheel(archive: Path, wheel: LockedWheel, limits: UnpackLimits) -> WheelPlan:
    """Look at all of a wheel before anything is unpacked.

    Raises `PackageRefused` for what could write outside, grow without bounds, or be read differently by uv.
    """
    try:
        with archive.open("rb") as stream, zipfile.ZipFile(stream) as container:
            entries = container.infolist()
            _check_entries(entries, wheel)
            _check_sizes(entries, stream, archive.stat().st_size, wheel, limits)
            return _plan(container, [entry.filename for entry in entries], wheel)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, LookupError, RuntimeError) as error:
        raise PackageRefused(f"{wheel}: the wheel cannot be read ({error}); it is damaged.") from error


def _check_entries(entries: Sequence[zipfile.ZipInfo], wheel: LockedWheel) -> None:
    files: set[str] = set()
    for entry in entries:
        name = entry.orig_filename
        check_path(name.removesuffix("/"), str(wheel))
        if "\\" in name or name in files:
            raise PackageRefused(f"{wheel}: the wheel holds {name!r} twice or with a backslash; it is damaged.")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise PackageRefused(f"{wheel}: {name!r} in the wheel is a symlink or a device; wheels hold plain files.")
        if entry.flag_bits & 0x1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PackageRefused(f"{wheel}: {name!r} in the wheel is encrypted or compressed in an unknown way.")
        if not entry.is_dir():
            files.add(name)
    folders = {name[:place] for name in files for place in range(len(name)) if name[place] == "/"}
    for name in sorted(files & folders):
        raise PackageRefused(f"{wheel}: the wheel holds {name!r} both as a file and as a directory; it is damaged.")


def _check_sizes(
    entries: Sequence[zipfile.ZipInfo], stream: IO[bytes], size: int, wheel: LockedWheel, limits: UnpackLimits
) -> None:
    allowed = limits.allowed(size)
    if len(entries) > limits.entries or sum(entry.file_size for entry in entries) > allowed:
        raise PackageRefused(
            f"{wheel}: the wheel of {size:,} bytes unpacks to more than {allowed:,} bytes or {limits.entries:,} files; "
            "it is refused as a decompression bomb."
        )
    for entry in entries:
        if _inflated_bytes(stream, entry) != entry.file_size:
            raise PackageRefused(f"{wheel}: {entry.filename!r} in the wheel has not the size that its directory says.")


def _inflated_bytes(stream: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """Bytes that an entry really unpacks to, no further than past its claim: zipfile itself stops at the claim."""
    stream.seek(entry.header_offset)
    header = stream.read(30)
    name = stream.read(int.from_bytes(header[26:28], "little"))
    encoding = "utf-8" if entry.flag_bits & 0x800 else "cp437"
    if header[:4] != b"PK\3\4" or name.decode(encoding) != entry.orig_filename:
        raise zipfile.BadZipFile(f"the header of {entry.filename!r} differs from the directory")
    stream.seek(int.from_bytes(header[28:30], "little"), os.SEEK_CUR)
    if entry.compress_type == zipfile.ZIP_STORED:
        return entry.compress_size
    inflater = zlib.decompressobj(-15)
    left, total = entry.compress_size, 0
    while left > 0 and not inflater.eof and total <= entry.file_size:
        data = stream.read(min(left, 1 << 18))
        if not data:
            raise EOFError("it ends too early")
        left -= len(data)
        while data and total <= entry.file_size:
            total += len(inflater.decompress(data, 1 << 20))
            data = inflater.unconsumed_tail
    return total


def _plan(container: zipfile.ZipFile, names: Sequence[str], wheel: LockedWheel) -> WheelPlan:
    dist_info = _dist_info(names, wheel)
    metadata, _ = parse_email(container.read(f"{dist_info}/METADATA"))
    if not _same(metadata.get("name", ""), metadata.get("version", ""), wheel):
        raise PackageRefused(
            f"{wheel}: the wheel says that it is {metadata.get('name')}=={metadata.get('version')}; "
            "the lockfile or the index is wrong."
        )
    root = f"{dist_info.removesuffix('.dist-info')}.data/"
    scripts = {f"bin/{name}" for name in _script_names(container, names, dist_info, wheel)}
    for name in names:
        if name.startswith(f"{root}scripts/") and container.read(name)[:8] == b"#!python":
            scripts.add("bin/" + name.removeprefix(f"{root}scripts/"))
    data = frozenset(name.removeprefix(f"{root}data/") for name in names if name.startswith(f"{root}data/"))
    for path in data - {""}:
        check_path(path.removesuffix("/"), str(wheel))
    return WheelPlan(dist_info, frozenset(scripts), data)


def _dist_info(names: Sequence[str], wheel: LockedWheel) -> str:
    tops = {name.partition("/")[0] for name in names if "/" in name}
    special = [top for top in sorted(tops) if top.lower().endswith((".dist-info", ".data"))]
    found = [top for top in special if top.lower().endswith(".dist-info")]
    if len(found) != 1 or not all(_belongs(top, wheel) for top in special):
        raise PackageRefused(
            f"{wheel}: the wheel holds the metadata of another package: {', '.join(special) or 'none'}."
        )
    if not {f"{found[0]}/METADATA", f"{found[0]}/WHEEL"} <= set(names):
        raise PackageRefused(f"{wheel}: {found[0]} has no METADATA or no WHEEL; it is damaged.")
    return found[0]


def _script_names(
    container: zipfile.ZipFile, names: Sequence[str], dist_info: str, wheel: LockedWheel
) -> Iterable[str]:
    """Commands of `entry_points.txt`; keys of other groups may hold slashes, but nothing may lead upwards."""
    path = f"{dist_info}/entry_points.txt"
    text = container.read(path).decode() if path in names else ""
    group = ""
    for line in filter(None, map(str.strip, re.split(r"[\r\n]", text))):
        key = line.partition("=")[0].strip()
        if line.startswith("["):
            group = line.strip("[] \t")
        elif group in ("console_scripts", "gui_scripts") and not line.startswith(("#", ";")):
            if not re.fullmatch(r"[\w.+ -]*[\w+-][\w.+ -]*", key) or not line.isprintable():
                raise PackageRefused(f"{wheel}: the entry point {line!r} is not a command's name; it is refused.")
            yield key
        elif key.startswith("/") or ".." in key.split("/"):
            raise PackageRefused(f"{wheel}: the entry point {line!r} leads out of the prefix.")


def _belongs(folder: str, wheel: LockedWheel) -> bool:
    stem, _, suffix = folder.rpartition(".")
    name, dash, version = stem.rpartition("-")
    return suffix in ("dist-info", "data") and bool(dash) and _same(name, version, wheel)


def _same(name: str, version: str, wheel: LockedWheel) -> bool:
    try:
        return canonicalize_name(name) == wheel.name and Version(version.replace("_", "-")) == Version(wheel.version)
    except InvalidVersion:
        return False


def checked_wheel(wheel: LockedWheel) -> LockedWheel:
    """`wheel`, when its file name and sha256 are such. Raises `PackageRefused`."""
    try:
        if not re.fullmatch(r"[A-Za-z0-9_.!+-]+", wheel.file_name):
            raise InvalidWheelFilename(wheel.file_name)
        name, version = parse_wheel_filename(wheel.file_name)[:2]
    except InvalidWheelFilename:
        raise PackageRefused(
            f"{wheel}: {wheel.file_name!r} is not a wheel's file name; only wheels are taken."
        ) from None
    if not _same(name, str(version), wheel) or not re.fullmatch(r"[0-9a-f]{64}", wheel.sha256):
        raise PackageRefused(
            f"{wheel}: the lock gives it the file {wheel.file_name!r} or a wrong sha256; lock it again."
        )
    return wheel


def check_tags(wheel: LockedWheel, target: WheelTarget) -> None:
    """Raise `PackageRefused` for a wheel that is not for `target`, by its file name."""
    if parse_wheel_filename(wheel.file_name)[3].isdisjoint(target.tags()):
        raise PackageRefused(
            f"{wheel}: {wheel.file_name} is not for python {target.python_version} on {target.platform}; "
            "lock the environment again."
        )
