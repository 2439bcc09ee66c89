"""What a package puts where in a prefix, read from the package's own files and from nothing else.

One description serves the check, the prefix, the layer and the archive, so that they cannot disagree. A
conda package is described once, when it is unpacked (`describe`),
and placed for a given python whenever it is needed (`place`). A wheel is described by `packages/wheels.py`
in the same terms.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rattler import PathsJson

from conda_store.errors import PackageRefused

ENTRY_POINT_MODE = 0o775
LINK_SCRIPTS = ("post-link", "pre-link", "pre-unlink")

# Long enough that every prefix that rattler accepts fits; never seen by a user.
PLACEHOLDER = "/opt/" + "conda_store_placeholder_" * 10 + "prefix"

# The text that rattler writes for a console script, byte for byte: prefix, layer and archive must agree.
_ENTRY_POINT = """\
# -*- coding: utf-8 -*-
import re
import sys

from {module} import {head}

if __name__ == '__main__':
\tsys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])
\tsys.exit({function}())
"""


@dataclass(frozen=True)
class Python:
    """The python of an environment, as far as other packages' places depend on it.

    `sha256` is that of the python package; `version` is full (`3.11.7`); `site_packages` is relative to the prefix.
    """

    sha256: str
    version: str
    site_packages: str

    @property
    def short_version(self) -> str:
        """`3.11`"""
        return ".".join(self.version.split(".")[:2])

    @property
    def executable(self) -> str:
        """`bin/python3.11`"""
        return f"bin/python{self.short_version}"


class PlacedFile(NamedTuple):
    """One path that a package owns in the prefix (a tuple, since environments have tens of thousands).

    `source` is a regular file (or symlink) in the package's directory, or None for text made here, which
    stands in `text` and holds `placeholder` where the prefix goes. `mode` has permission bits only, `mtime`
    is in whole seconds. `link_target` is set for symlinks and for nothing else. `sha256` is that of the
    source as the package states it.
    """

    target: str
    source: str | None
    mode: int
    mtime: int
    size: int
    link_target: str | None = None
    placeholder: str | None = None
    file_mode: Literal["text", "binary"] | None = None
    sha256: str | None = None
    text: str | None = None

    def read(self) -> bytes:
        """The file's bytes as the package has them; a link that took its place is never followed."""
        if self.source is None:
            return (self.text or "").encode()
        with open(self.source, "rb", opener=open_no_follow) as stream:
            return stream.read()


