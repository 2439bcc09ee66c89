"""Bodies on their way through a Jupyter server: they stream, wait for whoever is slow, and end with either side."""

from __future__ import annotations

import http.client
import select
import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.jupyter_servers import BASE, TOKEN, JupyterServer, running_jupyter
from tests.odd_server import OddServer, Reply, event, odd_server, stream
from tests.raw_server import raw_server, until_closed

MOST = 1_000_000
EVENTS = "GET build/7/events/"
SECONDS = 30


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Jupyter server; where conda-store is, each test says."""
    with running_jupyter(tmp_path_factory.mktemp("jupyter"), max_body_bytes=MOST, token="t") as server:  # noqa: S106
        yield server


@pytest.fixture
def odd(jupyter: JupyterServer) -> Iterator[OddServer]:
    """A conda-store that does as it is told."""
    with odd_server() as server:
        jupyter.connection.url = server.url
        yield server


def begin_upload(jupyter: JupyterServer, *headers: tuple[str, str]) -> http.client.HTTPConnection:
    """The head of a request whose body is still to come."""
    connection = http.client.HTTPConnection("127.0.0.1", jupyter.port, timeout=SECONDS)
    connection.putrequest("POST", f"{BASE}conda-store/api/v1/specification/")
    for name, value in (("Authorization", f"token {TOKEN}"), *headers):
        connection.putheader(name, value)
    connection.endheaders()
    return connection


def until(connection: socket.socket, wanted: bytes, found: bytes = b"") -> bytes:
    """Read until something came."""
    while wanted not in found:
        more = connection.recv(65536)
        assert more, found
        found += more
    return found


@pytest.mark.parametrize("length", [True, False])
def test_a_body_is_passed_on_as_it_comes(jupyter: JupyterServer, length: bool) -> None:
    first = threading.Event()
    heads = []

    def talk(connection: socket.socket, head: bytes) -> None:
        heads.append(until(connection, b"one", head))
        first.set()
        until(connection, b"two" if length else b"0\r\n\r\n", heads[0])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}")

    framing = ("Content-Length", "6") if length else ("Transfer-Encoding", "chunked")
    with raw_server(talk) as url:
        jupyter.connection.url = url
        upload = begin_upload(jupyter, framing)
        upload.send(b"one" if length else b"3\r\none\r\n")
        assert first.wait(SECONDS) and b"two" not in heads[0]
        upload.send(b"two" if length else b"3\r\ntwo\r\n0\r\n\r\n")
        answer = upload.getresponse()
        assert (answer.status, answer.read()) == (200, b"{}")
        upload.close()
    assert b"\r\nContent-Length: 6\r\n" in heads[0] if length else b"Transfer-Encoding: chunked" in heads[0]


def test_a_body_that_is_said_to_be_too_large_reaches_nobody(jupyter: JupyterServer, odd: OddServer) -> None:
    answer = jupyter.http.post("api/v1/specification/", content=bytes(MOST + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "c.CondaStoreConnection.max_body_bytes" in answer.json()["message"]
    assert odd.asked == []
    odd.replies["POST specification/"] = [Reply(200, b"{}")]
    assert jupyter.http.post("api/v1/specification/", content=bytes(MOST)).status_code == 200
    assert len(odd.asked[0].body) == MOST


def test_a_body_that_turns_out_too_large_is_cut_off_as_it_comes(jupyter: JupyterServer) -> None:
    left, received = threading.Event(), []

    def talk(connection: socket.socket, head: bytes) -> None:
        while more := connection.recv(65536):
            received.append(len(more))
        left.set()

    with raw_server(talk) as url:
        jupyter.connection.url = url
        upload = begin_upload(jupyter, ("Transfer-Encoding", "chunked"))
        for _ in range(MOST // 100_000 + 1):
            upload.send(b"186a0\r\n" + bytes(100_000) + b"\r\n")
        assert left.wait(SECONDS)
        upload.send(b"0\r\n\r\n")
        answer = upload.getresponse()
        assert answer.status == 413 and b"body_too_large" in answer.read()
        upload.close()
    assert sum(received) <= MOST + 10_000


def test_an_upload_that_is_given_up_ends_at_conda_store_too(jupyter: JupyterServer) -> None:
    begun, left = threading.Event(), threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        until(connection, b"half", head)
        begun.set()
        until_closed(connection)
        left.set()

    with raw_server(talk) as url:
        jupyter.connection.url = url
        upload = begin_upload(jupyter, ("Content-Length", "1000"))
        upload.send(b"half")
        assert begun.wait(SECONDS)
        upload.close()
        assert left.wait(SECONDS)


def test_an_answer_before_the_end_of_a_body_does_not_block(jupyter: JupyterServer) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    with raw_server(talk) as url:
        jupyter.connection.url = url
        answer = jupyter.http.post("api/v1/specification/", content=bytes(MOST))
        assert answer.status_code in (403, 502)  # what the system lets through of an answer on a closed connection


def test_events_come_one_by_one_and_end_with_conda_stores_stream(jupyter: JupyterServer, odd: OddServer) -> None:
    odd.replies[EVENTS] = [stream(event(1, "log", text="one"), hangs=True), stream(event(2, "log"), finished=True)]
    with jupyter.http.stream("GET", "api/v1/build/7/events/") as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(4)][2:] == ["id: 1", "event: log"]
        odd.ended.set()  # cut off
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
    answer = jupyter.http.get("api/v1/build/7/events/", headers={"Last-Event-ID": "1"})
    assert "id: 2" in answer.text and odd.asked[1].headers["last-event-id"] == "1"


def endless(left: threading.Event) -> Callable[[socket.socket, bytes], None]:
    """A stream of events that never ends; `left` is told when nobody listens."""

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1\n\n")
        until_closed(connection)
        left.set()

    return talk


def test_a_browser_that_leaves_ends_the_stream_at_conda_store(jupyter: JupyterServer) -> None:
    left = threading.Event()
    with raw_server(endless(left)) as url:
        jupyter.connection.url = url
        with jupyter.http.stream("GET", "api/v1/build/7/events/") as answer:
            assert next(answer.iter_lines()) == "retry: 1" and not left.is_set()
        assert left.wait(SECONDS)


def test_more_streams_at_once_than_a_client_usually_has(jupyter: JupyterServer) -> None:
    left = threading.Event()
    with raw_server(endless(left)) as url, httpx.Client(limits=httpx.Limits(), headers=jupyter.http.headers) as http:
        jupyter.connection.url = url
        streams = [http.stream("GET", f"{jupyter.root}conda-store/api/v1/build/{n}/events/") for n in range(120)]
        answers = [one.__enter__() for one in streams]
        assert {next(answer.iter_lines()) for answer in answers} == {"retry: 1"}
        for one in streams:
            one.__exit__(None, None, None)


def test_a_slow_browser_makes_conda_store_wait(jupyter: JupyterServer) -> None:
    waits, sent = threading.Event(), []
    size = 200_000_000

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/gzip\r\n\r\n" % size)
        chunk = bytes(1_000_000)
        for number in range(size // len(chunk)):
            if not waits.is_set() and not select.select([], [connection], [], 1)[1]:
                sent.append(number)
                waits.set()
            connection.sendall(chunk)

    with raw_server(talk) as url:
        jupyter.connection.url = url
        with jupyter.http.stream("GET", "api/v1/build/7/archive/") as answer:
            assert waits.wait(SECONDS)
            assert sum(map(len, answer.iter_raw())) == size
    assert sent[0] < 50


@pytest.mark.parametrize("cut", [Reply(200, b"half", missing=4), Reply(200, b"half", streamed=True)])
def test_an_answer_that_breaks_off_is_no_whole_answer(jupyter: JupyterServer, odd: OddServer, cut: Reply) -> None:
    odd.replies["GET build/7/archive/"] = [cut]
    with pytest.raises(httpx.RemoteProtocolError):
        jupyter.http.get("api/v1/build/7/archive/")


def test_a_connection_that_breaks_before_the_answer_is_told(jupyter: JupyterServer) -> None:
    with raw_server(lambda connection, head: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")) as url:
        jupyter.connection.url = url
        told = jupyter.http.get("api/v1/build/7/")
    assert (told.status_code, told.json()["code"]) == (502, "conda_store_unreachable")
    assert url in told.json()["message"]


@pytest.mark.parametrize(
    "noise", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01"]
)
def test_what_speaks_no_http_is_told(jupyter: JupyterServer, noise: bytes) -> None:
    with raw_server(lambda connection, head: connection.sendall(noise)) as url:
        jupyter.connection.url = url
        told = jupyter.http.get("api/v1/build/7/")
    assert (told.status_code, told.json()["code"]) == (502, "conda_store_unreachable")


def test_silence_is_told_with_the_time_that_was_waited(jupyter: JupyterServer) -> None:
    with raw_server(lambda connection, head: until_closed(connection)) as url:
        jupyter.connection.url, before = url, jupyter.connection.answer_seconds
        jupyter.connection.answer_seconds = 1
        try:
            told = jupyter.http.get("api/v1/build/7/")
        finally:
            jupyter.connection.answer_seconds = before
    assert (told.status_code, told.json()["code"]) == (504, "conda_store_unreachable")
    assert "within 1 s" in told.json()["message"]
