"""A lock as a file: conda-lock's `conda-lock.yml`, version 1, for all platforms at once.

Written through conda-lock's own models, so that conda-lock, mamba, micromamba and pixi's converters read it; the
normalised specification travels in its `custom_metadata`, because name and variables are part of every artifact
and the format has no other place for them. How such a file is read stands in `lockfile_reader`.
Format: conda-lock's `conda-lock-v1.schema.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import yaml

from conda_store.builds.conda_lock_models import lockfile_models
from conda_store.builds.lockfile_reader import SPECIFICATION_KEY, parse_lockfile
from conda_store.packages.channel_urls import strip_credentials
from conda_store.packages.locked import CondaPackage, Lock, LockedWheel, PlatformLock
from conda_store.specification import Specification

if TYPE_CHECKING:
    from conda_lock.lockfile.v1.models import LockedDependency, Lockfile

__all__ = ["is_lockfile", "lockfile_json", "lockfile_text", "parse_lockfile"]

_HEADER = """\
# A lockfile in conda-lock's format, made by conda-store: exactly these packages, each with its hash.
# Install it with 'conda-store build', 'conda-lock install' or 'micromamba create -f'.
"""
# libyaml writes the same text as PyYAML's own emitter, ten times faster; some builds of PyYAML lack it.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_TOP_KEY = re.compile(r"""^["']?([A-Za-z_]+)["']?\s*:""", re.MULTILINE)
_JSON_KEY = re.compile(r'"(version|metadata|package|packages|environments|dependencies)"\s*:')
_LOOKED_AT = 64 * 1024  # bytes; every tool writes version and metadata first
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_SECRET = re.compile(r"(?<=://)[^/@\s\"]+@|(?<=/)t/[^/\s\"]+/")


def lockfile_text(lock: Lock, specification: Specification) -> str:
    """`conda-lock.yml` of a lock: the same text for equal arguments, without times, user names and credentials."""
    document = _model(lock, specification).dict_for_output()
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1_000_000)
    return _HEADER + str(body)


def lockfile_json(lock: Lock, specification: Specification) -> str:
    """The same as JSON, which is YAML too: what clients read that have no YAML parser."""
    return json.dumps(_model(lock, specification).dict_for_output(), indent=1) + "\n"


def is_lockfile(source: bytes | str) -> bool:
    """Whether a file is some lockfile (conda-lock's, or pixi's, which `parse_lockfile` refuses by name); cheap."""
    head = source[:_LOOKED_AT]
    text = head.decode("utf-8", "replace") if isinstance(head, bytes) else head
    text = text.removeprefix("\ufeff").lstrip()
    keys = set((_JSON_KEY if text.startswith("{") else _TOP_KEY).findall(text))
    if {"metadata", "package"} <= keys:
        return True
    return "version" in keys and bool(keys & {"metadata", "package", "packages", "environments"})


def _model(lock: Lock, specification: Specification) -> Lockfile:
    models = lockfile_models()
    metadata = models.LockMeta(
        content_hash={platform: specification.sha256 for platform in lock.platforms},
        channels=[models.Channel(url=strip_credentials(channel), used_env_vars=()) for channel in lock.channels],
        platforms=list(lock.platforms),
        sources=[],
        custom_metadata={SPECIFICATION_KEY: _specification_json(specification)},
    )
    entries = [entry for platform_lock in lock for entry in _entries(models, platform_lock)]
    entries.sort(key=lambda entry: (entry.manager, entry.name, entry.platform))
    lockfile: Lockfile = models.Lockfile(version=1, metadata=metadata, package=entries)
    return lockfile


def _entries(models: Any, lock: PlatformLock) -> Iterator[LockedDependency]:
    for package in lock.conda:
        yield _entry(models, package, "conda", lock.platform, {"md5": package.md5, "sha256": package.sha256})
    for wheel in lock.wheels:
        yield _entry(models, wheel, "pip", lock.platform, {"sha256": wheel.sha256})


def _entry(
    models: Any, package: CondaPackage | LockedWheel, manager: Any, platform: str, hashes: dict[str, str]
) -> LockedDependency:
    entry: LockedDependency = models.LockedDependency(
        name=package.name,
        version=package.version,
        manager=manager,
        platform=platform,
        dependencies=_dependencies(package.depends),
        url=strip_credentials(package.url),
        hash=models.HashModel(**hashes),
        category="main",
        optional=False,
    )
    if isinstance(package, CondaPackage):
        entry.build = package.build
    return entry


def _dependencies(depends: Iterable[str]) -> dict[str, str]:
    """`["python >=3.11", "tzdata"]` as the format's mapping of name to constraint.

    A name may stand there once: several version conditions are joined; of several with builds the first is kept,
    since the mapping is for readers and no package is chosen by it.
    """
    found: dict[str, str] = {}
    for text in depends:
        name = _NAME.match(text.strip())
        if name is None:
            continue
        constraint = text.strip()[name.end() :].strip()
        before = found.setdefault(name[0], constraint)
        if before != constraint and constraint and " " not in constraint + before:
            found[name[0]] = ",".join(filter(None, (before, constraint)))
    return dict(sorted(found.items()))


def _specification_json(specification: Specification) -> str:
    """Plain ASCII, so that no reader of YAML has to know what may stand in a text."""
    document = {key: value for key, value in specification.as_dict().items() if key != "prefix"}
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).replace("\x7f", "\\u007f")
    return _SECRET.sub("", text)
