"""Downloads that break off, change or never come: a file is whole or not there, and nothing is fetched twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conda_store.client import Client, NotFound, ServerBusy, ServerRefused
from conda_store.client.answers import AnswerUnreadable, ServerUnreachable
from conda_store.client.download import written_whole
from conda_store.errors import CondaStoreError, StorageFull
from tests.odd_server import OddServer, Reply, build, environment, odd_server, ok, refused

ARCHIVE = "GET build/7/archive/"
BYTES = bytes(range(256)) * 1000
TAG = '"one"'


@pytest.fixture
def odd() -> Iterator[OddServer]:
    """A server that does as it is told."""
    with odd_server() as server:
        yield server


@pytest.fixture
def client(odd: OddServer) -> Iterator[Client]:
    """A client."""
    with Client(odd.url) as one:
        yield one


@pytest.fixture
def hasty(odd: OddServer) -> Iterator[Client]:
    """A client with little patience."""
    with Client(odd.url, patience_seconds=0.2) as one:
        yield one


def whole(data: bytes = BYTES, sent: int | None = None, tag: str | None = TAG) -> Reply:
    """All of a file, of which only `sent` bytes come."""
    sent = len(data) if sent is None else sent
    return Reply(200, data[:sent], {"ETag": tag} if tag else {}, missing=len(data) - sent)


def rest(start: int, sent: int | None = None, told: int | None = None) -> Reply:
    """The bytes from `start`, cut after `sent`; the answer says that they begin at `told`."""
    data = BYTES[start:]
    kept = data if sent is None else data[:sent]
    headers = {"ETag": TAG, "Content-Range": f"bytes {start if told is None else told}-{len(BYTES) - 1}/{len(BYTES)}"}
    return Reply(206, kept, headers, missing=len(data) - len(kept))


def test_a_cut_transfer_is_resumed_where_it_broke(odd: OddServer, client: Client, tmp_path: Path) -> None:
    odd.replies[ARCHIVE] += [whole(sent=1000), rest(1000, sent=500), rest(1500)]
    told: list[tuple[int, int | None]] = []
    path = client.download(7, "archive", tmp_path / "a.tar.gz", lambda done, total: told.append((done, total)))
    assert path.read_bytes() == BYTES and [one.name for one in tmp_path.iterdir()] == ["a.tar.gz"]
    asked = [(one.headers.get("range"), one.headers.get("if-range")) for one in odd.asked]
    assert asked == [(None, None), ("bytes=1000-", TAG), ("bytes=1500-", TAG)]
    assert told[-1] == (len(BYTES), len(BYTES)) and {total for _, total in told} == {len(BYTES)}
    assert odd.asked[0].headers["accept-encoding"] == "identity"


def test_another_version_in_the_middle_begins_anew(odd: OddServer, client: Client, tmp_path: Path) -> None:
    newer = b"newer" * 1000
    odd.replies[ARCHIVE] += [whole(sent=len(BYTES) - 1), whole(newer, tag='"two"')]
    assert client.download(7, "archive", tmp_path / "a").read_bytes() == newer


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_resumed(
    odd: OddServer, client: Client, tmp_path: Path, tag: str | None
) -> None:
    odd.replies[ARCHIVE] += [whole(sent=1000, tag=tag), whole(tag=tag)]
    assert client.download(7, "archive", tmp_path / "a").read_bytes() == BYTES
    assert "range" not in odd.asked[1].headers


def test_a_file_that_became_shorter_begins_anew(odd: OddServer, client: Client, tmp_path: Path) -> None:
    gone = refused(416, "range_not_satisfiable", "The range begins at byte 1000, but there are only 5 bytes.")
    odd.replies[ARCHIVE] += [whole(sent=1000), gone, whole(b"short")]
    assert client.download(7, "archive", tmp_path / "a").read_bytes() == b"short"
    assert "range" not in odd.asked[2].headers


def test_what_is_not_made_yet_is_waited_for(odd: OddServer, client: Client, tmp_path: Path) -> None:
    later = refused(503, "not_ready_yet", "The archive is still being made.", headers={"Retry-After": "0"})
    odd.replies[ARCHIVE] += [*[later] * 20, whole()]
    assert client.download(7, "archive", tmp_path / "a").read_bytes() == BYTES
    assert len(odd.asked) == 21


@pytest.mark.parametrize(
    ("replies", "kind", "message"),
    [
        ([refused(404, "artifact_missing", "It FAILED.")], NotFound, "It FAILED"),
        ([refused(503, "database_away", "Down.")], ServerBusy, "Down"),
        ([whole(sent=1000), refused(409, "artifact_failed", "Disk.")], ServerRefused, "Disk"),
        ([whole(sent=1000), rest(900, told=900)], AnswerUnreadable, "Byte 1000 and those after it were asked for"),
        ([whole(sent=1000), rest(1000, sent=0)], ServerUnreachable, "broke off"),
        ([refused(416, "range_not_satisfiable", "Odd.")], ServerRefused, "Odd"),
    ],
)
def test_a_failure_leaves_what_was_there(
    odd: OddServer, hasty: Client, tmp_path: Path, replies: list[Reply], kind: type[CondaStoreError], message: str
) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    odd.replies[ARCHIVE] += replies
    with pytest.raises(kind, match=message):
        hasty.download(7, "archive", path)
    assert [one.name for one in tmp_path.iterdir()] == ["a"] and path.read_text() == "before"


def test_an_environment_means_its_current_build(odd: OddServer, client: Client, tmp_path: Path) -> None:
    odd.replies["GET environment/default/data/"].append(ok(environment(current_build=build(status="COMPLETED"))))
    odd.replies["GET build/7/conda-lock.yml"].append(whole(b"{}"))
    assert client.download(("default", "data"), "lockfile", tmp_path / "l").read_bytes() == b"{}"


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    refuses = pytest.raises(StorageFull, match=r"/a cannot be written: No space left")
    with Path("/dev/full").open("wb", buffering=0) as full, refuses, written_whole(tmp_path / "a"):
        full.write(BYTES)
    assert list(tmp_path.iterdir()) == []
