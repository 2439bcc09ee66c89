"""What a package must not contain, looked at before anything of it is linked.

rattler trusts `info/paths.json`: a `_path` of `../../x` makes it copy a file out of the prefix, an absolute one
aborts the process, and it hashes what a symlink points at. So every path is checked here: when a package is
unpacked (`check_package`, its own files), and when packages meet in one prefix (`check_set`).
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from rattler import PackageRecord

from conda_store.errors import PackageRefused
from conda_store.packages.contents import Contents, label_of, read_paths, split_entry_point
from conda_store.packages.locked import CondaPackage

_ROOT = PurePosixPath()
_WORD = re.compile(r"[A-Za-z0-9_.!+~-]+")
# What conda-store and conda-pack write into every environment, and the folders of these.
_RESERVED = re.compile(
    r"CACHEDIR\.TAG|bin|conda-meta(/(history|state|[^/]*\.json)(/.*)?)?"
    r"|etc(/conda(/(de)?activate\.d(/conda-store-variables\.sh)?)?)?|(.*/)?__pycache__"
)


def check_package(directory: Path, expected: CondaPackage) -> None:
    """Refuse an unpacked package that is not what the lock says, or could reach out of the prefix."""
    _check_metadata_files(directory, expected)
    seen: set[str] = set()
    for entry in read_paths(directory, expected.stem):
        path = os.fspath(entry.relative_path)
        check_target(path, expected.stem)
        if path in seen:
            raise PackageRefused(f"{expected.stem}: its list of files names {path!r} twice; the package is damaged.")
        seen.add(path)
        if entry.path_type.directory:
            raise PackageRefused(
                f"{expected.stem}: {path!r} is listed as a directory; packages may list files and links only."
            )
        _check_kind(directory, path, expected.stem, softlink=entry.path_type.softlink)


def check_path(path: str, label: str) -> None:
    """Refuse a path that is not relative, normal and printable."""
    if path.startswith("/"):
        raise PackageRefused(f"{label}: the path {path!r} is absolute; a package may only name paths in the prefix.")
    if ".." in path.split("/"):
        raise PackageRefused(f"{label}: the path {path!r} leads out of the prefix.")
    if not path or posixpath.normpath(path) != path or path == ".":
        raise PackageRefused(f"{label}: the path {path!r} is not in normal form.")
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise PackageRefused(f"{label}: the path {path!r} holds control characters.")


def check_target(path: str, label: str) -> None:
    """Refuse a path of a file or link that `check_path` refuses, or that conda-store needs for itself."""
    check_path(path, label)
    if _RESERVED.fullmatch(path):
        raise PackageRefused(f"{label}: the path {path!r} is kept for the environment's own records.")


def check_identity(index: Mapping[str, Any], expected: CondaPackage) -> None:
    """Refuse a package that is another than the lock says (a lockfile may come from anywhere)."""
    stated = (str(index.get("name")), str(index.get("version")), str(index.get("build")))
    if stated != (expected.name, expected.version, expected.build):
        raise PackageRefused(
            f"{expected.stem}: the archive with sha256 {expected.sha256} says that it is {label_of(index)}. "
            "The lockfile or the channel's index is wrong, or the package was replaced."
        )
    if not all(_WORD.fullmatch(word) for word in stated):
        raise PackageRefused(f"{expected.stem!r}: name, version or build holds characters that no file name may have.")


def check_summary(summary: Mapping[str, Any], rows: Iterable[Sequence[Any]], expected: CondaPackage) -> None:
    """Refuse places, entry points and symlinks that lead out of the prefix."""
    site_packages = summary["index"].get("python_site_packages_path")
    if site_packages is not None:
        check_target(f"{site_packages}/history", expected.stem)
    for text in summary["entry_points"]:
        split_entry_point(text, expected.stem)
    folders = {str(folder) for path in summary["paths"] for folder in PurePosixPath(path).parents}
    for row in rows:
        if row[4] is not None:
            _check_link(row[0], row[4], folders, expected.stem)


def check_set(packages: Sequence[Contents]) -> None:
    """Refuse packages that contradict each other: a path that is a file or link here and a directory there.

    A path below a symlink of another package would be written wherever that points, so it is refused too.
    The same path in two packages is no contradiction (see `packages/ownership.py`).
    """
    paths = set().union(*(package.paths for package in packages))
    folders = set().union(*(package.folders for package in packages))
    for path in sorted(paths & folders):
        owner = next(package for package in packages if path in package.paths)
        other = next(package for package in packages if path in package.folders)
        kind = "symlink" if any(file.link_target for file in owner.files if file.target == path) else "file"
        raise PackageRefused(
            f"{owner.stem} has {path!r} as a {kind}, but {other.stem} needs it as a directory. "
            "The two cannot be in one environment: leave one out or choose another version."
        )


def check_record(directory: Path, label: str) -> None:
    """Refuse an `info/index.json` that rattler cannot read as a package's record."""
    try:
        PackageRecord.from_index_json(directory / "info/index.json")
    except Exception as error:
        raise PackageRefused(f"{label}: info/index.json cannot be understood: {str(error)[:300]}") from error


def _check_metadata_files(directory: Path, expected: CondaPackage) -> None:
    info = directory / "info"
    if info.is_symlink() or not info.is_dir():
        raise PackageRefused(f"{expected.stem}: the archive has no info/ directory; it is not a conda package.")
    for path in info.iterdir():
        if path.is_symlink():
            raise PackageRefused(f"{expected.stem}: info/{path.name} is a symlink; metadata must be plain files.")


def _check_kind(directory: Path, path: str, label: str, *, softlink: bool) -> None:
    folder = directory
    parts = path.split("/")
    for part in parts[:-1]:
        folder = folder / part
        if stat.S_ISLNK(_lstat(folder, path, label).st_mode):
            raise PackageRefused(f"{label}: {path!r} goes through {part!r}, which is a symlink in the same package.")
    mode = _lstat(directory / path, path, label).st_mode
    if softlink != stat.S_ISLNK(mode) or not (softlink or stat.S_ISREG(mode)):
        listed = "a symlink" if softlink else "a file"
        raise PackageRefused(f"{label}: {path!r} is listed as {listed}, but the archive holds something else.")


def _lstat(place: Path, path: str, label: str) -> os.stat_result:
    try:
        return place.lstat()
    except OSError as error:
        raise PackageRefused(f"{label}: its list of files names {path!r}, which the archive does not hold.") from error


def _check_link(path: str, target: str, folders: set[str], label: str) -> None:
    """`..` may follow only what is a folder for certain: behind another symlink it would lead anywhere."""
    place = PurePosixPath(path).parent
    inside = not target.startswith("/")
    for part in target.split("/"):
        if part == "..":
            inside = inside and place != _ROOT and str(place) in folders
            place = place.parent
        else:
            place /= part
    if not inside:
        raise PackageRefused(f"{label}: the symlink {path!r} points at {target!r}, outside of the prefix.")
