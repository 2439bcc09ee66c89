"""Which bytes a request wants (RFC 9110, section 14), for everything that can be resumed."""

from __future__ import annotations

import re

_SINGLE = re.compile(r"\s*bytes\s*=\s*(?P<first>[0-9]{0,18})\s*-\s*(?P<last>[0-9]{0,18})\s*", re.IGNORECASE)


def requested_range(header: str | None, if_range: str | None, etag: str, size: int) -> range | None:
    """The bytes that `Range` asks for; None for all of them, an empty range for none that there are (416).

    Several ranges, other units and malformed headers count as no header, as the RFC allows or demands; so does a
    header whose `If-Range` is not `etag` (strong, with its quotes).
    """
    match = _SINGLE.fullmatch(header or "")
    if match is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = match["first"], match["last"]
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)