def open_no_follow(path: str, flags: int) -> int:
    """An opener for `open` that refuses to follow a symlink in the last component."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


@dataclass(frozen=True, eq=False)
class Contents:
    """A package as files in a prefix.

    `key` is the sha256 of its archive; `name` as in the lock; `kind` says where it came from; `paths` are the
    targets of its files; `timestamp` is in seconds (that of the build, 0 when unknown) and dates what is
    generated for it; `size` is the sum of its files' bytes; `has_modules` says whether any is a python module.
    `files` is read on first use: most of what is done with an environment needs only `paths`.
    """

    key: str
    name: str
    version: str
    kind: Literal["conda", "wheel"]
    directory: Path
    paths: tuple[str, ...] = field(repr=False)
    load: Callable[[], Sequence[PlacedFile]] = field(repr=False)
    size: int
    has_modules: bool
    timestamp: int = 0
    noarch_python: bool = False
    index: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def files(self) -> tuple[PlacedFile, ...]:
        """The files, sorted by target."""
        return tuple(sorted(self.load()))

    @cached_property
    def folders(self) -> frozenset[str]:
        """All directories that `paths` need."""
        folders = {path.rpartition("/")[0] for path in self.paths}
        for folder in list(folders):
            while (folder := folder.rpartition("/")[0]) not in folders:
                folders.add(folder)
        return frozenset(folders - {""})

    @property
    def stem(self) -> str:
        """`numpy-2.1.0-py311_0`, or `flask-3.1.0` for a wheel."""
        build = self.index.get("build")
        return f"{self.name}-{self.version}-{build}" if build else f"{self.name}-{self.version}"

    @property
    def link_scripts(self) -> tuple[str, ...]:
        """The scripts that conda would run when linking, and conda-store skips."""
        wanted = {f"bin/.{self.name}-{script}.sh" for script in LINK_SCRIPTS}
        return tuple(sorted(wanted.intersection(self.paths)))


def contents_of_files(
    files: Sequence[PlacedFile], *, key: str, name: str, version: str, kind: Literal["conda", "wheel"], directory: Path
) -> Contents:
    """Contents whose files are at hand."""
    return Contents(
        key=key,
        name=name,
        version=version,
        kind=kind,
        directory=directory,
        paths=tuple(file.target for file in files),
        load=lambda: files,
        size=sum(file.size for file in files),
        has_modules=any(is_module(file.target) for file in files),
    )


def is_module(path: str) -> bool:
    """Whether a path is that of a python source module."""
    return path.endswith(".py")


def describe(directory: Path, label: str) -> tuple[dict[str, Any], list[list[Any]]]:
    """The summary and the files of an unpacked conda package, as JSON documents.

    `label` is how messages call the package. The summary is `{index, entry_points, paths, size, has_modules}`; a row
    of the files is `[path, mode, mtime, size, link_target, placeholder, file_mode, sha256]`; paths are as the package
    has them. Raises
    `PackageRefused` for metadata that cannot be read and for a file that paths.json promises and the archive
    lacks. Formats: CEP 34 (paths.json), conda's `info/link.json`.
    """
    index = read_json(directory, "info/index.json", label, required=True)
    rows = [_row(directory, label, entry) for entry in read_paths(directory, label)]
    summary = {
        "index": index,
        "entry_points": _entry_points(read_json(directory, "info/link.json", label), label),
        "paths": [row[0] for row in rows],
        "size": sum(row[3] for row in rows),
        "has_modules": any(is_module(row[0]) for row in rows),
    }
    return summary, rows


def label_of(index: Mapping[str, Any]) -> str:
    """`name-version-build` for messages and file names."""
    return f"{index.get('name')}-{index.get('version')}-{index.get('build')}"


def place(
    summary: Mapping[str, Any],
    rows: Callable[[], Sequence[Sequence[Any]]],
    directory: Path,
    key: str,
    python: Python | None,
) -> Contents:
    """Where the package that `describe` saw, unpacked in `directory`, puts its files in a prefix with `python`.

    `rows` gives the files' rows when they are needed. Raises `PackageRefused` for a noarch python package
    in a set without python and for damaged entry points.
    """
    index = summary["index"]
    noarch_python = index.get("noarch") == "python"
    if noarch_python and python is None:
        raise PackageRefused(
            f"{label_of(index)} is a noarch python package, but the environment has no python: "
            "add python to its dependencies."
        )
    timestamp = int(index.get("timestamp") or 0) // 1000
    target = noarch_target(python) if noarch_python and python else str
    scripts: list[PlacedFile] = []
    if noarch_python and python:
        scripts = [entry_point_file(text, python, timestamp, label_of(index)) for text in summary["entry_points"]]
    paths = (*map(target, summary["paths"]), *(script.target for script in scripts))
    _refuse_twice(paths, label_of(index))
    base = f"{directory}/"

    def load() -> Sequence[PlacedFile]:
        return [PlacedFile(target(row[0]), base + row[0], *row[1:]) for row in rows()] + scripts

    return Contents(
        key=key,
        name=str(index["name"]),
        version=str(index["version"]),
        kind="conda",
        directory=directory,
        paths=paths,
        load=load,
        size=summary["size"],
        has_modules=summary["has_modules"],
        timestamp=timestamp,
        noarch_python=noarch_python,
        index=index,
    )


def _refuse_twice(paths: Sequence[str], label: str) -> None:
    # rattler would write an entry point through the link that stands there, into the package store.
    if len(set(paths)) < len(paths):
        twice = next(path for path in sorted(paths) if paths.count(path) > 1)
        raise PackageRefused(f"{label}: two of its files or entry points would stand at {twice!r} in the prefix.")


def python_of(index: Mapping[str, Any], sha256: str) -> Python:
    """The `Python` that a python package with this `info/index.json` provides."""
    version = str(index["version"])
    short = ".".join(version.split(".")[:2])
    site_packages = index.get("python_site_packages_path") or f"lib/python{short}/site-packages"
    return Python(sha256=sha256, version=version, site_packages=str(site_packages))


def noarch_target(python: Python) -> Callable[[str], str]:
    """How a noarch python package's paths are placed."""

    def target(path: str) -> str:
        if path.startswith("site-packages/"):
            return python.site_packages + path.removeprefix("site-packages")
        if path.startswith("python-scripts/"):
            return "bin" + path.removeprefix("python-scripts")
        return path

    return target


