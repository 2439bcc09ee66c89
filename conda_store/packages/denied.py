"""Whether a package, a request or a licence is among those that are denied; which rule says so.

Grammar: conda's MatchSpec with `*` in names, pip's requirements, SPDX licence expressions with `*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from rattler import BuildString, MatchSpec, PackageRecord, VersionWithSource

from conda_store.packages.locked import CondaPackage, LockedWheel
from conda_store.packages.matchspecs import matchspec_fault

if TYPE_CHECKING:
    from conda_store.packages.policy import Rule

_EXACT = re.compile(r"==([^*,|<>=!~\s]+)")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_RULE_NAME = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9._*-]*")


def package_fault(text: str) -> str | None:
    """Why a text cannot name denied conda packages; None when it can."""
    name = _RULE_NAME.match(text)
    plain = f"{name[0].replace('*', 'x')}{text[name.end() :]}" if name else text
    if (fault := matchspec_fault(plain)) is None:
        return None
    return f"'{text[:100]}' names no packages: write 'name', 'name <3' or 'name-*' ({fault[:200]})"


def requirement_fault(text: str) -> str | None:
    """The same for pip packages."""
    try:
        Requirement(text)
    except InvalidRequirement:
        return f"'{text[:100]}' names no pip package: write 'name' or 'name<3'"
    return None


def bare_name(text: str) -> str:
    """The name at the beginning of a dependency."""
    found = _NAME.match(text.rpartition("::")[2])
    return found[0] if found else text


def by_package(package: CondaPackage, rules: Iterable[Rule]) -> Rule | None:
    """The rule that denies a conda package."""
    named = [rule for rule in rules if _may_name(rule.text, package.name)]
    if not named:
        return None
    record = _record(package.name, package.version, package.build, package.subdir)
    return next((rule for rule in named if _spec(rule.text).matches(record)), None)


def by_request(text: str, rules: Iterable[Rule]) -> Rule | None:
    """The rule that denies whatever could answer a dependency: all versions of it, or the one that it names."""
    spec = MatchSpec(text)
    name = spec.name.normalized if spec.name else ""
    exact = _EXACT.fullmatch(str(spec.version or ""))
    for rule in rules:
        wanted = _spec(rule.text)
        anything = wanted.version is None and wanted.build is None
        if not _may_name(rule.text, name) or not (anything or (exact and wanted.build is None)):
            continue
        if wanted.matches(_record(name, exact[1] if exact else "0", "0", "noarch")):
            return rule
    return None


def by_requirement(text: str, rules: Iterable[Rule]) -> Rule | None:
    """The rule that denies whatever could answer a pip requirement."""
    try:
        asked = Requirement(text)
    except InvalidRequirement:
        return None
    exact = [one.version for one in asked.specifier if one.operator in ("==", "===") and "*" not in one.version]
    for rule in rules:
        wanted = Requirement(rule.text)
        same = canonicalize_name(wanted.name) == canonicalize_name(asked.name)
        if same and (not wanted.specifier or any(wanted.specifier.contains(one, True) for one in exact)):
            return rule
    return None


def by_wheel(wheel: LockedWheel, rules: Iterable[Rule]) -> Rule | None:
    """The rule that denies a wheel."""
    return by_requirement(f"{wheel.name}=={wheel.version}", rules)


def by_license(text: str | None, rules: Iterable[Rule]) -> Rule | None:
    """The rule that denies a licence; of alternatives (`OR`) all must be denied. An unknown licence is none."""
    return next((rule for rule in rules if text and _is_under(text, rule.text)), None)


@lru_cache(maxsize=4096)
def _is_under(text: str, pattern: str) -> bool:
    # 50 ms that only those pay who deny licences.
    from license_expression import ExpressionError, ExpressionParseError, Licensing

    licensing: Any = Licensing()  # type: ignore[no-untyped-call]
    try:
        return _any_way(licensing.parse(text), pattern.casefold(), licensing)
    except (ExpressionError, ExpressionParseError):
        return fnmatchcase(text.casefold(), pattern.casefold())


def _any_way(expression: Any, pattern: str, licensing: Any) -> bool:
    if isinstance(expression, licensing.OR):
        return all(_any_way(one, pattern, licensing) for one in expression.args)
    if isinstance(expression, licensing.AND):
        return any(_any_way(one, pattern, licensing) for one in expression.args)
    plain = getattr(expression, "license_symbol", expression)
    return any(fnmatchcase(str(one.render()).casefold(), pattern) for one in (expression, plain))


@lru_cache(maxsize=1024)
def _spec(text: str) -> MatchSpec:
    return MatchSpec(text, exact_names_only=False)


def _may_name(rule: str, name: str) -> bool:
    """Cheaper than to ask rattler, for the many packages that are not meant."""
    return "*" in rule or "^" in rule or bare_name(rule).lower() == name


def _record(name: str, version: str, build: str, subdir: str) -> PackageRecord:
    return PackageRecord(name, VersionWithSource(version), BuildString(build), 0, subdir)
