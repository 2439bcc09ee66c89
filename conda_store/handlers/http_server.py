"""Sockets, and Tornado's HTTP server with one thing more: a TLS hello on the plain-text port is closed at once.

Registry clients try https first. Tornado would wait ten seconds and more for the end of what is no header.
"""

from __future__ import annotations

import logging
import socket
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import RequestHandler

from conda_store.errors import CondaStoreError

_TLS_HANDSHAKE = b"\x16"  # RFC 8446, 5.1: ContentType of the first record


class AddressUnavailable(CondaStoreError):
    """Nothing can listen where it was told to."""

    code = "address_unavailable"


def listening_sockets(port: int, address: str, *, shared: bool = False) -> list[socket.socket]:
    """Sockets that listen; port 0 takes a free one. Several that are `shared` may have one port, and the system deals
    connections out to them. Raises `AddressUnavailable`."""
    try:
        return bind_sockets(port, address, reuse_port=shared)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AddressUnavailable(
            f"Nothing can listen on port {port} of {address}: {reason}. Choose others with --port and --address."
        ) from error


def log_request(log: logging.Logger | logging.LoggerAdapter[Any], handler: RequestHandler) -> None:
    """One line for a request, without its query string, which may hold a token."""
    request, status = handler.request, handler.get_status()
    level = logging.DEBUG if status < 400 else logging.INFO if status < 500 else logging.ERROR
    log.log(level, "%d %s %s %.1f ms", status, request.method, request.path, 1000 * request.request_time())


class PlainServer(HTTPServer):
    """Serves plain HTTP."""

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Look at the first byte, which stays where it is; without one wait until there is one."""
        try:
            first = stream.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            self._wait(stream, address)
            return
        except OSError:
            stream.close()
            return
        if first in (_TLS_HANDSHAKE, b""):
            stream.close()
        else:
            super().handle_stream(stream, address)

    def _wait(self, stream: IOStream, address: Any) -> None:
        loop = IOLoop.current()
        descriptor = stream.fileno()
        seconds = self.conn_params.header_timeout or 3600

        def ready(*_: object) -> None:
            loop.remove_handler(descriptor)
            loop.remove_timeout(timeout)
            self._silent.discard(stream)
            self.handle_stream(stream, address)

        def late() -> None:
            loop.remove_handler(descriptor)
            self._silent.discard(stream)
            stream.close()

        timeout = loop.call_later(seconds, late)
        loop.add_handler(descriptor, ready, IOLoop.READ)
        self._silent.add(stream)

    @property
    def _silent(self) -> set[IOStream]:
        """Connections that have not said anything yet."""
        found: set[IOStream] = self.__dict__.setdefault("_silent_streams", set())
        return found

    async def close_all_connections(self) -> None:
        """Close silent connections too."""
        for stream in list(self._silent):
            IOLoop.current().remove_handler(stream.fileno())
            stream.close()
        self._silent.clear()
        await super().close_all_connections()
