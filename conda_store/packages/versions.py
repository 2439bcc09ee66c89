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
