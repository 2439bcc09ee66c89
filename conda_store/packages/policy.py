"""Which packages, platforms and licences environments may have, and what is added to what they ask for.

A policy is a value, made of what several levels say (`builds/policies.py`); each restriction knows the level that sets
it. Channels and URLs are `channels`'; how packages are matched, `denied`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from conda_store.errors import PolicyRefused, Problem
from conda_store.packages import denied
from conda_store.packages.locked import CondaPackage, Lock, LockedWheel, PlatformLock
from conda_store.packages.matchspecs import channel_and_name, matchspec_fault
from conda_store.specification import Entries, Specification


class Rule(NamedTuple):
    """What one level (`the namespace 'data'`) says: a package, a licence."""

    level: str
    text: str


class Choice(NamedTuple):
    """What one level leaves to choose from."""

    level: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class PackagePolicy:
    """What holds for the packages of one environment. Texts are MatchSpecs, pip requirements and SPDX licences.

    `default` counts where a specification names no package, `included` is added unless it names the same one,
    `required` must be among them. `no_pip` are the levels that allow no pip section. `virtual` are virtual packages by
    platform, over the defaults of `virtual_packages`.
    """

    denied: tuple[Rule, ...] = ()
    denied_pip: tuple[Rule, ...] = ()
    denied_licenses: tuple[Rule, ...] = ()
    required: tuple[Rule, ...] = ()
    required_pip: tuple[Rule, ...] = ()
    platforms: tuple[Choice, ...] = ()
    no_pip: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    default_pip: tuple[str, ...] = ()
    included: tuple[str, ...] = ()
    included_pip: tuple[str, ...] = ()
    virtual: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def completed(self, specification: Specification) -> Specification:
        """The specification with what is added to it; the same one when that is nothing."""
        dependencies = specification.dependencies or self.default
        pip = specification.pip or self.default_pip
        names, pip_names = _conda_names(dependencies), _pip_names(pip)
        added = [text for text in self.included if not _conda_names([text]) & names]
        added_pip = [text for text in self.included_pip if not _pip_names([text]) & pip_names]
        return replace(specification, dependencies=(*dependencies, *added), pip=(*pip, *added_pip))

    def check_entries(self, entries: Entries) -> list[Problem]:
        """What a file asks for and cannot have, each with its place."""
        found = []
        for entry in entries.dependencies:
            if not matchspec_fault(entry.text) and (rule := denied.by_request(entry.text, self.denied)):
                found.append(entry.problem(_denies(rule, "conda_denied_packages")))
        for entry in entries.pip:
            if self.no_pip:
                found.append(entry.problem(f"{_upper(self.no_pip[0])} takes no pip packages (pip_policy): remove it."))
            elif rule := denied.by_requirement(entry.text, self.denied_pip):
                found.append(entry.problem(_denies(rule, "pypi_denied_packages")))
        return found

    def check_asked(self, specification: Specification) -> list[Problem]:
        """What a completed specification lacks, and platforms that it may not have."""
        conda, pip = _conda_names(specification.dependencies), _pip_names(specification.pip)
        found = [
            _lacking(rule, "dependencies", "conda") for rule in self.required if not _conda_names([rule.text]) & conda
        ]
        found += [_lacking(rule, "pip", "pypi") for rule in self.required_pip if not _pip_names([rule.text]) & pip]
        return found + self.check_platforms(specification.platforms)

    def check_platforms(self, platforms: Iterable[str]) -> list[Problem]:
        """Platforms that may not be solved for."""
        return [
            Problem(
                f"{_upper(choice.level)} does not allow the platform '{platform}' (allowed_platforms): "
                f"use {', '.join(choice.values)}.",
                path="platforms",
            )
            for platform in platforms
            for choice in self.platforms
            if platform not in choice.values
        ]

    def check_lock(self, lock: Lock, specification: Specification) -> None:
        """What was solved or locked. Raises `PolicyRefused` naming the rule and how the package comes to be there."""
        if problems := self.check_platforms(lock.platforms):
            raise PolicyRefused("\n".join(problem.message for problem in problems), problems)
        for one in lock:
            self._check_platform(one, specification)

    def _check_platform(self, lock: PlatformLock, specification: Specification) -> None:
        for package in lock.conda:
            if rule := denied.by_package(package, self.denied):
                raise _refused(rule, "conda_denied_packages", package, lock, specification)
            if rule := denied.by_license(package.license, self.denied_licenses):
                raise _refused(rule, "denied_licenses", package, lock, specification)
        for wheel in lock.wheels:
            if self.no_pip:
                raise PolicyRefused(f"{_upper(self.no_pip[0])} takes no pip packages (pip_policy), such as {wheel}.")
            if rule := denied.by_wheel(wheel, self.denied_pip):
                raise _refused(rule, "pypi_denied_packages", wheel, lock, specification)
        for rule in self.required:
            if not any(denied.by_package(package, [rule]) for package in lock.conda):
                raise PolicyRefused(_lacking(rule, "dependencies", "conda").message)

    def check_licenses(self, licenses: Mapping[CondaPackage, str], lock: PlatformLock) -> None:
        """What packages themselves say of their licences, which a channel's index may not. Raises `PolicyRefused`."""
        for package, text in licenses.items():
            if rule := denied.by_license(text, self.denied_licenses):
                raise _refused(rule, "denied_licenses", replace(package, license=text), lock)


