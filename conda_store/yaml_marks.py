"""YAML whose every node knows its line and column, read without trusting the writer.

What lives here: bytes to text, text to PyYAML nodes, and what is wrong with any YAML file (encoding,
syntax, size, depth, aliases, doubled keys, tags). What the keys mean is `specification`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from conda_store.errors import Problem, SpecificationInvalid

# libyaml's parser is ten times faster and has the same marks; some builds of PyYAML lack it.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_CORE_WORDS = ("null", "bool", "int", "float", "str", "timestamp", "value", "merge", "seq", "map")
_CORE_TAGS = frozenset(_CORE + word for word in _CORE_WORDS)
# What YAML 1.1 §5.1 does not let stand in a file.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What an escape in double quotes can still smuggle in: control characters and lone surrogates.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# JSON writes a character beyond the first 65,536 as two escapes, YAML as one of ten characters.
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_TOO_DEEP = "Lists and mappings are nested more than {} deep here."
_SIGN = re.compile("alias|anchor|tag|directive|block scalar")
_LINE_BREAK = re.compile("\r\n?|\n")


@dataclass(frozen=True)
class YamlLimits:
    """How much YAML is read. `max_bytes` of UTF-8; `max_nodes` counts every alias with all that it stands for."""

    max_bytes: int = 1024 * 1024
    max_depth: int = 32
    max_nodes: int = 50_000
    max_aliases: int = 100


@dataclass(frozen=True)
class Located:
    """A text and its place: line and column from 1, path such as `dependencies[3].pip[0]`."""

    text: str
    line: int
    column: int
    path: str

    def problem(self, message: str) -> Problem:
        return Problem(message, self.line, self.column, self.path)


def located(node: yaml.Node, path: str) -> Located:
    """The place of a node, with its text when it is a scalar."""
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    return Located(text, node.start_mark.line + 1, node.start_mark.column + 1, path)


def decode(source: bytes | str, max_bytes: int) -> str:
    """Text of a file in UTF-8, with or without a byte order mark.

    Raises SpecificationInvalid when it is too large, not UTF-8 or holds characters that YAML forbids.
    """
    data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    if len(data) > max_bytes:
        raise SpecificationInvalid([Problem(f"The file has {len(data)} bytes; at most {max_bytes} are read.")])
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:2]:
        raise SpecificationInvalid([Problem("The file is encoded as UTF-16 or UTF-32: save it as UTF-8.", 1, 1)])
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line, column = _position(data[: error.start].decode("utf-8", "replace"))
        byte = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        message = f"The file is not UTF-8 ({byte}): save it with the encoding UTF-8."
        raise SpecificationInvalid([Problem(message, line, column)]) from None
    if found := _UNPRINTABLE.search(text):
        line, column = _position(text[: found.start()])
        message = f"The control character U+{ord(found[0]):04X} must not stand in a file: delete it."
        raise SpecificationInvalid([Problem(message, line, column)])
    return _SURROGATES.sub(_as_yaml_escape, text) if text.lstrip().startswith("{") else text


def compose(text: str, limits: YamlLimits) -> yaml.Node | None:
    """The one document of a text as PyYAML nodes (aliases share a node; never a cycle); None when it is empty.

    Raises SpecificationInvalid with one problem when it is no YAML, or more of it than `limits` allow.
    """
    try:
        shape = _Shape(limits)
        # Events first, and only as many as the limits allow: a composer recurses, and both scanners take time
        # quadratic in the depth of brackets (half a million "[" keep libyaml busy for five minutes).
        for event in yaml.parse(text, Loader=_Loader):
            shape.see(event)
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise SpecificationInvalid([_syntax_problem(text, error, limits)]) from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise SpecificationInvalid([Problem(f"Not valid YAML: {str(error).splitlines()[0]}")]) from None
    return node


def faults(node: yaml.Node, path: str = "") -> Iterator[Problem]:
    """Problems of a composed document whatever its keys mean: doubled keys, foreign tags, hidden characters."""
    place = located(node, path)
    if node.tag not in _CORE_TAGS:
        yield place.problem(
            f"The tag '{_shown_tag(node.tag)}' is not allowed: write plain text, numbers and lists only."
        )
    if isinstance(node, yaml.ScalarNode):
        if found := _HIDDEN.search(node.value):
            yield place.problem(f"The text contains the control character U+{ord(found[0]):04X}: delete it.")
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from faults(item, f"{path}[{number}]")
    elif isinstance(node, yaml.MappingNode):
        yield from _mapping_faults(node, path)


def _mapping_faults(node: yaml.MappingNode, path: str) -> Iterator[Problem]:
    seen: dict[str, Located] = {}
    for key, value in node.value:
        place = located(key, join(path, key.value if isinstance(key, yaml.ScalarNode) else "?"))
        if not isinstance(key, yaml.ScalarNode):
            yield place.problem("A key must be text: a list or mapping cannot be one.")
        elif key.tag == _CORE + "merge":
            yield place.problem("The merge key '<<' is not supported: write the entries out.")
        elif first := seen.get(key.value):
            yield place.problem(
                f"The key '{key.value}' stands here twice (first on line {first.line}): keep one of them."
            )
        else:
            seen[key.value] = place
        if key.tag not in _CORE_TAGS or (place.text and _HIDDEN.search(place.text)):
            yield from faults(key, place.path)
        yield from faults(value, place.path)


def join(path: str, key: str) -> str:
    """`dependencies[2]` and `pip` make `dependencies[2].pip`."""
    return f"{path}.{key}" if path else key


def kind(node: yaml.Node) -> str:
    """What a node is: text, list, mapping, null, bool, number or date."""
    if isinstance(node, yaml.SequenceNode):
        return "list"
    if isinstance(node, yaml.MappingNode):
        return "mapping"
    word = str(node.tag).removeprefix(_CORE)
    return {"null": "null", "bool": "bool", "int": "number", "float": "number", "timestamp": "date"}.get(word, "text")


@dataclass
class _Shape:
    """Counts what a document would be with every alias replaced by what it stands for."""

    limits: YamlLimits
    nodes: int = 0
    aliases: int = 0
    documents: int = 0
    open: list[tuple[str | None, int]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    def see(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._refuse(event, "A second document begins here ('---'): one file describes one environment.")
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((event.anchor, self.nodes))
            if len(self.open) > self.limits.max_depth:
                self._refuse(event, _TOO_DEEP.format(self.limits.max_depth))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close(*self.open.pop(), 1)
        elif isinstance(event, yaml.ScalarEvent):
            self._close(event.anchor, self.nodes, 1)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        if self.nodes > self.limits.max_nodes:
            self._refuse(
                event, f"The file has more than {self.limits.max_nodes} entries, counting what aliases stand for."
            )

    def _close(self, anchor: str | None, before: int, own: int) -> None:
        self.nodes += own
        if anchor is not None:
            self.sizes[anchor] = self.nodes - before

    def _alias(self, event: yaml.AliasEvent) -> None:
        self.aliases += 1
        if any(anchor == event.anchor for anchor, _ in self.open):
            self._refuse(event, f"The alias '*{event.anchor}' stands inside what it names: it would never end.")
        if self.aliases > self.limits.max_aliases:
            self._refuse(
                event, f"The file uses more than {self.limits.max_aliases} aliases ('*name'): write entries out."
            )
        self.nodes += self.sizes.get(event.anchor or "", 1)

    def _refuse(self, event: yaml.Event, message: str) -> None:
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
        raise SpecificationInvalid([Problem(message, line, column)])


def _syntax_problem(text: str, error: yaml.MarkedYAMLError, limits: YamlLimits) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(f"Not valid YAML: {error.problem or error.context}.")
    words = ", ".join(part for part in (error.context, error.problem) if part)
    if "nesting depth" in words:
        # libyaml reads ahead and may come to a limit of its own before ours is looked at.
        return Problem(_TOO_DEEP.format(limits.max_depth), mark.line + 1, mark.column + 1)
    begun = error.context_mark
    # libyaml points behind the sign that made it expect an alias, anchor, tag or block; its context points at it.
    sign = begun if begun is not None and _SIGN.search(error.context or "") else mark
    lines = _LINE_BREAK.split(text)
    rest = lines[sign.line][sign.column :] if sign.line < len(lines) else ""
    where = f" (begun on line {begun.line + 1})" if begun is not None and begun.line != mark.line else ""
    hint = _syntax_hint(rest, words)
    return Problem(f"Not valid YAML: {words}{where}. {hint}".rstrip(), mark.line + 1, mark.column + 1)


def _syntax_hint(rest: str, words: str) -> str:
    if rest.startswith("@EXPLICIT"):
        return "This is a list of package URLs ('conda list --explicit'), not an environment.yaml."
    if rest.startswith("\t"):
        return "Indent with spaces: YAML does not allow tabs."
    if "alias" in words or rest[:1] in ("@", "`", "%", "*", "&", "!", "|", ">"):
        return f"Put text that begins with '{rest[:1]}' in quotes."
    if "mapping values are not allowed" in words:
        return "Only one ': ' may stand on a line: begin a new line or put the text in quotes."
    if "scalar" in words and "unexpected end" in words:
        return "A closing quote is missing."
    if "flow" in words:
        return "A closing bracket or a comma is missing."
    return "Check the indentation of this line and of the one above it."


def _shown_tag(tag: str) -> str:
    return "!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag


def _as_yaml_escape(pair: re.Match[str]) -> str:
    high, low = int(pair[2], 16), int(pair[3], 16)
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + low - 0xDC00:08x}"


def _position(before: str) -> tuple[int, int]:
    lines = _LINE_BREAK.split(before.removeprefix("\ufeff"))
    return len(lines), len(lines[-1]) + 1
