"""Options that no class has: in all likelihood misspelt, and then silently without effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from traitlets.config import Configurable

_LIKE = 0.75
# Classes of others are often called after the one of ours that they extend: only a slip of the hand counts there.
_ALMOST, _LETTERS = 0.85, 1


def misspelt_options(kinds: Iterable[type[Configurable]], config: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the names in a configuration, a sentence each. Classes unlike any that is known are left
    alone: somebody may have written them."""
    kinds = tuple(kinds)
    known, complete = _names(kinds), _complete(kinds)
    for section, values in config.items():
        if section not in known:
            if (near := _near(section, known, _ALMOST)) and abs(len(near) - len(section)) <= _LETTERS:
                yield f"There is no class '{section}' with options: did you mean 'c.{near}'?"
            continue
        for name in values if isinstance(values, Mapping) else ():
            if name in known[section]:
                continue
            if near := _near(name, known[section]):
                yield f"'c.{section}' has no option '{name}': did you mean 'c.{section}.{near}'?"
            elif section in complete:
                yield f"'c.{section}' has no option '{name}': docs/configuration.md lists those that it has."


def _names(kinds: Iterable[type[Configurable]]) -> dict[str, set[str]]:
    """The options that may stand under the name of each class: its own, and those of classes that are of its kind."""
    found: dict[str, set[str]] = {}
    for kind in kinds:
        for base in kind.mro():
            if issubclass(base, Configurable):
                found.setdefault(base.__name__, set()).update(kind.class_trait_names(config=True))
    return found


def _complete(kinds: Sequence[type[Configurable]]) -> set[str]:
    """Classes that nobody extends: under the name of another one, options of somebody's own may stand."""
    bases = {base for kind in kinds for base in kind.mro()[1:]}
    return {kind.__name__ for kind in kinds if kind not in bases}


def _near(name: str, known: Iterable[str], like: float = _LIKE) -> str | None:
    return next(iter(get_close_matches(name, list(known), 1, like)), None)