#: What says nothing.
ANY_PACKAGE = PackagePolicy()


def _conda_names(texts: Iterable[str]) -> set[str]:
    return {channel_and_name(text).name for text in texts}


def _pip_names(texts: Iterable[str]) -> set[str]:
    return {name for text in texts if (name := requirement_name(text))}


def requirement_name(text: str) -> str | None:
    """The normalised name in a pip requirement; None for what is none."""
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return None


def _upper(level: str) -> str:
    return level[:1].upper() + level[1:]


def _denies(rule: Rule, setting: str) -> str:
    return f"{_upper(rule.level)} denies '{rule.text}' ({setting}): leave it out, or ask an administrator."


def _lacking(rule: Rule, place: str, kind: str) -> Problem:
    setting = f"{kind}_required_packages"
    return Problem(f"{_upper(rule.level)} requires '{rule.text}' ({setting}): add it to '{place}'.", path=place)


def _refused(
    rule: Rule,
    setting: str,
    package: CondaPackage | LockedWheel,
    lock: PlatformLock,
    specification: Specification | None = None,
) -> PolicyRefused:
    named = str(package)
    if setting == "denied_licenses" and isinstance(package, CondaPackage):
        named = f"{package} (under '{package.license}')"
    path = " → ".join(dependency_path(package, lock, specification))
    return PolicyRefused(
        f"{_upper(rule.level)} denies '{rule.text}' ({setting}), and the environment needs {named} for "
        f"{lock.platform}: {path}. Ask for something else, or let an administrator change the setting."
    )


def dependency_path(
    package: CondaPackage | LockedWheel, lock: PlatformLock, specification: Specification | None = None
) -> Sequence[str]:
    """The shortest way from something that was asked for (else, that nothing else needs) to a package, by names."""
    packages: list[CondaPackage | LockedWheel] = [*lock.conda, *lock.wheels]
    depends = {_plain(one.name): set(_depends(one)) for one in packages}
    asked = depends.keys() - {name for names in depends.values() for name in names}
    if specification is not None:
        asked = {_plain(name) for name in _conda_names(specification.dependencies) | _pip_names(specification.pip)}
    ways = [[name] for name in sorted(asked & depends.keys())]
    seen = set(asked)
    wanted = _plain(package.name)
    for way in ways:
        if way[-1] == wanted:
            return way
        for name in sorted(depends.get(way[-1], ())):
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return [package.name]


def _plain(name: str) -> str:
    return canonicalize_name(name) if not name.startswith("_") else name


def _depends(package: CondaPackage | LockedWheel) -> Iterator[str]:
    for text in package.depends:
        if name := text.split(maxsplit=1)[:1]:
            yield _plain(denied.bare_name(name[0]))
