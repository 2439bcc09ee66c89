"""What a server was asked: its own access log, heard by a handler of `logging`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.server import Server


class _Listener(logging.Handler):
    """Keeps the lines of requests; there is one when an answer is complete."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.funcName == "log_request" and isinstance(record.args, tuple):
            status, method, path, _ = record.args
            self.heard.append(f"{method} {path} {status}")


@contextmanager
def recorded(server: Server) -> Iterator[list[str]]:
    """`METHOD path status` of every request to the registry that ends within the block, in the order of their ends."""
    listener, found = _Listener(), list[str]()
    log = logging.getLogger(type(server.app).__name__)
    log.addHandler(listener)
    try:
        yield found
        # A client may leave before the line of its last request is written; this one comes after it.
        httpx.get(server.api.base_url)
    finally:
        log.removeHandler(listener)
    found += [line for line in listener.heard if " /v2/" in line]
