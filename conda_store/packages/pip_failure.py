"""Why a pip section cannot be met, in words that name both sides and the way out.

The texts that are looked for are those of uv 0.13; what is not known here is passed on as uv said it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from conda_store.errors import CondaStoreError, FetchFailed, SolveFailed
from conda_store.packages.pip_provided import ProvidedDistribution
from conda_store.packages.uv_process import without_credentials
from conda_store.packages.wheel_target import WheelTarget

_NETWORK = re.compile(
    r"Failed to (?:fetch|download)|Request failed|error sending request|dns error|timed out|connect error"
    r"|HTTP status|certificate|[Nn]etwork connectivity"
)
_UNKNOWN = re.compile(r"\b([\w.-]+) (?:was|were) not found in the (?:package registry|provided package locations)")
_NO_WHEEL = re.compile(r"\b([\w.-]+)[^\s]* (?:has|have) no (usable wheels|wheels with)")
_DEPENDS = re.compile(r"\b([\w.-]+)(\[[\w,.-]+\])?(?:[<>=!~]\S*)? depends on ([\w.-]+)((?:[<>=!~]=?[\w.*+!]+,?)+)")


def explain(
    stderr: str, lines: Sequence[str], provided: Sequence[ProvidedDistribution], target: WheelTarget
) -> CondaStoreError:
    """What uv said, as an error of ours; the wording is that of uv 0.13, and anything unknown is passed on."""
    text = without_credentials(" ".join(re.sub(r"\x1b\[[0-9;]*m", "", stderr).split()))
    if _NETWORK.search(text) and "No solution found" not in text:
        url = re.search(r"https?://[^\s`)]+", text)
        where = f" ({url[0]})" if url else ""
        return FetchFailed(f"pip: the package index{where} cannot be reached: {text.rpartition('cause: ')[2]}")
    if conflict := _indirect_conflict(text, lines, provided):
        return SolveFailed(conflict)
    if unknown := _UNKNOWN.search(text):
        return SolveFailed(_no_such_package(unknown[1], provided))
    if missing := _NO_WHEEL.search(text):
        return SolveFailed(no_wheel(missing[1], target, only_source=missing[2] == "usable wheels"))
    reason = re.sub(r"^error: No solution found when resolving dependencies(?: \(.*?\))?:? ?(?:cause: )?", "", text)
    return SolveFailed(f"pip: the requirements cannot be met together. {reason.partition(' hint: ')[0]}")


def direct_conflict(lines: Iterable[str], provided: Sequence[ProvidedDistribution]) -> str | None:
    """What to say of the first requirement that conda's own packages do not meet; None when they meet all."""
    versions = {distribution.name: distribution.version for distribution in provided}
    for line in lines:
        requirement = Requirement(line)
        version = None if requirement.marker else versions.get(canonicalize_name(requirement.name))
        if version and (requirement.url or not requirement.specifier.contains(version, prereleases=True)):
            return _conflict(f"pip's requirement '{without_credentials(line)}'", requirement.name, "", version)
    return None


def _indirect_conflict(text: str, lines: Iterable[str], provided: Sequence[ProvidedDistribution]) -> str | None:
    asked = {canonicalize_name(Requirement(line).name): without_credentials(line) for line in lines}
    versions = {distribution.name: distribution.version for distribution in provided}
    for match in _DEPENDS.finditer(text):
        need, specifier = match[3], match[4].rstrip(",.")
        try:
            met = need not in versions or SpecifierSet(specifier).contains(versions[need], prereleases=True)
        except InvalidSpecifier:
            continue
        if not met:
            name = canonicalize_name(match[1])
            who = f"pip's requirement '{asked[name]}'" if name in asked else f"'{name}', which pip's section brings,"
            return _conflict(who, need, specifier, versions[need])
    return None


def _conflict(who: str, need: str, specifier: str, version: str) -> str:
    needs = f" needs {need}{specifier}" if specifier else f" asks for another {need}"
    return f"{who}{needs}, but conda package {need} {version} is in the environment: change one of them."


def _no_such_package(name: str, provided: Sequence[ProvidedDistribution]) -> str:
    near = difflib.get_close_matches(name, [distribution.name for distribution in provided], 1, 0.8)
    hint = f" Did you mean '{near[0]}', which conda brings?" if near else " Check its spelling."
    return f"pip: no package named '{name}' is on the package index.{hint}"


def no_wheel(name: str, target: WheelTarget, *, only_source: bool = False) -> str:
    """What to say of a package without a usable wheel."""
    if only_source:
        return (
            f"pip: '{name}' has only a source distribution in the wanted version; choose a version with a wheel "
            "or take it from conda. An administrator can allow source distributions."
        )
    return (
        f"pip: '{name}' has no wheel for python {target.python_version} on {target.platform} in the wanted version; "
        "choose another version of it or of python, or take it from conda."
    )
