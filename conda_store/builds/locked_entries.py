"""One entry of a lockfile's list `package`: what must stand there, and what contradicts itself.

Hashes are mandatory, since they are what a build is made of: sha256 for everything, and md5 for conda packages
because the format has it so. A URL must name the package that the entry names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import yaml
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from conda_store.errors import BadInput, Problem
from conda_store.packages.channel_urls import normal_url, package_url, strip_credentials
from conda_store.packages.locked import SUFFIXES, CondaPackage, LockedWheel
from conda_store.specification_grammar import platform_fault
from conda_store.yaml_marks import Located, located

Key = tuple[str, str, str]  # manager, name, platform
_HASHES = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}
_WHEEL_WAY_OUT = "lock a version that has one, or take the package from a conda channel."
_REQUIRED = ("name", "version", "manager", "platform", "url")


def read_mapping(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """The keys of a mapping node that are text; empty for any other node."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


@dataclass
class _Entry:
    """An entry's texts with their places."""

    place: Located
    texts: Mapping[str, Located]
    hashes: Mapping[str, str]
    depends: tuple[str, ...]

    def __getitem__(self, key: str) -> str:
        return self.texts[key].text

    @property
    def file_name(self) -> str:
        return unquote(self["url"].partition("#")[0].rpartition("/")[2])


@dataclass
class EntryReader:
    """Reads entry after entry; what is sound is in `found`. `checks` (by manager) see every URL and raise BadInput."""

    checks: Mapping[str, Callable[[str], object]]
    problems: list[Problem]
    found: dict[Key, CondaPackage | LockedWheel] = field(default_factory=dict)

    def read(self, node: yaml.Node, path: str) -> None:
        before = len(self.problems)
        entry = self._entry(node, path)
        if entry is None or len(self.problems) > before:
            return
        package = self._conda(entry) if entry["manager"] == "conda" else self._wheel(entry)
        if package is not None and len(self.problems) == before:
            self._keep((entry["manager"], package.name, entry["platform"]), package, entry)

    def _entry(self, node: yaml.Node, path: str) -> _Entry | None:
        """None for an entry that is left out, or that lacks what every entry has."""
        keys = read_mapping(node)
        place = located(node, path)
        if not isinstance(node, yaml.MappingNode):
            self.problems.append(
                place.problem("An item of 'package' must be a mapping with name, version, url and hash.")
            )
            return None
        texts = {
            key: located(value, f"{path}.{key}") for key, value in keys.items() if isinstance(value, yaml.ScalarNode)
        }
        if "category" in texts and texts["category"].text not in ("main", ""):
            return None
        name = texts["name"].text if "name" in texts else "this entry"
        if missing := [key for key in _REQUIRED if key not in texts or not texts[key].text]:
            self.problems.append(place.problem(f"The entry '{name}' has no {', '.join(missing)}: lock again."))
            return None
        self._common(texts)
        wanted = ("sha256", "md5") if texts["manager"].text == "conda" else ("sha256",)
        return _Entry(
            place, texts, self._hashes(keys.get("hash"), place, name, wanted), _depends(keys.get("dependencies"))
        )

    def _common(self, texts: Mapping[str, Located]) -> None:
        if texts["manager"].text not in ("conda", "pip"):
            message = f"The manager '{texts['manager'].text}' is not known: it is 'conda' or 'pip'."
            self.problems.append(texts["manager"].problem(message))
        if fault := platform_fault(texts["platform"].text):
            self.problems.append(texts["platform"].problem(fault))

    def _hashes(self, node: yaml.Node | None, place: Located, name: str, wanted: tuple[str, ...]) -> dict[str, str]:
        found = {key: located(value, f"{place.path}.hash.{key}") for key, value in read_mapping(node).items()}
        for key in wanted:
            if key not in found or not found[key].text:
                message = f"The package '{name}' has no {key}, so it cannot be checked: lock again with conda-lock."
                self.problems.append(place.problem(message))
            elif not _HASHES[key].fullmatch(found[key].text.lower()):
                message = (
                    f"'{found[key].text[:80]}' is not a {key} of '{name}': it has other than {_digits(key)} hex digits."
                )
                self.problems.append(found[key].problem(message))
        return {key: value.text.lower() for key, value in found.items()}

    def _conda(self, entry: _Entry) -> CondaPackage | None:
        url = entry.texts["url"]
        try:
            parts = package_url(url.text)
            self.checks.get("conda", _allow)(url.text)
        except BadInput as error:
            self.problems.append(url.problem(error.message))
            return None
        name, version, platform = entry["name"].lower(), entry["version"], entry["platform"]
        build = self._build(entry, name, version)
        if parts.subdir not in (platform, "noarch"):
            message = f"'{name}' stands here for {platform}, but its URL is that of a package for {parts.subdir}."
            self.problems.append(url.problem(message))
        return CondaPackage(
            name=name,
            version=version,
            build=build,
            subdir=parts.subdir,
            url=url.text.partition("#")[0],
            sha256=entry.hashes["sha256"],
            md5=entry.hashes["md5"],
            depends=entry.depends,
        )

    def _build(self, entry: _Entry, name: str, version: str) -> str:
        """The build string; older files leave it to the URL."""
        file_name = entry.file_name
        stem = next(file_name.removesuffix(suffix) for suffix in SUFFIXES if file_name.endswith(suffix))
        build = entry["build"] if "build" in entry.texts else stem.removeprefix(f"{name}-{version}-")
        if stem != f"{name}-{version}-{build}" or "-" in build:
            self._contradiction(entry, " ".join([name, version, build if "build" in entry.texts else ""]).strip())
        return build

    def _contradiction(self, entry: _Entry, said: str) -> None:
        message = f"The URL's file '{entry.file_name[:80]}' is not {said}: one of the two is wrong."
        self.problems.append(entry.texts["url"].problem(message))

    def _wheel(self, entry: _Entry) -> LockedWheel | None:
        url, name = entry.texts["url"], canonicalize_name(entry["name"])
        plain = url.text.partition("#")[0]
        try:
            if not normal_url(plain).startswith(("https:", "http:")):
                shown = strip_credentials(plain)[:200]
                raise BadInput(f"The wheel of '{name}' is at '{shown}': only http and https URLs are fetched.")
            self.checks.get("pip", _allow)(plain)
            file_name, version, _, _ = parse_wheel_filename(entry.file_name)
            same = file_name == name and version == Version(entry["version"])
        except BadInput as error:
            self.problems.append(url.problem(error.message))
            return None
        except (InvalidWheelFilename, InvalidVersion):
            message = f"'{entry.file_name[:80]}' of '{name}' is not a wheel, and others are not taken: {_WHEEL_WAY_OUT}"
            self.problems.append(url.problem(message))
            return None
        if not same:
            self._contradiction(entry, f"{name} {entry['version']}")
        return LockedWheel(name, entry["version"], plain, entry.hashes["sha256"], depends=entry.depends)

    def _keep(self, key: Key, package: CondaPackage | LockedWheel, entry: _Entry) -> None:
        # conda-lock repeats an entry for each of its categories.
        if self.found.setdefault(key, package) != package:
            message = f"'{key[1]}' stands twice for {key[2]}, as {self.found[key]} and {package}: keep one of them."
            self.problems.append(entry.place.problem(message))


def _depends(node: yaml.Node | None) -> tuple[str, ...]:
    pairs = [(name, located(value, "").text) for name, value in read_mapping(node).items()]
    return tuple(f"{name} {constraint}".strip() for name, constraint in pairs)


def _digits(key: str) -> int:
    return 64 if key == "sha256" else 32


def _allow(_url: str) -> None:
    return None
