"""Ranges and conditions of blobs, answer by answer against a real nginx that serves the same bytes.

Compared are status, `Content-Range`, `Content-Length`, `Content-Type` and the whole body, of which only the boundary
between parts may be another; of a refusal status and `Content-Range`, since its text is an OCI error.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_store.db import Database
from conda_store.db.orm import ManifestRow
from conda_store.handlers.ranges import MAX_RANGES, RangeNotSatisfiable, select
from conda_store.handlers.registry import CHUNK_BYTES
from conda_store.storage.local import LocalStorage
from tests.nginx_server import running_nginx
from tests.registry_house import registry_of

NAME = "default/bytes"
SIZE, LARGE = 1000, 3 * CHUNK_BYTES + 17

# What is served: a name, and how long it is.
FILES = {"some": SIZE, "empty": 0, "large": LARGE}

# The request's `Range`, and the status that both answer with.
RANGES = [
    ("bytes=0-0", 206),
    ("bytes=10-19", 206),
    ("bytes=0-", 206),
    ("bytes=100-", 206),
    ("bytes=999-", 206),
    ("bytes=-1", 206),
    ("bytes=-999", 206),
    ("bytes=-1000", 206),
    ("bytes=-1001", 206),
    ("bytes=0-999", 206),
    ("bytes=0-1000", 206),
    ("bytes=5-99999999", 206),
    ("bytes=000-0001", 206),
    (f"bytes=1-{2**63 - 1}", 206),
    ("BYTES=1-1", 206),
    ("bytes= 1-1", 206),
    # Beyond the end, or of no byte.
    ("bytes=1000-", 416),
    ("bytes=1000-1000", 416),
    ("bytes=99999-100000", 416),
    ("bytes=-0", 416),
    ("bytes=5-2", 416),
    ("bytes=5-2,1000-,-0", 416),
    # No ranges at all.
    ("bytes=-", 416),
    ("bytes=a-b", 416),
    ("bytes=1", 416),
    ("bytes=1-2-3", 416),
    ("bytes=--1", 416),
    ("bytes=+1-2", 416),
    ("bytes=0x1-2", 416),
    ("bytes=1-2;3-4", 416),
    ("bytes=0-1,x", 416),
    ("bytes=1-2, bytes=3-4", 416),
    ("bytes=,", 416),
    (f"bytes=1-{2**63}", 416),
    ("bytes=1-" + "9" * 5000, 416),
    # Another unit, or none.
    ("bytes=", 200),
    ("bytes", 200),
    ("bytes =0-1", 200),
    ("items=0-1", 200),
    ("seconds=0-1", 200),
    ("0-1", 200),
    ("", 200),
    # Several.
    ("bytes=0-0,5-5", 206),
    ("bytes=0-1, 4-5 ,  8-9", 206),
    ("bytes=0-9,-10", 206),
    ("bytes=500-,0-10", 206),
    ("bytes=5-5,0-0,999-", 206),
    ("bytes=0-0,0-0", 206),
    ("bytes=0-500,400-700", 206),
    ("bytes=0-499,500-999", 206),
    ("bytes=0-1,1-2,2-3,0-3", 206),
    # Of several only those that have bytes.
    ("bytes=1-3,2000-", 206),
    ("bytes=2000-,1-3,-0,7-9", 206),
    ("bytes=5-2,1-3", 206),
    # More than there is, or too many.
    ("bytes=0-,0-0", 200),
    ("bytes=0-600,200-999", 200),
    ("bytes=" + ",".join(["0-"] * 50), 200),
    ("bytes=" + ",".join(f"{2 * one}-{2 * one}" for one in range(MAX_RANGES)), 206),
    ("bytes=" + ",".join(f"{2 * one}-{2 * one}" for one in range(MAX_RANGES + 1)), 200),
    ("bytes=" + ",".join(f"{one}-{one}" for one in range(SIZE)), 200),
]
EMPTY_RANGES = [("bytes=0-", 200), ("bytes=0-0", 200), ("bytes=-1", 200), ("bytes=-0", 200), ("bytes=1-", 416)]
LARGE_RANGES = [
    (f"bytes={CHUNK_BYTES - 1}-{2 * CHUNK_BYTES}", 206),
    (f"bytes=-{CHUNK_BYTES + 1}", 206),
    (f"bytes=5-{CHUNK_BYTES},{CHUNK_BYTES}-{2 * CHUNK_BYTES + 3},-9", 206),
]

# Conditions; `{etag}` is that of the answer to a plain request.
CONDITIONS: list[tuple[dict[str, str], int]] = [
    ({}, 200),
    ({"If-None-Match": "{etag}"}, 304),
    ({"If-None-Match": "W/{etag}"}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": '"x", {etag}'}, 304),
    ({"If-None-Match": '"x","y",  W/{etag} , "z"'}, 304),
    ({"If-None-Match": '"x"'}, 200),
    ({"If-None-Match": '"x", "y"'}, 200),
    ({"If-None-Match": "x"}, 200),
    ({"If-None-Match": "{etag}", "Range": "bytes=0-1"}, 304),
    ({"If-None-Match": "{etag}", "Range": "bytes=9999999-"}, 304),
    ({"If-None-Match": '"x"', "Range": "bytes=0-1"}, 206),
    ({"If-None-Match": '"x"', "Range": "bytes=0-1,4-5"}, 206),
    ({"If-None-Match": '"x"', "Range": "bytes=9999999-"}, 416),
    ({"If-Range": "{etag}"}, 200),
    ({"If-Range": "{etag}", "Range": "bytes=0-1"}, 206),
    ({"If-Range": "{etag}", "Range": "bytes=0-1,4-5"}, 206),
    ({"If-Range": "{etag}", "Range": "bytes=9999999-"}, 416),
    ({"If-Range": '"x"', "Range": "bytes=0-1"}, 200),
    ({"If-Range": '"x"', "Range": "bytes=9999999-"}, 200),
    ({"If-Range": "W/{etag}", "Range": "bytes=0-1"}, 200),
    ({"If-Range": "Sun, 22 Nov 1996 00:00:00 GMT", "Range": "bytes=0-1"}, 200),
    ({"If-Range": "yesterday", "Range": "bytes=0-1"}, 200),
    ({"If-Match": "{etag}", "Range": "bytes=0-1"}, 206),
]

# Where the two differ on purpose: the request, nginx's status, ours, and why.
DIFFERENCES: list[tuple[dict[str, str], int, int, str]] = [
    ({"Range": "bytes=0-1,,4-5"}, 416, 206, "empty elements of a list mean nothing (RFC 9110, 5.6.1.2)"),
    ({"Range": "bytes=0-1,"}, 416, 206, "the same"),
    ({"Range": "bytes=0-1,\t4-5"}, 416, 206, "a tab is white space too (RFC 9110, 5.6.3)"),
    ({"Range": "bytes=0 - 1"}, 206, 416, "no space stands in a range (RFC 9110, 14.1.2)"),
    ({"If-Modified-Since": "{date}"}, 304, 200, "a blob has a digest and no date"),
    ({"If-Range": "{date}", "Range": "bytes=0-1"}, 206, 200, "the same"),
    ({"If-Match": '"x"'}, 412, 200, "what a digest names does not become something else, and nothing is changed here"),
]


@dataclass(frozen=True)
class Twins:
    """The same files at two servers, by name: ours and nginx's URL."""

    client: httpx.Client
    urls: dict[str, tuple[str, str]]

    def ask(self, name: str, method: str, headers: dict[str, str]) -> tuple[httpx.Response, httpx.Response]:
        """Our answer and nginx's; `{etag}` and `{date}` in headers are each server's own."""
        ours, theirs = self.urls[name]
        return self._ask(ours, method, headers), self._ask(theirs, method, headers)

    def _ask(self, url: str, method: str, headers: dict[str, str]) -> httpx.Response:
        plain = self.client.head(url).headers
        date = plain.get("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT")
        known = {key: value.format(etag=plain["etag"], date=date) for key, value in headers.items()}
        return self.client.request(method, url, headers=known)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    root = tmp_path_factory.mktemp("ranges")
    database, storage = Database(f"sqlite:///{root / 'store.sqlite'}"), LocalStorage(root / "store", durable=False)
    database.create_or_upgrade()
    digests = fill(root / "www", storage)
    with database.write() as session:
        for name, digest in digests.items():
            session.add(ManifestRow(repository=NAME, digest=digest, media_type="", size=FILES[name]))
    with (
        registry_of(database, storage) as house,
        running_nginx(root, max_ranges=MAX_RANGES) as nginx,
        httpx.Client(trust_env=False) as client,
    ):
        urls = {name: (f"{house.url}{NAME}/blobs/{digest}", nginx + name) for name, digest in digests.items()}
        yield Twins(client, urls)
    database.close()


