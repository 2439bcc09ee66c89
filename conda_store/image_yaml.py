"""The key `image:` of an environment.yaml: its YAML nodes as plain values, and every fault at its line and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from conda_store.errors import Problem
from conda_store.image_options import ImageOptions, OptionFault, read_options
from conda_store.image_options_grammar import ROOT
from conda_store.yaml_marks import join, kind, located


def read_image(node: yaml.Node | None, variables: Mapping[str, str]) -> tuple[ImageOptions, list[Problem]]:
    """What a specification says of its image, and what is wrong with it.

    `variables` are the specification's own: the activation sets them, whatever the image's environment says.
    """
    if node is None:
        return ImageOptions(), []
    options, found = read_options(_plain(node))
    for name in sorted(dict(options.environment or ()).keys() & variables.keys()):
        message = f"The variable '{name}' stands below 'variables' too, which counts: delete one of them."
        found.append(OptionFault(f"{ROOT}.environment.{name}", message, of_key=True))
    places = {(path, of_key): place for path, of_key, place in _places(node, ROOT)}
    problems = (
        located(places.get((fault.path, fault.of_key), node), fault.path).problem(fault.message) for fault in found
    )
    return options, list(problems)


def _plain(node: yaml.Node) -> Any:
    """A node as JSON would have it, but for numbers and dates, which stay as written: 3.10 is not 3.1."""
    if isinstance(node, yaml.MappingNode):
        pairs = [(key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
        return {key.value: _plain(value) for key, value in pairs}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    if kind(node) == "bool":
        return node.value.lower() in ("true", "yes", "on")
    return None if kind(node) == "null" else str(node.value)


def _places(node: yaml.Node, path: str) -> Iterator[tuple[str, bool, yaml.Node]]:
    """(path, whether it is of the key, node) of everything below a node."""
    yield path, False, node
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _places(item, f"{path}[{number}]")
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield join(path, key.value), True, key
                yield from _places(value, join(path, key.value))
