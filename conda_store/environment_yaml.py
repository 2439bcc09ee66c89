"""The reading of an `environment.yaml`: its keys, what may stand under them, and what is wrong with a file.

The format is conda's (conda documentation, "Creating an environment file manually"; draft CEP "Specification of
environment.yml input files"), with conda-lock's `platforms` and conda-store's `description` and `image`. A reader
never stops at the first problem. MatchSpecs and channels are looked at in `packages`, where their grammar is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from conda_store.errors import Problem, SpecificationInvalid
from conda_store.image_options import ImageOptions
from conda_store.image_yaml import read_image
from conda_store.requirements import requirement_fault
from conda_store.specification_grammar import (
    KEYS,
    document_fault,
    mapping_fault,
    name_fault,
    nearest_key,
    platform_fault,
    shorten,
    unknown_key,
    variable_fault,
)
from conda_store.yaml_marks import Located, YamlLimits, compose, decode, faults, join, kind, located

_IGNORED = {
    "prefix": "The key 'prefix' is ignored: conda-store decides where an environment is installed. Delete the line.",
    "category": "The key 'category' is ignored: it means something to conda-lock only.",
}


@dataclass(frozen=True)
class SpecificationLimits:
    """How much a specification may hold and what its pip section may name.

    `require_dependencies` is False where settings add default packages to an empty list.
    """

    yaml: YamlLimits = field(default_factory=YamlLimits)
    max_dependencies: int = 10_000
    require_dependencies: bool = True
    allow_pip_urls: bool = False
    allow_pip_options: bool = False
    allow_pip_indexes: bool = False


DEFAULT_LIMITS = SpecificationLimits()


@dataclass(frozen=True)
class Entries:
    """The entries of a file in the order of the file, each with its place, as written but for outer white space."""

    channels: tuple[Located, ...] = ()
    dependencies: tuple[Located, ...] = ()
    pip: tuple[Located, ...] = ()


@dataclass(frozen=True)
class Draft:
    """What could be read of a file, with every problem found; `name` is None only where there is a problem."""

    name: str | None
    entries: Entries
    variables: tuple[tuple[str, str], ...]
    platforms: tuple[str, ...]
    description: str
    image: ImageOptions
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def read_draft(
    source: bytes | str, *, default_name: str | None = None, limits: SpecificationLimits = DEFAULT_LIMITS
) -> Draft:
    """All that a file says. Raises SpecificationInvalid only where it cannot be read as YAML, or is no mapping."""
    node = compose(decode(source, limits.yaml.max_bytes), limits.yaml)
    if node is None or kind(node) == "null":
        raise SpecificationInvalid([Problem("The file is empty: it needs at least 'name:' and 'dependencies:'.")])
    if not isinstance(node, yaml.MappingNode):
        raise SpecificationInvalid([located(node, "").problem(document_fault(node))])
    if {"metadata", "package"} <= {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)}:
        message = "This is a lockfile (conda-lock.yml), not a specification: submit it as a lockfile."
        raise SpecificationInvalid([located(node, "").problem(message)])
    return _Reader(limits).read(node, default_name)


class _Reader:
    """One pass over the keys; problems pile up, values that are sound are kept."""

    def __init__(self, limits: SpecificationLimits) -> None:
        self.limits = limits
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.pip: list[Located] = []

    def read(self, node: yaml.MappingNode, default_name: str | None) -> Draft:
        self.problems.extend(faults(node))
        values: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and (known := self._known(key, value)):
                values.setdefault(known, value)
        name = self._name(node, values.get("name"), default_name)
        dependencies = self._dependencies(node, values.get("dependencies"))
        variables = self._variables(values.get("variables"))
        image, found = read_image(values.get("image"), dict(variables))
        self.problems.extend(found)
        return Draft(
            name=name,
            entries=Entries(self._channels(values.get("channels")), dependencies, tuple(self.pip)),
            variables=variables,
            platforms=self._platforms(values.get("platforms")),
            description=self._description(values.get("description")),
            image=image,
            problems=tuple(self.problems),
            warnings=tuple(self.warnings),
        )

    def _known(self, key: yaml.ScalarNode, value: yaml.Node) -> str | None:
        """The key to read a value as: what stands under a misspelt key is looked at too."""
        place = located(key, key.value)
        if key.value in _IGNORED:
            if kind(value) != "null":  # the REST API's own `spec` has "prefix": null
                self.warnings.append(place.problem(_IGNORED[key.value]))
            return None
        if key.value in KEYS or key.tag.endswith(":merge"):
            return str(key.value)
        self.problems.append(place.problem(unknown_key(key.value)))
        return nearest_key(key.value)

    def _refuse(self, node: yaml.Node, path: str, message: str) -> None:
        self.problems.append(located(node, path).problem(message))

    def _name(self, root: yaml.Node, node: yaml.Node | None, default: str | None) -> str | None:
        if node is None or kind(node) == "null":
            if default is None:
                self._refuse(node or root, "name", "The environment has no name: add a line such as 'name: my-env'.")
            elif fault := name_fault(default):
                self.problems.append(Problem(fault, path="name"))
            return default
        text = self._text(node, "name", "The name")
        if text is not None and (fault := name_fault(text.text)):
            self._refuse(node, "name", fault)
        return text.text if text else None

    def _text(self, node: yaml.Node, path: str, what: str) -> Located | None:
        place = located(node, path)
        found = kind(node)
        if found == "text":
            return Located(place.text.strip(), place.line, place.column, path)
        if found in ("number", "bool", "date"):
            meant = {"number": "a number", "bool": "true or false", "date": "a date"}[found]
            quoted = f'put it in quotes: "{place.text}"'
            self._refuse(node, path, f"{what} '{shorten(place.text)}' is read as {meant} and not as text: {quoted}.")
        elif found == "null":
            self._refuse(node, path, f"{what} is empty: write text or delete it.")
        else:
            self._refuse(node, path, f"{what} is a {found}: it must be text.")
        return None

    def _items(self, node: yaml.Node | None, path: str) -> Iterator[tuple[yaml.Node, str]]:
        if node is None or kind(node) == "null":
            return
        if not isinstance(node, yaml.SequenceNode):
            found = located(node, path).text
            shown = f"the text '{shorten(found)}'" if found else f"a {kind(node)}"
            self._refuse(node, path, f"'{path}' must be a list, but is {shown}: begin every item with '- '.")
            return
        for number, item in enumerate(node.value):
            yield item, f"{path}[{number}]"

    def _texts(self, node: yaml.Node | None, path: str, what: str) -> list[tuple[yaml.Node, Located]]:
        read = ((item, self._text(item, place, what)) for item, place in self._items(node, path))
        found = [(item, text) for item, text in read if text is not None]
        for item, text in found:
            if not text.text:
                self._refuse(item, text.path, f"{what} is empty: write text or delete it.")
        return [(item, text) for item, text in found if text.text]

    def _channels(self, node: yaml.Node | None) -> tuple[Located, ...]:
        found = [text for _, text in self._texts(node, "channels", "The channel")]
        if node is not None and found and all(text.text == "nodefaults" for text in found):
            self._refuse(node, "channels", "'nodefaults' leaves no channel: name one, such as 'conda-forge'.")
        return tuple(found)

    def _platforms(self, node: yaml.Node | None) -> tuple[str, ...]:
        found = [text for _, text in self._texts(node, "platforms", "The platform")]
        self.problems.extend(text.problem(fault) for text in found if (fault := platform_fault(text.text)))
        return tuple(text.text for text in found)

    def _description(self, node: yaml.Node | None) -> str:
        if node is None or kind(node) == "null":
            return ""
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self._refuse(node, "description", f"The description is a {kind(node)}: it must be text.")
        return ""

    def _dependencies(self, root: yaml.Node, node: yaml.Node | None) -> tuple[Located, ...]:
        found: list[Located] = []
        for item, path in self._items(node, "dependencies"):
            if isinstance(item, yaml.MappingNode):
                self._mapping_item(item, path)
            elif kind(item) == "number":
                hint = f"'python={item.value}'" if re.match(r"[23]\.\d+$", item.value) else f"'name={item.value}'"
                self._refuse(item, path, f"The dependency '{item.value}' is a number, not a package: write {hint}.")
            elif (text := self._text(item, path, "The dependency")) and self._one_line(item, text, "dependency"):
                found.append(text)
        self._count(root, node, len(found) + len(self.pip))
        return tuple(found)

    def _one_line(self, node: yaml.Node, text: Located, what: str) -> bool:
        if not text.text:
            self._refuse(node, text.path, f"A {what} is empty: write a package or delete the item.")
        elif re.search(r"[\n\x85\u2028\u2029]", text.text):
            self._refuse(node, text.path, f"The {what} '{shorten(text.text)}' has several lines: begin each with '- '.")
        else:
            return True
        return False

    def _count(self, root: yaml.Node, node: yaml.Node | None, number: int) -> None:
        # What is neither a list nor empty was refused already.
        empty = node is None or kind(node) == "null" or (kind(node) == "list" and not node.value)
        if number > self.limits.max_dependencies:
            message = f"The specification names {number} packages; at most {self.limits.max_dependencies} are allowed."
            self._refuse(node or root, "dependencies", message)
        elif empty and self.limits.require_dependencies:
            self._refuse(
                node or root, "dependencies", "There are no dependencies: list packages, such as '- python=3.11'."
            )

    def _mapping_item(self, item: yaml.MappingNode, path: str) -> None:
        for key, value in item.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if word == "pip":
                self._pip(value, join(path, "pip"))
            else:
                self._refuse(key, join(path, word), mapping_fault(word, value))

    def _pip(self, node: yaml.Node, path: str) -> None:
        for item, text in self._texts(node, path, "The pip requirement"):
            if not self._one_line(item, text, "pip requirement"):
                continue
            limits = self.limits
            fault = requirement_fault(
                text.text,
                allow_urls=limits.allow_pip_urls,
                allow_options=limits.allow_pip_options,
                allow_indexes=limits.allow_pip_indexes,
            )
            if fault:
                self._refuse(item, text.path, fault)
            else:
                self.pip.append(text)

    def _variables(self, node: yaml.Node | None) -> tuple[tuple[str, str], ...]:
        if node is None or kind(node) == "null":
            return ()
        if not isinstance(node, yaml.MappingNode):
            self._refuse(
                node, "variables", f"'variables' must be a mapping, but is a {kind(node)}: write 'NAME: value'."
            )
            return ()
        found = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and (text := self._value(key.value, value)) is not None:
                found[key.value] = text
                if fault := variable_fault(key.value, text):
                    self._refuse(key, f"variables.{key.value}", fault)
        return tuple(found.items())

    def _value(self, name: str, node: yaml.Node) -> str | None:
        """conda makes strings of numbers and of true and false; a number stays as written (3.10 is not 3.1)."""
        path = f"variables.{name}"
        if kind(node) == "null":
            self._refuse(node, path, f"The variable '{name}' has no value: write one, or \"\" for an empty one.")
        elif not isinstance(node, yaml.ScalarNode):
            self._refuse(node, path, f"The value of the variable '{name}' is a {kind(node)}: it must be text.")
        elif kind(node) == "bool" and node.value.lower() in ("true", "false"):
            text = str(node.value).capitalize()
            message = f"The variable '{name}' is set to '{text}', as conda does; put the value in quotes to be sure."
            self.warnings.append(located(node, path).problem(message))
            return text
        else:
            return str(node.value)
        return None
