"""The words of image options: which keys there are, what may stand under each, and what to say of everything else."""

from __future__ import annotations

import difflib
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conda_store.specification_grammar import shorten, variable_fault

ROOT = "image"
KEYS = ("user", "working_dir", "environment", "entrypoint", "command", "labels")
# What a specification cannot say of its image, since the image would contradict itself.
FIXED_VARIABLES = ("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_SHLVL")
OWN_LABELS = "io.conda-store."
FIXED_LABELS = tuple(f"org.opencontainers.image.{name}" for name in ("created", "base.name", "base.digest"))

_OTHER_WORDS = {
    "env": "environment",
    "variables": "environment",
    "workdir": "working_dir",
    "cwd": "working_dir",
    "cmd": "command",
    "annotations": "labels",
}
# The ids that docker takes; names as useradd takes them.
_LARGEST_ID = 2**31 - 1
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,31}"
_ID = "[0-9]{1,10}"
_USER = re.compile(rf"(?:{_NAME}|{_ID})(?::(?:{_NAME}|{_ID}))?")
# What no configuration can hold: NUL ends a text of the kernel's, a lone surrogate is no character.
_UNFIT = re.compile("[\0\ud800-\udfff]")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?")


@dataclass(frozen=True)
class OptionFault:
    """What is wrong at `path`: with what stands there or, where `of_key`, with the key itself."""

    path: str
    message: str
    of_key: bool = False


def read_values(document: object) -> tuple[dict[str, Any], list[OptionFault]]:
    """The sound values by key, as `ImageOptions` takes them, and every fault."""
    if document is None:
        return {}, []
    if not isinstance(document, Mapping):
        hint = "write keys such as 'user: \"1000\"' below it"
        return {}, [OptionFault(ROOT, f"'{ROOT}' must be a mapping, but is {_shown(document)}: {hint}.")]
    reader = _Reader()
    for key, value in document.items():
        reader.read(str(key), value)
    return reader.values, reader.faults


class _Reader:
    """Faults pile up, values that are sound are kept."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.faults: list[OptionFault] = []

    def read(self, key: str, value: object) -> None:
        path = f"{ROOT}.{key}"
        if key not in KEYS:
            self.faults.append(OptionFault(path, unknown_key(key), of_key=True))
        elif value is not None:
            readers: dict[str, Callable[[str, object], Any]] = {
                "user": self._user,
                "working_dir": self._folder,
                "environment": self._variables,
                "labels": self._labels,
            }
            before = len(self.faults)
            found = readers.get(key, self._words)(path, value)
            # Of a mapping, the sound entries are kept: other checks look at them too.
            if len(self.faults) == before or (isinstance(value, Mapping) and found is not None):
                self.values[key] = found

    def _fault(self, path: str, message: str, *, of_key: bool = False) -> None:
        self.faults.append(OptionFault(path, message, of_key))

    def _text(self, path: str, value: object, what: str) -> str | None:
        """A text, or a whole number, which YAML has wherever nobody wrote quotes."""
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            self._fault(
                path, f"{what} is {_shown(value)}: it must be text, in quotes where it looks like anything else."
            )
        elif found := _UNFIT.search(value):
            self._fault(path, f"{what} contains the character U+{ord(found[0]):04X}: delete it.")
        else:
            return value
        return None

    def _user(self, path: str, value: object) -> str | None:
        text = self._text(path, value, "The user")
        if text is not None and (not _USER.fullmatch(text) or any(int(i) > _LARGEST_ID for i in _numbers(text))):
            rule = f"a name or a number up to {_LARGEST_ID}, with ':' and a group where one is meant"
            self._fault(path, f"'{shorten(text)}' is not a user: write {rule}, such as '1000:1000'.")
        return text

    def _folder(self, path: str, value: object) -> str | None:
        text = self._text(path, value, "The working directory")
        if text is None:
            return None
        if not text.startswith("/") or any(character in text for character in "\n\r"):
            self._fault(path, f"'{shorten(text)}' is not an absolute path: begin it with '/', such as '/work'.")
        # POSIX lets two slashes at the beginning mean something of their own.
        return posixpath.normpath(f"/{text.lstrip('/')}")

    def _words(self, path: str, value: object) -> tuple[str, ...] | None:
        """A list as it is; a text split as a shell would, as docker-compose does."""
        what = path.rpartition(".")[2]
        if isinstance(value, list | tuple):
            items = [self._text(f"{path}[{number}]", item, "The word") for number, item in enumerate(value)]
            if items and items[0] == "":
                self._fault(path, f"The {what} begins with an empty word: write a program there.")
            return tuple(item for item in items if item is not None)
        text = self._text(path, value, f"The {what}")
        try:
            return None if text is None else tuple(shlex.split(text))
        except ValueError:
            self._fault(path, f"The {what} '{shorten(text or '')}' has an open quote: close it, or write a list.")
        return None

    def _pairs(self, path: str, value: object, example: str) -> list[tuple[str, object]]:
        if isinstance(value, Mapping):
            return [(str(name), item) for name, item in value.items()]
        self._fault(path, f"'{path}' must be a mapping, but is {_shown(value)}: write '{example}'.")
        return []

    def _variables(self, path: str, value: object) -> tuple[tuple[str, str], ...]:
        found = {}
        for name, item in self._pairs(path, value, "NAME: value"):
            place = f"{path}.{name}"
            text = self._text(place, item, f"The value of the variable '{shorten(name)}'")
            if fault := variable_fault(name, text or ""):
                self._fault(place, fault, of_key=True)
            elif name in FIXED_VARIABLES:
                self._fault(place, f"The variable '{name}' is set by conda-store: delete it.", of_key=True)
            elif text is not None:
                found[name] = text
        return tuple(found.items())

    def _labels(self, path: str, value: object) -> tuple[tuple[str, str], ...]:
        found = {}
        for name, item in self._pairs(path, value, "org.example.name: value"):
            place = f"{path}.{name}"
            text = self._text(place, item, f"The value of the label '{shorten(name)}'")
            if fault := label_fault(name):
                self._fault(place, fault, of_key=True)
            elif text is not None:
                found[name] = text
        return tuple(found.items())


def label_fault(name: str) -> str | None:
    """Why a text cannot be the key of a label; None when it can."""
    if name in FIXED_LABELS or name.startswith(OWN_LABELS):
        return f"The label '{shorten(name)}' is set by conda-store: delete it."
    if _LABEL.fullmatch(name):
        return None
    rule = "letters and digits with '.', '-', '_' or '/' between them, at most 128, such as 'org.example.team'"
    return f"'{shorten(name)}' is not the key of a label: use {rule}."


def unknown_key(key: str) -> str:
    """What to say of a key that image options do not have."""
    lower = key.lower().replace("-", "_")
    near = _OTHER_WORDS.get(lower) or next(iter(difflib.get_close_matches(lower, KEYS, 1, 0.6)), None)
    hint = f"did you mean '{near}'?" if near else f"the keys are {', '.join(KEYS)}. Delete it."
    return f"Unknown key '{shorten(key)}' below '{ROOT}'; {hint}"


def _numbers(user: str) -> list[str]:
    return [part for part in user.split(":") if part.isdigit()]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "empty"
    if isinstance(value, str):
        return f"the text '{shorten(value)}'"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a mapping" if isinstance(value, Mapping) else "a list"
