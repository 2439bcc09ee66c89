"""Addresses of our own pages and paths, each component quoted once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote


@lru_cache(256)
def segments_of(path: str) -> tuple[str, ...] | None:
    """The components of a raw URL path, unquoted; a closing slash makes no difference.

    None for a path that names nothing here: not UTF-8, a control character or a slash in a component, an empty one.
    """
    try:
        parts = [unquote(part, errors="strict") for part in path.strip("/").split("/")] if path.strip("/") else []
    except UnicodeDecodeError:
        return None
    if not all(part and part.isprintable() and "/" not in part for part in parts):
        return None
    return tuple(parts)


@dataclass(frozen=True)
class Places:
    """Builds addresses below `prefix`, which begins and ends with a slash and may be quoted (`/a%40b/`)."""

    prefix: str = "/"

    def url(self, *components: object) -> str:
        """The path of a page, such as `/a%40b/environment/ana%40lab.org/course/`."""
        return self.prefix + "".join(f"{quote(str(one), safe='')}/" for one in components)

    def file(self, *components: object) -> str:
        """The path of something that ends without a slash."""
        return self.url(*components).removesuffix("/")

    @property
    def segments(self) -> tuple[str, ...]:
        """The components of the prefix, unquoted."""
        return segments_of(self.prefix) or ()
