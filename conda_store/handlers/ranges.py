"""Which bytes of something a request wants (RFC 9110, 14)."""

from __future__ import annotations

from conda_store.errors import CondaStoreError


class RangeNotSatisfiable(CondaStoreError):
    """The range begins behind the end."""

    status = 416
    code = "range_not_satisfiable"

    def __init__(self, start: int, size: int) -> None:
        super().__init__(f"The range begins at byte {start}, but there are only {size} bytes.")
        self.headers = {"Content-Range": f"bytes */{size}"}


def wanted_range(text: str | None, if_range: str | None, etag: str, size: int) -> tuple[int, int] | None:
    """Start and end (not included) of the one range that a request wants; None when it gets everything.

    A header that is malformed, has several ranges, or names another version in `If-Range` is ignored, as the RFC
    allows. Raises `RangeNotSatisfiable`.
    """
    if text is None or (if_range is not None and if_range.strip() != etag):
        return None
    unit, _, spec = text.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not all(_is_number(one) for one in (first, last) if one):
        return None
    if not first:
        if not last:
            return None
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise RangeNotSatisfiable(start, size)
    return start, stop


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
