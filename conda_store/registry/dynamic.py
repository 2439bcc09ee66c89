"""Names that ask for an image: `conda-store-dynamic/<package>[.<op>.<version>]/…`.

What is read here are the words only: whether there are such packages is for the solver to say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from conda_store.registry.errors import NameInvalid
from conda_store.registry.names import DYNAMIC, checked_name, is_dynamic, repository, unescape

MAX_REQUIREMENTS = 40
OPERATORS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "=="}
EXAMPLE = f"{DYNAMIC}/python.lt.3.12/numpy.gt.1.0"
# An environment's name has room for 80 characters; 16 hex digits tell requests apart.
_TITLE_LENGTH = 60

_CONDITION = re.compile(r"(?P<name>.+?)\.(?P<operator>lt|le|gt|ge|eq)\.(?P<version>.+)")
_PREFIX = re.compile(r"(?P<name>.+?)\.(?P<version>[0-9].*)")
_UNFINISHED = re.compile(r"(?P<name>.+?)\.(?P<operator>lt|le|gt|ge|eq)")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_VERSION = re.compile(r"(?:[0-9]+!)?[a-z0-9]+(?:[._+-]+[a-z0-9]+)*_?")


@dataclass(frozen=True)
class DynamicRequest:
    """Packages that an image is asked for; equal requests are equal values, whatever the order of their words.

    `requirements` maps a package's name to its sorted conditions such as `>=3.10` or `=3.11.*`; none is any version.
    """

    requirements: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        normal = {name: tuple(sorted(set(found))) for name, found in sorted(self.requirements.items())}
        object.__setattr__(self, "requirements", MappingProxyType(normal))

    def __hash__(self) -> int:
        return hash(self.dependencies)

    @classmethod
    def parse(cls, name: str) -> DynamicRequest:
        """The request that a repository name is; raises `NameInvalid` saying which part is wrong, and the way out."""
        if not is_dynamic(checked_name(name)):
            raise NameInvalid(f"{name!r} names no packages: write it like {EXAMPLE}.")
        parts = name.split("/")[1:]
        if len(parts) > MAX_REQUIREMENTS:
            raise NameInvalid(f"{len(parts)} packages are asked for; {MAX_REQUIREMENTS} are the most in one name.")
        found: dict[str, list[str]] = {}
        for part in parts:
            package, condition = _requirement(part)
            found.setdefault(package, []).extend(filter(None, [condition]))
        return cls({package: tuple(conditions) for package, conditions in found.items()})

    @property
    def dependencies(self) -> tuple[str, ...]:
        """MatchSpec texts, sorted by name: `numpy>1.0`, `python<3.12,>=3.10`."""
        return tuple(f"{name}{','.join(conditions)}" for name, conditions in self.requirements.items())

    @property
    def title(self) -> str:
        """The packages' names for people, as an environment's name: `numpy-python`."""
        return "-".join(self.requirements).lstrip("._-")[:_TITLE_LENGTH].rstrip("._-") or "packages"

    @property
    def environment(self) -> str:
        """The name of the environment, in the namespace `conda-store-dynamic`, whose builds answer this request."""
        return f"{self.title}-{hashlib.sha256(' '.join(self.dependencies).encode()).hexdigest()[:16]}"

    @property
    def repository(self) -> str:
        """The repository under which that environment's images lie."""
        return repository(DYNAMIC, self.environment)


def _requirement(part: str) -> tuple[str, str | None]:
    """A package's name and its condition, None for any version."""
    if match := _CONDITION.fullmatch(part):
        _check_one_condition(part, match)
        return _package(match["name"], part), f"{OPERATORS[match['operator']]}{_version(match['version'], part)}"
    if match := _UNFINISHED.fullmatch(part):
        raise _malformed(part, f"no version follows '.{match['operator']}'; write {part}.1.0 for example")
    if match := _PREFIX.fullmatch(part):
        return _package(match["name"], part), f"={_version(match['version'], part)}.*"
    return _package(part, part), None


def _check_one_condition(part: str, match: re.Match[str]) -> None:
    """Refuse `python.ge.3.10.lt.3.12` and `python.3.10.lt.3.12`, which could be read in several ways."""
    name, operator, version = match["name"], match["operator"], match["version"]
    if first := _PREFIX.fullmatch(name):
        instead = f"{name}/{first['name']}.{operator}.{version}"
    elif second := _CONDITION.fullmatch(version):
        instead = f"{name}.{operator}.{second['name']}/{name}.{second['operator']}.{second['version']}"
    else:
        return
    raise _malformed(part, f"one name has two conditions; write {instead}")


def _package(text: str, part: str) -> str:
    name = unescape(text, exact=False).lower()
    if _NAME.fullmatch(name) is None:
        raise _malformed(part, f"{name!r} is not the name of a package")
    return name


def _version(text: str, part: str) -> str:
    version = unescape(text, exact=False).lower()
    if _VERSION.fullmatch(version) is None:
        raise _malformed(part, f"{version!r} is not a version")
    return version


def _malformed(part: str, fault: str) -> NameInvalid:
    words = ", ".join(f".{word}. is {operator}" for word, operator in OPERATORS.items())
    return NameInvalid(f"In {part!r} {fault}. Requests look like {EXAMPLE}; {words}; python.3.11 is any 3.11.")
