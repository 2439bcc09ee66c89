"""The solver's account of a conflict (resolvo's, as rattler 0.28 prints it), read from its text.

A tree of requirements and of the packages that could meet them; what its dead ends mean is `conflicts`'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_LINE_ART = "│├└─ "
_NODE = re.compile(
    r"(?P<spec>.+?),? (?:for which no candidates were found|which conflicts with .+|cannot be installed because .+"
    r"|which cannot be installed because .+|can be installed with .+|which can be installed with .+"
    r"|is excluded because (?P<excluded>.+))"
)
_WANTS = re.compile(r"(?P<package>.+) would (?P<verb>require|constrain)")
_CONSTRAINT = re.compile(r"the constraint (?P<spec>.+) cannot be fulfilled")


@dataclass
class Node:
    text: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Edge:
    """`package` (None for the author of the specification) wants `spec`; `verb` is require or constrain."""

    package: str | None
    spec: str
    node: Node
    verb: str = "require"

    @property
    def name(self) -> str:
        return name_of(self.spec)

    @property
    def requirer_of_package(self) -> str | None:
        """What wants `package`, such as `mid 1`; None when the specification does."""
        wants = self.node.parent
        above = wants.parent.parent if wants and wants.parent else None
        found = _WANTS.fullmatch(above.text) if above else None
        return found["package"] if found else None


def parse_tree(text: str) -> Node:
    """The tree that the solver printed, as nodes under one root; each level is indented by three columns."""
    first, *lines = text.splitlines() or [""]
    alone = Node(first.partition("because of: ")[2])
    # A single requirement stands on the first line and what hangs below it is not indented for it.
    single = _NODE.fullmatch(alone.text.rstrip(":.")) is not None
    path = [Node("")]
    if single:
        path[0].children.append(alone)
        alone.parent = path[0]
        path.append(alone)
    for line in lines:
        body = line.lstrip(_LINE_ART)
        level = (len(line) - len(body)) // 3 + single
        if body and 0 < level <= len(path):
            del path[level:]
            node = Node(body, path[-1])
            path[-1].children.append(node)
            path.append(node)
    return path[0]


def find_edges(node: Node) -> Iterator[Edge]:
    wants = _WANTS.fullmatch(node.text)
    for child in node.children:
        if limit := _CONSTRAINT.fullmatch(child.text):
            yield Edge(None, limit["spec"], child, "allow")
        elif (found := _NODE.fullmatch(child.text.rstrip(":."))) and (wants or node.parent is None):
            yield Edge(wants["package"] if wants else None, found["spec"], child, wants["verb"] if wants else "ask")
        yield from find_edges(child)


def versions_folded(package: str) -> str:
    """`flask 2.0 | 2.1 | 2.2 | 3.0` as `flask 2.0 to 3.0`: a scientist knows what lies between."""
    name, _, versions = package.partition(" ")
    listed = [version.strip() for version in versions.split("|")]
    return f"{name} {' or '.join(listed) if len(listed) <= 2 else f'{listed[0]} to {listed[-1]}'}".strip()


def name_of(text: str) -> str:
    return re.split(r"[\s\[=<>!~]", text, maxsplit=1)[0]


def plain_tree(text: str) -> str:
    """The solver's tree without line art, two spaces for each level."""
    lines = [line for line in text.partition("because of: ")[2].splitlines() if line.strip(_LINE_ART)]
    return "\n".join(
        "  " + "  " * ((len(line) - len(line.lstrip(_LINE_ART))) // 3) + line.lstrip(_LINE_ART) for line in lines
    )