def fill(www: Path, storage: LocalStorage) -> dict[str, str]:
    """Store every file at both places; returns their digests."""
    www.mkdir()
    digests = {}
    for name, size in FILES.items():
        data = random.Random(name).randbytes(size)
        (www / name).write_bytes(data)
        digests[name] = storage.put_blob(data)
    return digests


def meaning(answer: httpx.Response) -> tuple[object, ...]:
    """What is compared."""
    place = answer.headers.get("content-range")
    if answer.status_code == 416:
        return answer.status_code, place
    kind, length = answer.headers.get("content-type"), answer.headers.get("content-length")
    if found := re.fullmatch(r"(multipart/byteranges; boundary=)([0-9a-zA-Z]+)", kind or ""):
        body = answer.content.replace(found[2].encode(), b"BOUNDARY")
        return answer.status_code, place, length, found[1], hashlib.sha256(body).hexdigest()
    return answer.status_code, place, length, kind, hashlib.sha256(answer.content).hexdigest()


def check(twins: Twins, name: str, headers: dict[str, str], status: int) -> None:
    """Both servers answer alike, with `status`."""
    for method in ("GET", "HEAD"):
        ours, theirs = twins.ask(name, method, headers)
        assert (theirs.status_code, meaning(ours)) == (status, meaning(theirs)), method


