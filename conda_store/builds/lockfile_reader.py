"""Reads a `conda-lock.yml` that anyone may have written: every problem at once, each with its place.

Accepted is conda-lock's format, version 1, as YAML or JSON. Entries of other categories than `main` (conda-lock's
`dev` and extras) are left out. No request is made, and nothing is believed about a package that its URL contradicts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import yaml
from packaging.utils import canonicalize_name

from conda_store.builds.locked_entries import EntryReader, read_mapping
from conda_store.errors import BadInput, CondaStoreError, Problem, SpecificationInvalid
from conda_store.image_options import ImageOptions
from conda_store.packages.channel_urls import is_url, strip_credentials
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.locked import CondaPackage, Lock, LockedWheel, PlatformLock
from conda_store.specification import Specification
from conda_store.specification_grammar import platform_fault
from conda_store.yaml_marks import YamlLimits, compose, decode, faults, kind, located

SPECIFICATION_KEY = "conda-store-specification"
#: 500 packages for five platforms are two megabytes and 100,000 nodes.
LIMITS = YamlLimits(max_bytes=16 * 1024 * 1024, max_depth=16, max_nodes=1_000_000)
_SHOWN_PROBLEMS = 50


def parse_lockfile(
    source: bytes | str,
    *,
    policy: ChannelPolicy | None = None,
    default_name: str | None = None,
    platforms: Iterable[str] | None = None,
    check_wheel_url: Callable[[str], object] | None = None,
    limits: YamlLimits = LIMITS,
) -> tuple[Lock, Specification]:
    """The lock and the specification it was made from.

    `policy` decides whose packages may be fetched (None: anyone's). Wheels come from an index's own host, which no
    channel policy knows: `check_wheel_url` sees each URL and raises PolicyRefused; without it `policy` must allow them
    as it does pip's direct URLs. `platforms` restricts the lock to these. A file by another tool has no
    specification: then the packages that no other requires become its dependencies, and `default_name` its name.
    Raises SpecificationInvalid with subject `lockfile`.
    """
    checks = _checks(policy, check_wheel_url)
    try:
        return _Reader(policy or ChannelPolicy(), checks, default_name).read(_root(source, limits), platforms)
    except SpecificationInvalid as error:
        raise SpecificationInvalid(_in_order(error.problems), "lockfile") from None


def _in_order(found: Iterable[Problem]) -> list[Problem]:
    problems = sorted(dict.fromkeys(found), key=lambda problem: (problem.line or 0, problem.column or 0))
    if (rest := len(problems) - _SHOWN_PROBLEMS) > 0:
        problems[_SHOWN_PROBLEMS:] = [Problem(f"… and {rest} more problems.")]
    return problems


def _checks(
    policy: ChannelPolicy | None, check_wheel_url: Callable[[str], object] | None
) -> Mapping[str, Callable[[str], object]]:
    if policy is None:
        return {"pip": check_wheel_url} if check_wheel_url else {}
    pip = check_wheel_url or partial(policy.check_url, kind="pip")
    return {"conda": partial(policy.check_url, kind="package"), "pip": pip}


def _root(source: bytes | str, limits: YamlLimits) -> yaml.MappingNode:
    node = compose(_as_yaml(decode(source, limits.max_bytes)), limits)
    if node is None or kind(node) == "null":
        raise SpecificationInvalid([Problem("The file is empty.")])
    if not isinstance(node, yaml.MappingNode):
        message = "A lockfile is a mapping with 'version', 'metadata' and 'package'; this is a list or plain text."
        raise SpecificationInvalid([located(node, "").problem(message)])
    return node


def _as_yaml(text: str) -> str:
    r"""JSON is YAML but for tabs between its tokens and `\ud83d\ude00`-like pairs: written anew where it has them."""
    if text.lstrip().startswith("{") and ("\t" in text or "\\u" in text):
        try:
            return json.dumps(json.loads(text), ensure_ascii=False, indent=1)
        except (ValueError, RecursionError):
            return text  # the YAML reader says what is wrong, and where
    return text


@dataclass
class _Reader:
    policy: ChannelPolicy
    checks: Mapping[str, Callable[[str], object]]
    default_name: str | None
    problems: list[Problem] = field(default_factory=list)

    def read(self, root: yaml.MappingNode, wanted: Iterable[str] | None) -> tuple[Lock, Specification]:
        keys = read_mapping(root)
        self._version(root, keys)
        self.problems.extend(faults(root))
        metadata = read_mapping(keys.get("metadata"))
        entries = EntryReader(self.checks, self.problems)
        package = keys.get("package")
        if not isinstance(package, yaml.SequenceNode):
            place = located(root if package is None else package, "package")
            raise SpecificationInvalid([*self.problems, place.problem("The list 'package' is missing: lock again.")])
        for number, node in enumerate(package.value):
            entries.read(node, f"package[{number}]")
        platforms = dict.fromkeys([*self._platforms(metadata.get("platforms")), *(key[2] for key in entries.found)])
        lock = Lock(self._channels(metadata.get("channels")), _by_platform(entries.found, platforms))
        specification = self._specification(metadata, lock)
        if self.problems or specification is None:
            raise SpecificationInvalid(self.problems)
        return _restricted(lock, wanted), specification

    def _version(self, root: yaml.MappingNode, keys: Mapping[str, yaml.Node]) -> None:
        node = keys.get("version")
        text = located(node, "version").text if node is not None else None
        if text == "1":
            return
        place = located(node if node is not None else root, "version")
        if "environments" in keys or "packages" in keys:
            message = (
                f"This is a pixi.lock (version {text}), which is another format: submit the environment.yaml that "
                "'pixi workspace export conda-environment' writes, or convert it with pixi-to-conda-lock."
            )
        elif text is None:
            message = "The key 'version' is missing: conda-lock's files begin with 'version: 1'."
        else:
            message = (
                f"Version '{text[:20]}' of the lockfile format is not known: lock again with conda-lock's version 1."
            )
        raise SpecificationInvalid([place.problem(message)])

    def _platforms(self, node: yaml.Node | None) -> list[str]:
        found = []
        for number, item in enumerate(node.value if isinstance(node, yaml.SequenceNode) else []):
            place = located(item, f"metadata.platforms[{number}]")
            if fault := platform_fault(place.text):
                self.problems.append(place.problem(fault))
            else:
                found.append(place.text)
        return found

    def _channels(self, node: yaml.Node | None) -> tuple[str, ...]:
        """Only what the lock says of its origin: whether a package may be fetched is asked for each URL."""
        found = []
        for number, item in enumerate(node.value if isinstance(node, yaml.SequenceNode) else []):
            url = read_mapping(item).get("url", item)
            place = located(url, f"metadata.channels[{number}]")
            try:
                found.append(
                    strip_credentials(place.text) if is_url(place.text) else self.policy.channel_url(place.text)
                )
            except BadInput as error:
                self.problems.append(place.problem(error.message))
        return tuple(found)

    def _specification(self, metadata: Mapping[str, yaml.Node], lock: Lock) -> Specification | None:
        node = read_mapping(metadata.get("custom_metadata")).get(SPECIFICATION_KEY)
        place = located(node, f"metadata.custom_metadata.{SPECIFICATION_KEY}") if node is not None else None
        try:
            if place is not None:
                return specification_from(json.loads(place.text))
            if self.default_name is not None:
                return _derived(self.default_name, lock)
            self.problems.append(Problem("The lockfile names no environment: give it a name when you submit it."))
        except SpecificationInvalid as error:
            self.problems.extend(place.problem(problem.message) if place else problem for problem in error.problems)
        except (ValueError, RecursionError, CondaStoreError):
            message = f"The specification under '{SPECIFICATION_KEY}' is damaged: delete this key, or lock again."
            self.problems.append(place.problem(message) if place else Problem(message))
        return None


def specification_from(document: Any) -> Specification:
    """The specification whose `as_dict` is `document`. Raises ValueError when it is the dict of none."""
    if not isinstance(document, dict):
        raise ValueError("not a mapping")
    dependencies = list(_list(document.get("dependencies", []), (str, dict)))
    nested = [item for item in dependencies if isinstance(item, dict)]
    if any(set(item) != {"pip"} for item in nested):
        raise ValueError("an unknown section")
    variables = document.get("variables", {})
    if not isinstance(variables, dict):
        raise ValueError("variables are no mapping")
    _list([document.get("name"), document.get("description", ""), *variables.values()], str)
    return Specification(
        name=document["name"],
        channels=tuple(_list(document.get("channels", []), str)),
        dependencies=tuple(item for item in dependencies if isinstance(item, str)),
        pip=tuple(text for item in nested for text in _list(item["pip"], str)),
        variables=tuple(variables.items()),
        platforms=tuple(_list(document.get("platforms", []), str)),
        description=document.get("description", ""),
        image=ImageOptions.read(document.get("image")),
    )


def _list(value: Any, of: type | tuple[type, ...]) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(item, of) for item in value):
        raise ValueError("not the list that it should be")
    return value


def _by_platform(
    found: Mapping[tuple[str, str, str], CondaPackage | LockedWheel], platforms: Iterable[str]
) -> dict[str, PlatformLock]:
    here = {platform: [package for key, package in found.items() if key[2] == platform] for platform in platforms}
    return {
        platform: PlatformLock(
            platform,
            tuple(package for package in packages if isinstance(package, CondaPackage)),
            tuple(package for package in packages if isinstance(package, LockedWheel)),
        )
        for platform, packages in here.items()
    }


def _derived(name: str, lock: Lock) -> Specification:
    conda = [package for platform_lock in lock for package in platform_lock.conda]
    wheels = [wheel for platform_lock in lock for wheel in platform_lock.wheels]
    return Specification(name, lock.channels, _roots(conda), _roots(wheels), platforms=tuple(lock.platforms))


def _roots(packages: Iterable[CondaPackage] | Iterable[LockedWheel]) -> tuple[str, ...]:
    """Names that no other package requires; all names where packages require each other in a ring."""
    listed: list[CondaPackage | LockedWheel] = [*packages]
    required = {
        canonicalize_name(re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0])
        for package in listed
        for text in package.depends
    }
    names = {package.name for package in listed}
    return tuple(sorted({name for name in names if canonicalize_name(name) not in required} or names))


def _restricted(lock: Lock, wanted: Iterable[str] | None) -> Lock:
    if wanted is None:
        return lock
    asked = list(wanted)
    if missing := [platform for platform in asked if platform not in lock.platforms]:
        has = ", ".join(lock.platforms) or "none"
        raise SpecificationInvalid([Problem(f"The lockfile is not for {', '.join(missing)}; it is for: {has}.")])
    return Lock(lock.channels, {platform: lock.platforms[platform] for platform in asked})
