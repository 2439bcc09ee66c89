"""A server that speaks HTTP with bare sockets: slow, endless, or gone in the middle, as a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Talk = Callable[[socket.socket, bytes], None]


@contextmanager
def raw_server(talk: Talk) -> Iterator[str]:
    """Its address. `talk` gets each connection with the head of its request; the connection ends when it returns."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = [threading.Thread(target=_accept, args=(listener, talk))]
        threads[0].start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            threads[0].join()


def _accept(listener: socket.socket, talk: Talk) -> None:
    threads = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        threads.append(threading.Thread(target=_talk, args=(connection, talk)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _talk(connection: socket.socket, talk: Talk) -> None:
    with connection:
        connection.settimeout(30)
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return
            head += more
        talk(connection, head)


def until_closed(connection: socket.socket) -> None:
    """Wait until the other side leaves."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
