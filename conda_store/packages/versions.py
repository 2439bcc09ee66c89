"""The order of versions, as conda has it (conda documentation, "Version ordering")."""

from __future__ import annotations

from functools import lru_cache

from rattler import Version
from rattler.exceptions import InvalidVersionError

VersionKey = tuple[bool, Version | str]


@lru_cache(maxsize=65536)
def version_key(text: str) -> VersionKey:
    """Sorts `1.9` before `1.10`; what is no version comes before all that are, as texts."""
    try:
        return True, Version(text)
    except InvalidVersionError:
        return False, text


def direction(before: str, after: str) -> str:
    """What became of a version: `newer`, `older`, or `another build` of the same."""
    old, new = version_key(before), version_key(after)
    if old == new:
        return "another build"
    return "newer" if old < new else "older"