def short(value: object) -> str:
    """A row's name."""
    text = str(value)
    return text if len(text) < 60 else f"{text[:40]}...{len(text)}"


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        *(("some", *row) for row in RANGES),
        *(("empty", *row) for row in EMPTY_RANGES),
        *(("large", *row) for row in LARGE_RANGES),
    ],
    ids=short,
)
def test_ranges_are_answered_as_nginx_does(twins: Twins, name: str, text: str, status: int) -> None:
    check(twins, name, {"Range": text}, status)


@pytest.mark.parametrize(("headers", "status"), CONDITIONS, ids=short)
def test_conditions_are_answered_as_nginx_does(twins: Twins, headers: dict[str, str], status: int) -> None:
    for name in ("some", "large"):
        check(twins, name, headers, status)


@pytest.mark.parametrize(("headers", "theirs", "ours", "why"), DIFFERENCES, ids=short)
def test_where_nginx_answers_otherwise(twins: Twins, headers: dict[str, str], theirs: int, ours: int, why: str) -> None:
    for method in ("GET", "HEAD"):
        answers = twins.ask("some", method, headers)
        assert [answer.status_code for answer in answers] == [ours, theirs], why


numbers = st.integers(0, 12) | st.integers(SIZE - 12, SIZE + 12) | st.integers(0, SIZE)
specs = st.builds("{}-{}".format, numbers, numbers) | numbers.map("{}-".format) | numbers.map("-{}".format)
headers = st.lists(specs, min_size=1, max_size=8).map(lambda some: f"bytes={','.join(some)}")


@settings(deadline=None)
@given(headers)
def test_any_ranges_are_answered_as_nginx_does(twins: Twins, text: str) -> None:
    ours, theirs = twins.ask("some", "GET", {"Range": text})
    assert meaning(ours) == meaning(theirs)


def test_parts_are_what_they_say(twins: Twins) -> None:
    ours, _ = twins.ask("large", "GET", {"Range": f"bytes=5-{CHUNK_BYTES},-9,7-7"})
    whole = twins.client.get(twins.urls["large"][0]).content
    boundary = ours.headers["content-type"].partition("boundary=")[2].encode()
    assert boundary not in whole
    *parts, end = ours.content.split(b"\r\n--" + boundary)[1:]
    assert end == b"--\r\n" and "content-range" not in ours.headers
    expected = [(5, CHUNK_BYTES + 1), (LARGE - 9, LARGE), (7, 8)]
    for part, (start, stop) in zip(parts, expected, strict=True):
        head, _, data = part.partition(b"\r\n\r\n")
        place = f"Content-Range: bytes {start}-{stop - 1}/{LARGE}"
        assert head.decode().split("\r\n") == ["", "Content-Type: application/octet-stream", place]
        assert data == whole[start:stop]


def test_a_boundary_is_another_each_time(twins: Twins) -> None:
    kinds = {twins.ask("some", "GET", {"Range": "bytes=0-0,2-2"})[0].headers["content-type"] for _ in range(5)}
    assert len(kinds) == 5


@given(st.lists(specs, min_size=1, max_size=3 * MAX_RANGES))
def test_nobody_gets_much_more_than_there_is(some: list[str]) -> None:
    try:
        found = select({"Range": f"bytes={','.join(some)}"}, '"e"', SIZE, "application/octet-stream")
    except RangeNotSatisfiable:
        return
    assert sum(portion.stop - portion.start for portion in found.portions) <= SIZE
    assert sum(len(portion.head) for portion in found.portions) <= 150 * (MAX_RANGES + 1)
    # One file handle, and never more seeks than this.
    assert len(found.portions) <= MAX_RANGES + 1
