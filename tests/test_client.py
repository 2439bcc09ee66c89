"""The client against a server that follows the contract and fails where it hurts."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from conda_store.client import Client, NotAllowed, NotFound, ServerBusy, ServerRefused, WaitTimedOut, WrongState
from conda_store.client.answers import AnswerUnreadable, BuildFailed, ServerUnreachable
from conda_store.client.events import EventDecoder
from conda_store.errors import BadInput, CondaStoreError, Problem
from tests.odd_server import Asked, OddServer, Reply, build, environment, event, odd_server, ok, refused, stream

EVENTS, END = "GET build/7/events/", Reply(204)


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


def test_the_client_brings_no_server_with_it() -> None:
    program = "import sys, conda_store.client, conda_store.client_commands; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "httpx" in loaded
    assert loaded & {"rattler", "sqlalchemy", "tornado", "pydantic", "yaml", "traitlets"} == set()


def test_create_sends_the_text_and_who_asks(odd: OddServer) -> None:
    odd.replies["POST specification/"].append(ok({"build_id": 7}))
    with Client(odd.url.rstrip("/"), " s3cret\n") as client:
        assert client.create("name: ä\n".encode(), namespace="ana@lab.org") == 7
        assert client.create("{}", is_lockfile=True, environment_name="data") == 7
    first, second = odd.asked
    assert first.headers["authorization"] == "Bearer s3cret"
    assert json.loads(first.body) == {"specification": "name: ä\n", "namespace": "ana@lab.org"}
    assert json.loads(second.body) == {"specification": "{}", "is_lockfile": True, "environment_name": "data"}
    assert second.headers["content-type"] == "application/json"


def test_pages_are_asked_for_as_they_are_wanted(odd: OddServer, client: Client) -> None:
    def page(asked: Asked) -> Reply:
        query = parse_qs(asked.path.partition("?")[2])
        number, size = int(query["page"][0]), 40  # a server may cap the size
        rows = [environment(f"env-{index}") for index in range(95)][(number - 1) * size : number * size]
        return ok(rows, page=number, size=size, count=95)

    odd.replies["GET environment/"].append(page)
    first = list(islice(client.environments(search="env"), 3))
    assert [one.name for one in first] == ["env-0", "env-1", "env-2"] and first[0].namespace == "default"
    assert odd.paths() == ["GET environment/?search=env&page=1&size=100"]
    assert [one.name for one in client.environments(packages=("numpy", "flask"))] == [f"env-{n}" for n in range(95)]
    assert len(odd.asked) == 4 and "packages=numpy&packages=flask" in odd.paths()[1]


def test_a_list_that_shrinks_while_it_is_read_ends(odd: OddServer, client: Client) -> None:
    odd.replies["GET build/"] += [ok([build(1), build(2)], count=5), ok([], count=2)]
    assert [one.id for one in client.builds(status="BUILDING")] == [1, 2]
    assert "status=BUILDING&sort_by=id&order=asc" in odd.paths()[0]


def test_names_are_quoted(odd: OddServer, client: Client) -> None:
    odd.replies["GET environment/d%C3%A4ta%20%3F%23ml/a%2Bb%401/"].append(ok(environment("a+b@1", "däta ?#ml")))
    assert client.environment("däta ?#ml", "a+b@1").namespace == "däta ?#ml"


def test_a_build_has_aware_times_artifacts_and_a_verdict(odd: OddServer, client: Client) -> None:
    artifacts = [
        {"id": 1, "artifact_type": "LOCKFILE", "key": "k", "state": "FAILED", "reason": "disk", "size": 5},
        {"id": 2, "artifact_type": "YAML", "key": "y"},
    ]
    times = {"started_on": "2026-11-22T21:08:43", "ended_on": "2026-11-22T22:08:44+01:00"}
    reply = ok(build(status="FAILED", status_info="numpy 9 does not exist", build_artifacts=artifacts, **times))
    odd.replies["GET build/7/"].append(reply)
    found = client.wait(7)
    assert found.ended and found.artifacts is not None and odd.paths() == ["GET build/7/"]
    assert [(one.state, one.reason, one.size) for one in found.artifacts] == [("FAILED", "disk", 5), ("READY", None, 0)]
    assert found.started_on is not None and found.ended_on is not None
    assert (found.ended_on - found.started_on).total_seconds() == 1 and found.scheduled_on.utcoffset() is not None
    with pytest.raises(BuildFailed, match=r"Build 7 is FAILED: numpy 9 does not exist"):
        found.check_completed()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_input", BadInput),
        (403, "credentials_invalid", NotAllowed),
        (404, "build_not_found", NotFound),
        (409, "build_ended", WrongState),
        (413, "too_large", BadInput),
        (429, "limit", ServerBusy),
        (500, "internal_error", ServerRefused),
        (503, "database_away", ServerBusy),
    ],
)
def test_refusals_keep_the_servers_words(
    odd: OddServer, client: Client, status: int, code: str, kind: type[CondaStoreError]
) -> None:
    odd.replies["PUT build/7/cancel/"].append(refused(status, code, "So it is."))
    with pytest.raises(kind, match=r"^So it is\.$") as caught:
        client.cancel(7)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert isinstance(caught.value, ServerRefused)


def test_problems_of_a_file_have_their_places(odd: OddServer, client: Client) -> None:
    errors = [{"message": "no list", "line": 3, "column": 1, "path": "dependencies"}, {"message": "odd name"}]
    odd.replies["POST specification/"].append(refused(400, "specification_invalid", "Two problems, odd name", errors))
    with pytest.raises(BadInput) as caught:
        client.create("name: x")
    assert caught.value.problems == (Problem("no list", 3, 1, "dependencies"), Problem("odd name"))
    # What the message says already is not said twice.
    assert str(caught.value) == "Two problems, odd name\n  line 3, column 1: no list"


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (Reply(502, b"<html>bad gateway"), ServerBusy, r"/build/7/ answered with status 502 and no reason"),
        (Reply(200, b"<html>hello"), AnswerUnreadable, r"answers otherwise than conda-store does"),
        (ok(None), AnswerUnreadable, r"answers otherwise"),
        (ok({"id": 7}), AnswerUnreadable, r"answers otherwise.*environment_id"),
        (Reply(302, headers={"Location": "/hub/login"}), AnswerUnreadable, r"leads on to /hub/login"),
        (Reply(200, b"{", missing=10), ServerUnreachable, r"broke off"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(
    odd: OddServer, client: Client, reply: Reply, kind: type[CondaStoreError], message: str
) -> None:
    odd.replies["GET build/7/"].append(reply)
    with pytest.raises(kind, match=message):
        client.build(7)


def test_a_server_that_is_away_is_named_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: nobody else gets the port, and nobody answers
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(url) as client:
            for ask in (lambda: client.build(1), lambda: list(client.events(1)), lambda: list(client.environments())):
                with pytest.raises(ServerUnreachable, match=rf"at {url} .*CONDA_STORE_URL"):
                    ask()


@pytest.mark.parametrize(
    "url", ["", "localhost:5000", "ftp://host/", "http://", "http://host/?x=1", "http://user:word@host", "http://[::1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="address of") as caught:
        Client(url)
    assert "word" not in str(caught.value)


def test_a_token_and_a_text_that_cannot_be_sent_are_refused(client: Client) -> None:
    with pytest.raises(BadInput, match="token"):
        Client("http://localhost", "tök\n en")
    with pytest.raises(BadInput, match=r"not UTF-8 \(byte 6\)"):
        client.create(b"name: \xff")
    with pytest.raises(BadInput, match="cannot be asked"):
        client.create("name: x", namespace="\udcff")


def test_a_stream_that_is_cut_goes_on_without_loss_or_repeat(odd: OddServer, client: Client) -> None:
    lines = [event(number, "log", text=f"line {number} ä") for number in range(1, 8)]
    odd.replies[EVENTS] += [
        stream(*lines[:3], lines[3][:-1]),  # cut within an event: that one is not counted
        stream(b":\n\n", finished=True),  # a heartbeat, and a proxy ends it in good order
        refused(503, "restarting", "Back soon."),
        stream(*lines[2:]),  # repeats one
        END,
    ]
    assert list(client.logs(7, follow=True)) == [f"line {number} ä" for number in range(1, 8)]
    assert [one.headers["last-event-id"] for one in odd.asked] == ["0", "3", "3", "3", "7"]


def test_patience_with_a_stream_has_an_end(odd: OddServer, hasty: Client) -> None:
    odd.replies[EVENTS] += [stream(event(1, "log", text="one")), refused(503, "down", "The database is down.")]
    followed = hasty.logs(7, follow=True)
    assert next(followed) == "one"
    with pytest.raises(ServerBusy, match="The database is down"):
        next(followed)
    assert len(odd.asked) > 3


def test_what_a_stream_cannot_mend_is_raised_at_once(odd: OddServer, client: Client) -> None:
    odd.replies[EVENTS] += [stream(event(1, "log", text="one")), refused(403, "credentials_invalid", "Expired.")]
    with pytest.raises(NotAllowed, match="Expired"):
        list(client.events(7))
    assert len(odd.asked) == 2


@pytest.mark.parametrize("text", [b"id: 1\nevent: log\ndata: {\n\n", b"data: {}\n\n", b"id: 1\nevent: x\ndata: 1\n\n"])
def test_events_that_are_none_are_unreadable(odd: OddServer, client: Client, text: bytes) -> None:
    odd.replies[EVENTS].append(stream(text))
    with pytest.raises(AnswerUnreadable, match="none of conda-store's"):
        list(client.events(7))


def test_events_are_the_same_however_they_are_cut() -> None:
    wire = b"retry: 250\r\n\r\n:hi\n\n" + event(1, "log", text="ä") + b"id:2\r\nevent:log\r\ndata:{\ndata: }\r\n\r\n"
    whole = list(EventDecoder().feed(wire))
    assert [(one.number, one.kind, dict(one.data)) for one in whole] == [(1, "log", {"text": "ä"}), (2, "log", {})]
    decoder = EventDecoder()
    assert [one for index in range(len(wire)) for one in decoder.feed(wire[index : index + 1])] == whole
    assert decoder.retry_seconds == 0.25


def test_wait_returns_when_the_status_is_final(odd: OddServer, client: Client) -> None:
    odd.replies["GET build/7/"] += [ok(build()), ok(build(status="COMPLETED"))]
    told = [event(1, "status", status="BUILDING"), event(2, "progress", stage="solve")]
    # Artifacts would follow on this stream, and are not waited for.
    odd.replies[EVENTS].append(stream(*told, event(3, "status", status="COMPLETED"), hangs=True))
    kinds: list[str] = []
    assert client.wait(7, on_event=lambda one: kinds.append(one.kind)).check_completed().id == 7
    assert kinds == ["status", "progress", "status"]


def test_wait_gives_up_in_time(odd: OddServer, client: Client) -> None:
    odd.replies["GET build/7/"].append(ok(build()))
    odd.replies[EVENTS].append(stream(event(1, "log", text="one"), hangs=True))
    started = time.monotonic()
    with pytest.raises(WaitTimedOut, match=r"Build 7 has not ended after 0\.5 seconds"):
        client.wait(7, timeout=0.5)
    assert 0.5 <= time.monotonic() - started < 5


def test_logs_of_now(odd: OddServer, client: Client) -> None:
    odd.replies["GET build/7/logs/"] += [Reply(body="one\n\ntwö\n".encode()), Reply()]
    assert list(client.logs(7)) == ["one", "", "twö"]
    assert list(client.logs(7)) == []


def test_image_is_a_reference(odd: OddServer, client: Client) -> None:
    odd.replies["GET build/7/docker/"].append(Reply(body=b"host:5000/default/data:7"))
    assert client.image(7) == "host:5000/default/data:7"


def test_a_path_that_leads_nowhere_is_no_download(odd: OddServer, client: Client, tmp_path: Path) -> None:
    for path, message in [(tmp_path, "is a directory"), (tmp_path / "no" / "x", "cannot be written: No such file")]:
        with pytest.raises(BadInput, match=message):
            client.download(7, "yaml", path)
    with pytest.raises(BadInput, match="'tarball' is not something to download: choose one of yaml, lockfile"):
        client.download(7, "tarball", tmp_path / "x")
    assert odd.asked == []
