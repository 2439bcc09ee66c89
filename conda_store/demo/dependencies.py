"""Says in conda's words what a wheel says in Python's: names, versions and requirements (PEP 440, 503, 508)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

# (requirement name, extra) -> the requirements which that extra adds; conda has no extras.
ExtraRequirements = Callable[[str, str], Iterable[Requirement]]


def conda_constraint(specifiers: SpecifierSet) -> str:
    """A PEP 440 specifier set as a conda version constraint; empty for "any version".

    >>> conda_constraint(SpecifierSet("~=1.4.2, !=1.4.5, <2"))
    '!=1.4.5,<2.0a0,>=1.4.2,1.4.*'
    """
    return ",".join(sorted(_conda_term(specifier) for specifier in specifiers))


def _conda_term(specifier: Specifier) -> str:
    operator, version = specifier.operator, specifier.version
    if operator == "~=":
        series = version.split(".")[: len(Version(version).release) - 1]
        return f">={version},{'.'.join(series)}.*"
    if operator == "==" and version.endswith(".*"):
        return version
    if operator == "===":
        return f"=={version}"
    if operator == "<" and not Version(version).is_prerelease:
        # PEP 440: `<2` does not mean 2.0rc1; to conda a release candidate is simply smaller.
        return f"<{version}.0a0"
    return f"{operator}{version}"


def conda_depends(
    requirements: Iterable[Requirement],
    environment: Mapping[str, str],
    extra_requirements: ExtraRequirements,
) -> list[str]:
    """Conda's `depends` for the requirements that hold in `environment` (marker variables, PEP 508).

    A requirement with extras is replaced by itself and what its extras add, as `extra_requirements` knows.
    Several requirements on one project become one entry. Sorted.
    """
    wanted: dict[str, SpecifierSet] = {}
    pending = [r for r in requirements if r.marker is None or r.marker.evaluate({**environment, "extra": ""})]
    seen: set[tuple[str, str]] = set()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        wanted[name] = wanted.get(name, SpecifierSet()) & requirement.specifier
        for extra in {canonicalize_name(extra) for extra in requirement.extras} - {e for n, e in seen if n == name}:
            seen.add((name, extra))
            pending.extend(_added_by(extra, extra_requirements(name, extra), environment))
    return sorted(f"{name} {conda_constraint(specifiers)}".strip() for name, specifiers in wanted.items())


def _added_by(extra: str, requirements: Iterable[Requirement], environment: Mapping[str, str]) -> list[Requirement]:
    """The requirements that hold only because of `extra`."""
    plain, with_extra = {**environment, "extra": ""}, {**environment, "extra": extra}
    return [r for r in requirements if r.marker and r.marker.evaluate(with_extra) and not r.marker.evaluate(plain)]
