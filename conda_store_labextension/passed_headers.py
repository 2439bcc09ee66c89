"""Which headers pass a Jupyter server: all others, cookies and credentials before all, stay where they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_TO_CONDA_STORE = (
    "Accept",
    "Accept-Encoding",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Last-Event-ID",
    "Range",
)
_TO_BROWSER = frozenset(
    {
        "accept-ranges",
        "allow",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-range",
        "content-type",
        "etag",
        "expires",
        "last-modified",
        "retry-after",
        "vary",
        "x-accel-buffering",
    }
)
# What a browser may show by itself; everything else is for the disk.
_SHOWN = frozenset({"application/json", "text/event-stream", "text/plain"})
# What it would run, or show as a page, when it could.
_ACTIVE = ("html", "xml", "javascript", "ecmascript")
_NO_CONTENT = 204


def to_conda_store(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of a request."""
    return {name: headers[name] for name in _TO_CONDA_STORE if name in headers}


def to_browser(status: int, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Those of an answer, byte for byte: the name of a file may be in any encoding.

    What is not JSON, text or a stream of events is a download, whatever conda-store says.
    """
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    kept = {name: value for name, value in found.items() if name in _TO_BROWSER}
    if status == _NO_CONTENT:
        return {name: value for name, value in kept.items() if not name.startswith("content-")}
    kind = media_type(kept.get("content-type", ""))
    if kind not in _SHOWN and not kind.endswith("+json"):
        _, _, rest = kept.get("content-disposition", "").partition(";")
        kept["content-disposition"] = f"attachment;{rest}" if rest else "attachment"
    return kept


def is_page(content_type: str) -> bool:
    """Whether a browser would run it, or show it as a page; nothing below `api/` is any of it."""
    return any(one in content_type.lower() for one in _ACTIVE)


def media_type(content_type: str) -> str:
    """Without its parameters, in small letters."""
    return content_type.partition(";")[0].strip().lower()
