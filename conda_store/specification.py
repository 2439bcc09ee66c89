"""What a user asks for: the normalised content of an `environment.yaml`, named by its sha256.

How such a file is read stands in `environment_yaml`. Whether packages and channels exist or are allowed is not
decided here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from conda_store.environment_yaml import DEFAULT_LIMITS, Draft, Entries, SpecificationLimits, read_draft
from conda_store.errors import Problem, SpecificationInvalid
from conda_store.image_options import UNSAID, ImageOptions
from conda_store.requirements import normal_requirement
from conda_store.specification_grammar import name_fault, normal_channel, platform_fault, variable_fault
from conda_store.yaml_marks import Located

__all__ = [
    "DEFAULT_LIMITS",
    "Draft",
    "Entries",
    "ParsedSpecification",
    "Specification",
    "SpecificationLimits",
    "finish",
    "parse_specification",
    "read_draft",
]


@dataclass(frozen=True)
class Specification:
    """One environment as its author wants it; normal, so that equal means same.

    `dependencies` are conda MatchSpec texts and `pip` pip requirements, each sorted and without doubles, since their
    order means nothing; the order of `channels` is their priority and stays. `variables` are sorted pairs.
    Raises SpecificationInvalid when a name, a variable or a platform is malformed.
    """

    name: str
    channels: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    platforms: tuple[str, ...] = ()
    description: str = ""
    image: ImageOptions = UNSAID

    def __post_init__(self) -> None:
        channels = (normal_channel(channel) for channel in self.channels)
        self._set("channels", dict.fromkeys(channel for channel in channels if channel != "nodefaults"))
        self._set("dependencies", sorted({" ".join(text.split()) for text in self.dependencies}))
        self._set("pip", sorted({normal_requirement(text) for text in self.pip}))
        self._set("variables", sorted(dict(self.variables).items()))
        self._set("platforms", dict.fromkeys(self.platforms))
        object.__setattr__(self, "description", self.description.replace("\r\n", "\n").strip())
        found = [name_fault(self.name), *(variable_fault(*pair) for pair in self.variables)]
        found += [platform_fault(platform) for platform in self.platforms]
        if any(found):
            raise SpecificationInvalid(Problem(message) for message in found if message)

    def _set(self, name: str, values: Iterable[object]) -> None:
        object.__setattr__(self, name, tuple(values))

    def as_dict(self) -> dict[str, Any]:
        """The document as the REST API shows it (`spec`); `prefix` always None."""
        pip: list[Any] = [{"pip": list(self.pip)}] if self.pip else []
        document: dict[str, Any] = {
            "name": self.name,
            "channels": list(self.channels),
            "dependencies": [*self.dependencies, *pip],
            "variables": dict(self.variables),
        }
        if self.platforms:
            document["platforms"] = list(self.platforms)
        if self.image:
            document["image"] = self.image.as_dict()
        return document | {"description": self.description, "prefix": None}

    def to_yaml(self) -> str:
        """An `environment.yaml` that conda reads too; keys without content are left out."""
        document = {key: value for key, value in self.as_dict().items() if value or key == "dependencies"}
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)

    def canonical_json(self) -> bytes:
        """The bytes that `sha256` is taken of: sorted keys, no white space, UTF-8, without `prefix`."""
        document = {key: value for key, value in self.as_dict().items() if key != "prefix"}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @cached_property
    def sha256(self) -> str:
        """64 lower-case hex digits."""
        return hashlib.sha256(self.canonical_json()).hexdigest()


@dataclass(frozen=True)
class ParsedSpecification:
    """A specification, the places of its entries, and what its author should hear although it is accepted."""

    specification: Specification
    warnings: tuple[Problem, ...] = ()
    entries: Entries = field(default_factory=Entries)


def parse_specification(
    source: bytes | str, *, default_name: str | None = None, limits: SpecificationLimits = DEFAULT_LIMITS
) -> ParsedSpecification:
    """Read an `environment.yaml` (or the same as JSON); `default_name` serves a file without `name`.

    Raises SpecificationInvalid with every problem found, each with line and column.
    """
    return finish(read_draft(source, default_name=default_name, limits=limits))


def finish(draft: Draft, further: Iterable[Problem] = ()) -> ParsedSpecification:
    """Make a specification of a draft; `further` problems are those that other checks found in its entries.

    Raises SpecificationInvalid with all problems, in the order of the file.
    """
    found = dict.fromkeys([*draft.problems, *further])
    if found or draft.name is None:
        raise SpecificationInvalid(sorted(found, key=lambda problem: (problem.line or 0, problem.column or 0)))
    specification = Specification(
        name=draft.name,
        channels=_texts(draft.entries.channels),
        dependencies=_texts(draft.entries.dependencies),
        pip=_texts(draft.entries.pip),
        variables=draft.variables,
        platforms=draft.platforms,
        description=draft.description,
        image=draft.image,
    )
    return ParsedSpecification(specification, draft.warnings, draft.entries)


def _texts(entries: Iterable[Located]) -> tuple[str, ...]:
    return tuple(entry.text for entry in entries)