def read_paths(directory: Path, label: str) -> list[Any]:
    """The entries of `info/paths.json`, or of the older `info/files` and `info/has_prefix` where that is missing."""
    try:
        return PathsJson.from_package_directory_with_deprecated_fallback(directory).paths
    except Exception as error:
        raise PackageRefused(f"{label}: its list of files (info/paths.json) cannot be read: {error}") from error


def split_entry_point(text: str, label: str) -> tuple[str, str, str]:
    """`name = package.module:function` as (name, module, function); raises `PackageRefused` for anything else."""
    command, _, reference = (part.strip(" ") for part in text.partition("="))
    module, _, function = (part.strip(" ") for part in reference.partition(":"))
    valid = all(part.isidentifier() for part in [*module.split("."), *function.split(".")])
    if not valid or not command or "/" in command or command in {".", ".."} or not command.isprintable():
        raise PackageRefused(
            f"{label}: entry point {text!r} is not of the form 'name = package.module:function'; "
            "the package is damaged or hostile."
        )
    return command, module, function


def entry_point_file(text: str, python: Python, mtime: int, label: str) -> PlacedFile:
    """The console script of an entry point (format: `info/link.json`)."""
    command, module, function = split_entry_point(text, label)
    body = _ENTRY_POINT.format(module=module, head=function.split(".")[0], function=function)
    script = f"#!{PLACEHOLDER}/{python.executable}\n{body}"
    return PlacedFile(
        f"bin/{command}", None, ENTRY_POINT_MODE, mtime, len(script.encode()), None, PLACEHOLDER, "text", None, script
    )


def _row(directory: Path, label: str, entry: Any) -> list[Any]:
    relative = Path(entry.relative_path).as_posix()
    source = directory / relative
    try:
        status = source.lstat()
    except (OSError, ValueError) as error:
        raise PackageRefused(
            f"{label}: its list of files names {relative!r}, which the archive does not hold."
        ) from error
    is_link = stat.S_ISLNK(status.st_mode)
    prefix = None if is_link else entry.prefix_placeholder
    return [
        relative,
        stat.S_IMODE(status.st_mode) & 0o777,
        int(status.st_mtime),
        0 if is_link else status.st_size,
        str(source.readlink()) if is_link else None,
        prefix.placeholder if prefix else None,
        None if not prefix else "binary" if prefix.file_mode.binary else "text",
        entry.sha256.hex() if entry.sha256 and not is_link else None,
    ]


def _entry_points(link: Mapping[str, Any], label: str) -> list[str]:
    noarch = link.get("noarch")
    entries = noarch.get("entry_points") if isinstance(noarch, dict) else None
    if not isinstance(entries or [], list):
        raise PackageRefused(f"{label}: the entry points in info/link.json are not a list; the package is damaged.")
    return [str(entry) for entry in entries or []]


def read_json(directory: Path, name: str, label: str, required: bool = False) -> dict[str, Any]:
    """A JSON object of a package's `info/`; `{}` when it is missing and not required."""
    path = directory / name
    try:
        with open(path, "rb", opener=open_no_follow) as stream:
            value = json.load(stream)
    except FileNotFoundError:
        if not required:
            return {}
        raise PackageRefused(f"{label}: the package has no {name}; it is damaged.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise PackageRefused(f"{label}: {name} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise PackageRefused(f"{label}: {name} is not a JSON object; the package is damaged.")
    return value
