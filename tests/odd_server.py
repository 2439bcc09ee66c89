"""A small server that follows the REST contract and breaks off, refuses or lies where a test says so."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PREFIX = "/a%40b"


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer; `missing` bytes are promised and never sent; a `streamed` one is cut unless `finished` or `hangs`."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    streamed: bool = False
    finished: bool = False
    hangs: bool = False


@dataclass
class OddServer:
    """`replies` by method and path below `api/v1/`: each is used once, in order, the last one for ever."""

    url: str
    replies: dict[str, list[Reply | Callable[[Asked], Reply]]] = field(default_factory=lambda: defaultdict(list))
    asked: list[Asked] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, asked: Asked) -> Reply:
        """The next reply to a request."""
        self.asked.append(asked)
        waiting = self.replies.get(f"{asked.method} {asked.path.partition('?')[0]}")
        if not waiting:
            return refused(404, "not_found", f"There is nothing at {asked.path}.")
        reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return reply(asked) if callable(reply) else reply

    def paths(self) -> list[str]:
        """Method and path of every request that came."""
        return [f"{one.method} {one.path}" for one in self.asked]


def ok(data: Any, **more: Any) -> Reply:
    """A success in its envelope."""
    return Reply(body=json.dumps({"status": "ok", "data": data, "message": None, **more}).encode())


def refused(status: int, code: str, message: str, errors: Any = None, headers: dict[str, str] | None = None) -> Reply:
    """An error in its envelope."""
    envelope = {"status": "error", "message": message, "data": None, "code": code, "errors": errors}
    return Reply(status, json.dumps(envelope).encode(), headers or {})


def build(build_id: int = 7, status: str = "BUILDING", **more: Any) -> dict[str, Any]:
    """A build as JSON."""
    times = {"scheduled_on": "2026-11-22T21:08:42.138025", "started_on": None, "ended_on": None}
    shape = {"id": build_id, "environment_id": 3, "specification": None, "packages": None, "status": status}
    return {**shape, "status_info": None, "size": 0, **times, "build_artifacts": [], **more}


def environment(name: str = "data", namespace: str = "default", **more: Any) -> dict[str, Any]:
    """An environment as JSON."""
    place = {"id": 1, "name": namespace, "metadata_": {}, "role_mappings": []}
    shape = {"id": 3, "namespace": place, "name": name, "current_build_id": 7, "current_build": None}
    return {**shape, "description": "", **more}


def event(number: int, kind: str, **data: Any) -> bytes:
    """An event as it goes over the wire."""
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def stream(*parts: bytes, finished: bool = False, hangs: bool = False) -> Reply:
    """A stream of events that is cut off after `parts`, or `finished` in good order, or left open."""
    body = b"retry: 10\n\n" + b"".join(parts)
    return Reply(
        body=body, headers={"Content-Type": "text/event-stream"}, streamed=True, finished=finished, hangs=hangs
    )


class OddHandler(BaseHTTPRequestHandler):
    """Puts replies on the wire, whole or not."""

    protocol_version = "HTTP/1.1"
    odd: OddServer

    def answer(self) -> None:
        """Any request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path = self.path.removeprefix(f"{PREFIX}/api/v1/")
        reply = self.odd.answer(Asked(self.command, path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(reply.status)
        for name, value in {**self._framing(reply), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(reply.body), reply.body) if reply.streamed else reply.body)
        if reply.finished:
            self.wfile.write(b"0\r\n\r\n")
        if reply.hangs:
            self.odd.ended.wait()
        self.close_connection = reply.streamed or reply.missing > 0

    do_GET = do_PUT = do_POST = do_DELETE = answer

    def _framing(self, reply: Reply) -> dict[str, str]:
        if reply.streamed:
            return {"Transfer-Encoding": "chunked"}
        return {} if reply.status == 204 else {"Content-Length": str(len(reply.body) + reply.missing)}

    def log_message(self, *_: object) -> None:
        """Silence."""


@contextmanager
def odd_server() -> Iterator[OddServer]:
    """A server on a free port, under a prefix that has to be quoted."""
    handler = type("Handler", (OddHandler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.odd = odd = OddServer(f"http://127.0.0.1:{server.server_address[1]}{PREFIX}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield odd
    finally:
        odd.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
