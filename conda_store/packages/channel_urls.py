"""The one spelling of a channel's or a package's URL, and the refusal of every spelling that hides something.

Only text is looked at here; which channels are allowed stands in `channels`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

from conda_store.errors import BadInput
from conda_store.specification_grammar import PLATFORMS

SUBDIRS = frozenset((*PLATFORMS, "noarch"))
_SCHEMES = {"http": 80, "https": 443, "file": None, "s3": None, "oci": None}
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_TOKEN = re.compile(r"(^|/)t/[^/]+(/|$)")
_HASH = re.compile(r"(md5=|sha256=|sha256:)?[0-9a-f]{32}([0-9a-f]{32})?", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
# What RFC 3986 §3.3 allows in a path segment as it is.
_SAFE = "!$&'()*+,;=:@"


class PackageUrl(NamedTuple):
    """`<channel>/<subdir>/<filename>`; `channel` is a normal URL without a closing slash."""

    channel: str
    subdir: str
    filename: str


def is_url(text: str) -> bool:
    """Whether a channel is given as a URL. A Windows path (`C:\\…`) is none."""
    return bool(_URL.match(text)) and not re.match(r"[A-Za-z]:[\\/]", text)


def is_path(text: str) -> bool:
    """Whether a channel is given as a path of the local machine."""
    return text.startswith((".", "/", "~")) or "\\" in text


def strip_credentials(url: str) -> str:
    """The URL without `user:password@`, `/t/<token>` and query, for messages and lockfiles; never raises."""
    head, separator, rest = url.partition("://")
    if not separator:
        return _without_token(url.rpartition("@")[2])
    authority, slash, path = rest.partition("/")
    return f"{head}{separator}{authority.rpartition('@')[2]}{slash}{_without_token(path)}"


def channel_name(text: str) -> str:
    """The normal form of a channel given by name: `conda-forge`, `conda-forge/label/dev`; a subdir is cut off.

    Raises BadInput for paths, credentials and anything else.
    """
    name = text.strip().strip("/")
    if _TOKEN.search(name):
        raise BadInput(_credentials(name))
    name = _without_subdirs(name)
    if name in SUBDIRS:
        raise BadInput(f"'{name}' is a platform and not a channel: write it under 'platforms'.")
    if not _CHANNEL_NAME.fullmatch(name) or len(name) > 255:
        raise BadInput(f"'{name[:80]}' is not the name of a channel: write a name such as 'conda-forge', or a URL.")
    return name


def channel_url(text: str) -> str:
    """The normal form of a channel's URL: no closing slash, no subdir, no default port, lower-case host.

    Raises BadInput when it carries credentials or is not plain.
    """
    url = normal_url(text)
    if "#" in url:
        raise BadInput(f"The channel URL '{strip_credentials(text)}' has a fragment ('#'): remove it.")
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{_without_subdirs(rest)}"


def directory_url(path: Path) -> str:
    """The `file://` URL of a local channel directory; a subdirectory of platform is cut off."""
    return channel_url("file://" + quote(path.expanduser().absolute().as_posix(), safe="/" + _SAFE))


def package_url(text: str) -> PackageUrl:
    """The parts of a conda package's URL. A fragment may only be the package's hash and is dropped.

    Raises BadInput when it is no such URL, or not plain.
    """
    url, _, fragment = normal_url(text).partition("#")
    shown = strip_credentials(text)
    if fragment and not _HASH.fullmatch(fragment):
        raise BadInput(f"The fragment of '{shown}' is not a hash: remove what follows '#'.")
    channel, _, rest = url.rpartition("/")[0].rpartition("/")
    filename = url.rpartition("/")[2]
    if rest not in SUBDIRS or channel.endswith(":/") or not filename.endswith((".conda", ".tar.bz2")):
        raise BadInput(f"'{shown}' is not the URL of a conda package: expected '<channel>/<subdir>/<file>.conda'.")
    return PackageUrl(channel, rest, filename)


def is_below(url: str, prefix: str) -> bool:
    """Whether a normal URL lies below another, by whole path segments."""
    return url.partition("#")[0].startswith(prefix.rstrip("/") + "/")


def normal_url(text: str) -> str:
    """Scheme and host in lower case, no default port, escapes only where needed, no closing slash.

    Raises BadInput for credentials, `..`, empty segments, escaped separators, backslashes, white space, queries,
    and schemes or ports that are none.
    """
    shown = strip_credentials(text.strip())[:200]
    text = text.strip()
    if re.search(r"[\x00-\x20\x7f\\?]", text) or not text.isprintable():
        raise BadInput(f"The URL '{shown}' holds a space, backslash, '?' or control character: write it plainly.")
    try:
        parts = urlsplit(text)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        raise BadInput(f"'{shown}' is not a URL.") from None
    scheme = parts.scheme.lower()
    if scheme not in _SCHEMES:
        raise BadInput(f"The scheme of '{shown}' is not one of {', '.join(_SCHEMES)}.")
    if "@" in parts.netloc or _TOKEN.search(parts.path):
        raise BadInput(_credentials(shown))
    authority = _authority(scheme, host, port, "[" in parts.netloc, shown)
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{scheme}://{authority}{_path(parts.path, shown)}{fragment}"


def _without_subdirs(path: str) -> str:
    while (parts := path.rpartition("/"))[0] and parts[2] in SUBDIRS:
        path = parts[0]
    return path


def _without_token(path: str) -> str:
    return re.sub(r"[?#].*", "", re.sub(r"(^|(?<=/))t/[^/]+(/|$)", "", path), flags=re.DOTALL)


def _authority(scheme: str, host: str, port: int | None, bracketed: bool, shown: str) -> str:
    if scheme == "file":
        if host not in ("", "localhost") or port is not None:
            raise BadInput(f"The file URL '{shown}' names another machine: write 'file:///path'.")
        return ""
    host = f"[{host}]" if bracketed else host.rstrip(".")
    if not _HOST.fullmatch(host):
        raise BadInput(f"The URL '{shown}' has no host, or one that is not plain letters, digits, '.' and '-'.")
    return host if port in (None, _SCHEMES[scheme]) else f"{host}:{port}"


def _path(path: str, shown: str) -> str:
    segments = path.strip("/").split("/") if path.strip("/") else []
    normal = []
    for segment in segments:
        plain = unquote_to_bytes(segment)
        if plain in (b"", b".", b"..") or re.search(rb"[/\\\x00-\x1f\x7f]|%2e|%2f|%5c", plain, re.IGNORECASE):
            raise BadInput(f"The path of the URL '{shown}' has '..', '//' or an escaped separator: write it plainly.")
        normal.append(quote(plain, safe=_SAFE))
    return "".join(f"/{segment}" for segment in normal)


def _credentials(shown: str) -> str:
    return (
        f"The channel '{strip_credentials(shown)}' is given with credentials (user, password or token): remove them. "
        "Credentials belong into the configuration of conda-store, which keeps them out of logs and lockfiles."
    )
