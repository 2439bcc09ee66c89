"""Writes conda packages, byte for byte the same each time; well-formed ones and, for tests, hostile ones.

Knows the two file formats (`.conda`, CEP 35; `.tar.bz2`) and the `info/` files that installers read
(`info/paths.json` version 1 as conda-build writes it). What goes into a package is the caller's affair.
"""

from __future__ import annotations

import bz2
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import zstandard

# One time for every file: timestamp bytecode holds its source's mtime, so the two must never drift apart.
EPOCH = 1_704_067_200  # 2024-01-01T00:00:00Z, seconds
PLACEHOLDER = ("/opt/placehold" + "_placehold" * 25)[:255]

Format = Literal["conda", "tar.bz2"]
FileMode = Literal["text", "binary"]


@dataclass(frozen=True)
class PackageFile:
    """One entry of a package: a regular file (`content`), a symbolic link or a hard link to another entry.

    `path` is relative to the prefix, with `/`. `placeholder` is the prefix that stands in `content`, to be
    replaced when the package is installed; with it `file_mode` says how (text when not given). `mtime` in seconds.
    """

    path: str
    content: bytes | None = None
    mode: int = 0o644
    link_target: str | None = None
    hardlink_to: str | None = None
    placeholder: str | None = None
    file_mode: FileMode | None = None
    mtime: int = EPOCH


def package_stem(index: Mapping[str, Any]) -> str:
    """`name-version-build`: the file name of the package without its extension."""
    return f"{index['name']}-{index['version']}-{index['build']}"


def package_index(name: str, version: str, *, subdir: str, build: str = "0", **other: Any) -> dict[str, Any]:
    """A complete `info/index.json`; `other` overrides and adds keys (`depends`, `license`, `noarch`, ...).

    >>> package_index("a", "1", subdir="linux-64")["arch"]
    'x86_64'
    """
    system, _, machine = subdir.partition("-")
    place = {} if subdir == "noarch" else {"arch": {"64": "x86_64"}.get(machine, machine), "platform": system}
    fixed = {"name": name, "version": version, "build": build, "build_number": 0, "depends": [], "constrains": []}
    return {**fixed, "subdir": subdir, "timestamp": EPOCH * 1000, **place, **other}


def write_conda_package(
    directory: Path,
    index: Mapping[str, Any],
    files: Iterable[PackageFile],
    link: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    *,
    paths: Sequence[Mapping[str, Any]] | None = None,
    info: Mapping[str, bytes | None] | None = None,
    format: Format = "conda",
    level: int = 3,
) -> Path:
    """Write a package to `<directory>/<subdir>/<name>-<version>-<build>.<format>` and return that path.

    `directory` is the channel, `index` the `info/index.json` (see `package_index`), `link` the `info/link.json`.
    `paths` replaces the entries of `info/paths.json`, `info` replaces or adds files there (None leaves one out),
    `level` is zstd's. Nothing is checked: hostile packages are made here too.
    """
    # Sorted, but hard links last: tar needs their targets before them.
    members = sorted(files, key=lambda file: (file.hardlink_to is not None, file.path))
    described = _info_files(index, members, link, about, paths if paths is not None else paths_entries(members))
    data = _package_bytes(package_stem(index), members, {**described, **(info or {})}, format, level)
    return _write_whole(directory / str(index["subdir"]) / f"{package_stem(index)}.{format}", data)


def _package_bytes(
    stem: str, members: Sequence[PackageFile], info: Mapping[str, bytes | None], format: Format, level: int
) -> bytes:
    about = [PackageFile(f"info/{name}", content) for name, content in sorted(info.items()) if content is not None]
    if format == "conda":
        return _conda_bytes(stem, members, about, level)
    return bz2.compress(_tar_bytes([*about, *members]))


def paths_entries(files: Sequence[PackageFile]) -> list[dict[str, Any]]:
    """The `paths` of `info/paths.json` (version 1) for these entries, in path order."""
    contents = {file.path: file.content for file in files if file.content is not None}
    return [_paths_entry(file, contents) for file in sorted(files, key=lambda file: file.path)]


def _paths_entry(file: PackageFile, contents: Mapping[str, bytes]) -> dict[str, Any]:
    if file.link_target is not None:
        content = contents.get(_resolved(file.path, file.link_target), b"")
    elif file.hardlink_to is not None:
        content = contents.get(file.hardlink_to, b"")
    else:
        content = file.content or b""
    entry: dict[str, Any] = {
        "_path": file.path,
        "path_type": "softlink" if file.link_target is not None else "hardlink",
        "sha256": sha256(content).hexdigest(),
        "size_in_bytes": len(content),
    }
    if file.placeholder is not None:
        entry |= {"prefix_placeholder": file.placeholder, "file_mode": file.file_mode or "text"}
    return entry


def _resolved(path: str, target: str) -> str:
    """The package path that a relative link at `path` means; conda-build digests what a link points to."""
    parts = path.split("/")[:-1]
    for part in target.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


def _info_files(
    index: Mapping[str, Any],
    files: Sequence[PackageFile],
    link: Mapping[str, Any] | None,
    about: Mapping[str, Any] | None,
    paths: Sequence[Mapping[str, Any]],
) -> dict[str, bytes]:
    described = {
        "index.json": _json(index),
        "about.json": _json(about if about is not None else {"license": index.get("license", "")}),
        "files": "".join(f"{path}\n" for path in sorted(file.path for file in files)).encode(),
        "paths.json": _json({"paths": list(paths), "paths_version": 1}),
    }
    if link is not None:
        described["link.json"] = _json(link)
    replaced = [file for file in files if file.placeholder is not None]
    if replaced:
        lines = [f'"{file.placeholder}" {file.file_mode or "text"} "{file.path}"\n' for file in replaced]
        described["has_prefix"] = "".join(sorted(lines)).encode()
    return described


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def _tar_info(file: PackageFile) -> tarfile.TarInfo:
    info = tarfile.TarInfo(file.path)
    info.mode, info.mtime = file.mode, file.mtime
    info.uname = info.gname = "root"
    if file.link_target is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, file.link_target, 0o777
    elif file.hardlink_to is not None:
        info.type, info.linkname = tarfile.LNKTYPE, file.hardlink_to
    else:
        info.size = len(file.content or b"")
    return info


def _tar_bytes(files: Iterable[PackageFile]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            tar.addfile(_tar_info(file), io.BytesIO(file.content or b""))
    return buffer.getvalue()


def _conda_bytes(stem: str, files: Iterable[PackageFile], info: Iterable[PackageFile], level: int) -> bytes:
    compressor = zstandard.ZstdCompressor(level=level)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            (f"pkg-{stem}.tar.zst", compressor.compress(_tar_bytes(files))),
            (f"info-{stem}.tar.zst", compressor.compress(_tar_bytes(info))),
        ):
            member = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def _write_whole(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".partial", delete=False) as temporary:
        unfinished = Path(temporary.name)
        try:
            temporary.write(data)
            temporary.close()
            unfinished.chmod(0o644)
            return unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
