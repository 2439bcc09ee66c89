"""Which bytes of something a request wants, and how an answer carries them (RFC 9110, 14).

The answers are nginx's with `max_ranges` set (`tests/test_registry_ranges.py` compares them): one range is an answer of
its own, several come as `multipart/byteranges` in the order in which they were asked for. Ranges that together are
longer than the whole, and more than `MAX_RANGES` of them, get the whole: so nobody makes the server send much more than
there is. What cannot be read as ranges is refused like a range beyond the end.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from conda_store.errors import CondaStoreError

# Clients that put a file together from what they have ask for some dozens; each costs 150 bytes and a seek.
MAX_RANGES = 100
_LARGEST = 2**63 - 1


class RangeNotSatisfiable(CondaStoreError):
    """No byte is in the ranges, or they cannot be read."""

    status = 416
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"There are {size} bytes, none of them in this range: write 'Range: bytes=FIRST-LAST'.")
        self.headers = {"Content-Range": f"bytes */{size}"}


@dataclass(frozen=True)
class Portion:
    """Bytes from `start` up to, not including, `stop`; `head` goes before them."""

    start: int
    stop: int
    head: bytes = b""


@dataclass(frozen=True)
class Selection:
    """An answer's status, its headers about the content, and the content."""

    status: HTTPStatus
    headers: Mapping[str, str]
    portions: Sequence[Portion]


def select(headers: Mapping[str, str], etag: str, size: int, media_type: str) -> Selection:
    """What to answer to a request with these headers, of something that exists. Raises `RangeNotSatisfiable`."""
    ranges = wanted_ranges(headers.get("Range"), headers.get("If-Range"), etag, size)
    if ranges is None:
        return _selection(HTTPStatus.OK, media_type, [Portion(0, size)])
    if len(ranges) > 1:
        return _multipart(ranges, size, media_type)
    ((start, stop),) = ranges
    place = {"Content-Range": _place(start, stop, size)}
    return _selection(HTTPStatus.PARTIAL_CONTENT, media_type, [Portion(start, stop)], **place)


def wanted_ranges(text: str | None, if_range: str | None, etag: str, size: int) -> list[tuple[int, int]] | None:
    """Start and end (not included) of every range that a request wants; None when it gets everything.

    A header in another unit, or that is about another version (`If-Range`), is ignored. Raises `RangeNotSatisfiable`.
    """
    unit, _, specs = (text or "").partition("=")
    if unit.lower() != "bytes" or not specs or (if_range is not None and if_range != etag):
        return None
    # Empty elements of a list mean nothing (RFC 9110, 5.6.1.2).
    given = [_range(spec.strip(), size) for spec in specs.split(",") if spec.strip()]
    found = [(start, stop) for start, stop in given if start < stop]
    if len(found) > MAX_RANGES or sum(stop - start for start, stop in found) > size or (0, 0) in given:
        return None
    if not found:
        raise RangeNotSatisfiable(size)
    return found


def _range(spec: str, size: int) -> tuple[int, int]:
    first, dash, last = spec.partition("-")
    if not dash or not (first or last) or not all(_is_number(one) for one in (first, last) if one):
        raise RangeNotSatisfiable(size)
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= _LARGEST


def _multipart(ranges: Sequence[tuple[int, int]], size: int, media_type: str) -> Selection:
    # Unknown beforehand, so that no content can hold it on purpose.
    boundary = secrets.token_hex(10)
    portions = [
        Portion(start, stop, _head(boundary, f"Content-Type: {media_type}", _place(start, stop, size)))
        for start, stop in ranges
    ]
    portions.append(Portion(0, 0, f"\r\n--{boundary}--\r\n".encode()))
    return _selection(HTTPStatus.PARTIAL_CONTENT, f"multipart/byteranges; boundary={boundary}", portions)


def _head(boundary: str, kind: str, place: str) -> bytes:
    return f"\r\n--{boundary}\r\n{kind}\r\nContent-Range: {place}\r\n\r\n".encode()


def _place(start: int, stop: int, size: int) -> str:
    return f"bytes {start}-{stop - 1}/{size}"


def _selection(status: HTTPStatus, media_type: str, portions: Sequence[Portion], **more: str) -> Selection:
    length = sum(len(one.head) + one.stop - one.start for one in portions)
    return Selection(status, {"Content-Type": media_type, "Content-Length": str(length), **more}, portions)
