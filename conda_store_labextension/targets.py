"""Which paths of conda-store may be asked for through a Jupyter server. Knows no HTTP client and no handler."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus

from conda_store.errors import BadInput, CondaStoreError

# Characters of a path (RFC 3986, 3.3), and complete escapes.
_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]|^`{}\"<>]|%[0-9A-Fa-f]{2})*")
_PREFIXES = ("api/v1/", "api/v2/")
_BUILD = r"(?:build/[0-9]+|environment/[^/]+/[^/]+)"
_ARTIFACT = re.compile(
    rf"api/v1/{_BUILD}/(yaml/?|lockfile/?|conda-lock\.ya?ml|archive/?|installer/?|sbom/?|logs/?)(\?format=(?:gz|zst))?"
)
# Between the browser and its Jupyter server: conda-store has no use for them, and they are secrets.
_PRIVATE = frozenset({"token", "_xsrf", "no_track_activity"})
_DEEPEST = 5


class PathRefused(BadInput):
    """A path that could mean another one than it looks like."""

    code = "path_refused"


class NotPassedOn(CondaStoreError):
    """A path that is none of the REST API's."""

    status = 404
    code = "not_passed_on"


def target_of(path: str, query: str = "") -> str:
    """`path` and `query` as they may be put behind the address of conda-store; both are as a browser sent them.

    Raises `PathRefused` for a path that a server could read otherwise than it is written here, and `NotPassedOn` for
    one outside of `api/v1/` and `api/v2/`.
    """
    if not _PATH.fullmatch(path):
        raise PathRefused("The path holds a character that must be escaped in one: nothing was passed on.")
    parts = path.split("/")
    if any(_escapes(one) for one in parts) or "" in parts[:-1]:
        raise PathRefused("The path holds '//', '.', '..', or an escaped slash: nothing was passed on.")
    if not path.startswith(_PREFIXES):
        raise NotPassedOn("Only api/v1/ and api/v2/ of conda-store can be reached here.")
    kept = "&".join(one for one in query.split("&") if one and _name_of(one) not in _PRIVATE)
    if not _QUERY.fullmatch(kept):
        raise PathRefused("The query holds a character that must be escaped in one: nothing was passed on.")
    return f"{path}?{kept}" if kept else path


def artifact_of(path: str) -> tuple[str, str]:
    """The target of a download and which artifact it is, such as `archive`. Raises `PathRefused` for all others."""
    found = _ARTIFACT.fullmatch(path)
    if found is None:
        raise PathRefused(
            "Only what a build left can be saved: its yaml, lockfile, conda-lock.yml, archive, installer, sbom or "
            "logs, such as 'api/v1/build/7/lockfile/'."
        )
    plain, _, query = path.partition("?")
    return target_of(plain, query), found[1].rstrip("/")


def _escapes(part: str) -> bool:
    """Whether one component of a path leads elsewhere, also for a server that decodes it more than once."""
    for _ in range(_DEEPEST):
        if part.partition(";")[0] in (".", "..") or any(one in "/\\" or not one.isprintable() for one in part):
            return True
        decoded = unquote(part, errors="replace")
        if decoded == part:
            return False
        part = decoded
    return True


def _name_of(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])
