"""What a solve assumes about the machines of a platform: conda's virtual packages.

Every platform has fixed defaults and a specification's own `CONDA_OVERRIDE_*` variables change them; the
machine that solves is never asked. So one specification has one solution, wherever it is solved.
Format: conda documentation, "Managing virtual packages"; CEP 30.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from rattler import BuildString, GenericVirtualPackage, PackageName, Version

from conda_store.errors import Problem, SpecificationInvalid

_LINUX = {"__unix": "0", "__linux": "5.10", "__glibc": "2.28"}


def _linux(machine: str) -> Mapping[str, str]:
    return MappingProxyType({**_LINUX, "__archspec": machine})


#: Platform to virtual packages. The value is a version, but for `__archspec` the microarchitecture (its build; the
#: version is 1). Linux as conda-lock has it: kernel 5.10 and glibc 2.28, which every distribution in support has. macOS
#: is 11.0 on Intel (many stop there) and 13.0 on Apple silicon (all can run it). No platform has `__cuda`: who wants a
#: GPU build says so.
DEFAULTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "linux-64": _linux("x86_64"),
        "linux-32": _linux("x86"),
        "linux-aarch64": _linux("aarch64"),
        "linux-armv6l": _linux("armv6l"),
        "linux-armv7l": _linux("armv7l"),
        "linux-ppc64": _linux("ppc64"),
        "linux-ppc64le": _linux("ppc64le"),
        "linux-riscv32": _linux("riscv32"),
        "linux-riscv64": _linux("riscv64"),
        "linux-s390x": _linux("s390x"),
        "osx-64": MappingProxyType({"__unix": "0", "__osx": "11.0", "__archspec": "x86_64"}),
        "osx-arm64": MappingProxyType({"__unix": "0", "__osx": "13.0", "__archspec": "arm64"}),
        "win-64": MappingProxyType({"__win": "0", "__archspec": "x86_64"}),
        "win-32": MappingProxyType({"__win": "0", "__archspec": "x86"}),
        "win-arm64": MappingProxyType({"__win": "0", "__archspec": "arm64"}),
        "freebsd-64": MappingProxyType({"__unix": "0", "__archspec": "x86_64"}),
        "emscripten-wasm32": MappingProxyType({"__unix": "0"}),
    }
)

#: Virtual package to (variable, prefixes of the platforms where it means something).
OVERRIDES: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "__archspec": ("CONDA_OVERRIDE_ARCHSPEC", ("",)),
        "__cuda": ("CONDA_OVERRIDE_CUDA", ("linux-", "win-")),
        "__glibc": ("CONDA_OVERRIDE_GLIBC", ("linux-",)),
        "__linux": ("CONDA_OVERRIDE_LINUX", ("linux-",)),
        "__osx": ("CONDA_OVERRIDE_OSX", ("osx-",)),
        "__win": ("CONDA_OVERRIDE_WIN", ("win-",)),
    }
)
# rattler takes nearly any text for a version; a slip of the pen must not become a machine that has it.
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_MACHINE = re.compile(r"[a-z0-9_]+")
_EXAMPLES = {"__archspec": "x86_64_v3", "__cuda": "12.4", "__glibc": "2.34", "__osx": "13.0"}


def virtual_packages(
    platform: str,
    variables: Mapping[str, str] = MappingProxyType({}),
    defaults: Mapping[str, Mapping[str, str]] = DEFAULTS,
) -> list[GenericVirtualPackage]:
    """The virtual packages of a platform, sorted by name.

    `variables` are those of the specification; a `CONDA_OVERRIDE_*` that is empty removes its package, as
    in conda, and one that means nothing on this platform is passed over. A platform that `defaults` does not
    know has none. Raises SpecificationInvalid for values that are no versions, all of them at once.
    """
    found = dict(defaults.get(platform, {}))
    if problems := list(_faults(variables)):
        raise SpecificationInvalid(problems)
    for name, (variable, prefixes) in OVERRIDES.items():
        value = variables.get(variable)
        if value is None or not platform.startswith(prefixes):
            continue
        found.pop(name, None)
        if value.strip():
            found[name] = value.strip()
    return [_package(name, value) for name, value in sorted(found.items())]


def known_machines(changes: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    """`DEFAULTS` with what a deployment knows better of its machines; an empty value takes a package away."""
    merged = {platform: {**DEFAULTS.get(platform, {}), **values} for platform, values in changes.items()}
    found = {name: {key: value for key, value in one.items() if value} for name, one in merged.items()}
    return {**DEFAULTS, **found}


def virtual_fault(name: str, value: str) -> str | None:
    """Why no machine can have a virtual package at this version; None when one can."""
    if not re.fullmatch(r"__[a-z0-9_]+", name):
        return f"'{name[:40]}' is no virtual package: write '__cuda', '__glibc' or the like"
    pattern = _MACHINE if name == "__archspec" else _VERSION
    return None if not value or pattern.fullmatch(value) else f"{name} cannot be '{value[:40]}': write a version"


def _package(name: str, value: str) -> GenericVirtualPackage:
    version, build = ("1", value) if name == "__archspec" else (value, "0")
    return GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))


def _faults(variables: Mapping[str, str]) -> Iterator[Problem]:
    for name, (variable, _) in OVERRIDES.items():
        value = variables.get(variable, "").strip()
        pattern, noun = (_MACHINE, "microarchitecture") if name == "__archspec" else (_VERSION, "version")
        if value and not pattern.fullmatch(value):
            example = _EXAMPLES.get(name, "10.0")
            yield Problem(
                f"The variable {variable} is '{value}', which is no {noun}: write one such as '{example}', "
                f"or leave it empty to solve without {name}.",
                path=f"variables.{variable}",
            )
