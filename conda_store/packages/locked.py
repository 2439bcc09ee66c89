"""What a lock holds, as values: exactly which conda packages and wheels, for each platform.

Everything after the solve depends on these values and on the packages' own bytes, never on repodata: so a
build from a lockfile and the build that wrote it give the same digests. How a lock looks as a file is
`builds/lockfile.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

SUFFIXES = (".conda", ".tar.bz2")


@dataclass(frozen=True, order=True)
class CondaPackage:
    """One conda package by the digest of its archive.

    `url` carries no credentials; `sha256` and `md5` are lower-case hex; `size` is the archive's bytes, or
    None when a lockfile does not say; `depends` are MatchSpec texts, for the lockfile's reader only; `license` is what
    the channel's index says.
    """

    name: str
    version: str
    build: str
    subdir: str
    url: str
    sha256: str
    md5: str
    size: int | None = field(default=None, compare=False)
    depends: tuple[str, ...] = field(default=(), compare=False)
    license: str | None = field(default=None, compare=False)

    @property
    def file_name(self) -> str:
        """`numpy-2.1.0-py311_0.conda`"""
        return unquote(PurePosixPath(urlsplit(self.url).path).name)

    @property
    def channel(self) -> str:
        """The URL of the channel: all of `url` but `<subdir>/<file>`."""
        return self.url.rsplit("/", 2)[0]

    @property
    def stem(self) -> str:
        """`numpy-2.1.0-py311_0`, the name of `conda-meta/<stem>.json` and of the directory in a package cache."""
        return f"{self.name}-{self.version}-{self.build}"

    def __str__(self) -> str:
        return self.stem


@dataclass(frozen=True, order=True)
class LockedWheel:
    """One wheel from a package index by its digest; `name` is normalised (PEP 503)."""

    name: str
    version: str
    url: str
    sha256: str
    size: int | None = field(default=None, compare=False)
    depends: tuple[str, ...] = field(default=(), compare=False)

    @property
    def file_name(self) -> str:
        """`pytz-2025.2-py2.py3-none-any.whl`"""
        return unquote(PurePosixPath(urlsplit(self.url).path).name)

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class PlatformLock:
    """All packages of one platform (a conda subdir such as `linux-64`), each kind sorted by name."""

    platform: str
    conda: tuple[CondaPackage, ...]
    wheels: tuple[LockedWheel, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "conda", tuple(sorted(self.conda)))
        object.__setattr__(self, "wheels", tuple(sorted(self.wheels)))


@dataclass(frozen=True)
class Lock:
    """A multi-platform lock: channels in order (URLs without credentials) and a `PlatformLock` for each platform."""

    channels: tuple[str, ...]
    platforms: Mapping[str, PlatformLock]

    def __post_init__(self) -> None:
        ordered = {name: self.platforms[name] for name in sorted(self.platforms)}
        object.__setattr__(self, "platforms", MappingProxyType(ordered))

    def __iter__(self) -> Iterator[PlatformLock]:
        return iter(self.platforms.values())
