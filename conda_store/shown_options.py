"""The options that differ from their defaults, as they may be shown: never a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from traitlets.config import Application

HIDDEN = "(set, not shown)"
# Whole classes, and names of options and of keys inside of them. What sounds like a secret is taken for one.
_SECRET_KINDS = {"ChannelCredentials", "ServiceTokens"}
_SECRET = re.compile(r"secret|token|password|credential|cookie|api_?key|private", re.IGNORECASE)
_NO_SECRET = re.compile(r"_(url|file|seconds|days)$")
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"(?<=[?&;])([^=&;\s]+)=[^&;\s]*")


def shown_options(app: Application) -> Iterator[tuple[str, str]]:
    """Every option that was given, as `c.Class.option`, with its value as Python; of classes unknown here the names."""
    classes = {kind.__name__: kind for kind in (type(app), *app.classes)}
    for section, values in sorted(app.config.items()):
        for name, value in sorted(values.items()) if isinstance(values, Mapping) else ():
            trait = classes[section].class_traits(config=True).get(name) if section in classes else None
            if trait is not None and repr(trait.default_value) == repr(value):
                continue
            known = trait is not None and section not in _SECRET_KINDS
            yield f"c.{section}.{name}", repr(_shown(name, value)) if known else HIDDEN


def _shown(name: str, value: Any) -> Any:
    if _SECRET.search(name) and not _NO_SECRET.search(name):
        return _Hidden()
    if isinstance(value, Mapping):
        return {key: _shown(str(key), one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown("", one) for one in value]
    if isinstance(value, str):
        return _QUERY.sub(r"\1=…", _LOGIN_IN_URL.sub("…@", value))
    return _Named(value.__name__) if isinstance(value, type) else value


class _Hidden:
    def __repr__(self) -> str:
        return HIDDEN


class _Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name
