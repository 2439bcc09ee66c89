"""Further processes that serve the registry: forked before the server has threads, and ended with it.

    server ──fork──> supervisor ──fork──> one process, another, …

The supervisor is Tornado's: it starts again whatever ends unexpectedly. All of them end when a pipe does whose other
end only the server holds, so that nothing outlives a server that was killed. What they serve is `app.py`'s business.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from socket import socket
from typing import Any

from tornado.process import fork_processes

from conda_store.errors import BadInput
from conda_store.handlers.http_server import listening_sockets

_MOST_RESTARTS = 1000


class RegistryProcesses:
    """A process for each of `shares`, sockets that listen: it runs `serve(sockets, ended)` until `ended` is set."""

    def __init__(
        self, shares: Sequence[list[socket]], serve: Callable[[list[socket], asyncio.Event], Coroutine[Any, Any, None]]
    ) -> None:
        self._shares, self._serve = shares, serve

    def start(self) -> None:
        """Fork; call it while this process has one thread and no event loop."""
        lifeline, self._ours = os.pipe()
        self._supervisor = os.fork()
        if self._supervisor:
            os.close(lifeline)
            for share in self._shares:
                for one in share:
                    one.close()
            return
        os.close(self._ours)
        status = 1
        try:
            self._run(lifeline)
            status = 0
        except SystemExit as error:
            # This is how the supervisor ends when all that it started have.
            status = int(error.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            # What the server registered to be done at its exit is the server's alone.
            os._exit(status)

    def stop(self) -> None:
        """End all; returns when they are gone."""
        os.close(self._ours)
        with suppress(ChildProcessError):
            os.waitpid(self._supervisor, 0)

    def _run(self, lifeline: int) -> None:
        # Ctrl-C reaches the whole group; it is for the server to decide what follows.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        number = fork_processes(len(self._shares), _MOST_RESTARTS)
        asyncio.run(self._serve_until(lifeline, self._shares[number]))

    async def _serve_until(self, lifeline: int, sockets: list[socket]) -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(lifeline, ended.set)
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        try:
            await self._serve(sockets, ended)
        finally:
            loop.remove_reader(lifeline)


def registry_sockets(port: int | None, address: str, processes: int) -> list[list[socket]]:
    """What each process that serves the registry on a port of its own listens with, the server itself first.

    Nothing for no port; 0 takes a free one. Raises `BadInput` for several processes without a port, and
    `AddressUnavailable`.
    """
    if port is None:
        if processes > 1:
            raise BadInput("Several c.CondaStore.registry_processes need a c.CondaStore.registry_port to share.")
        return []
    first = listening_sockets(port, address, shared=True)
    taken = int(first[0].getsockname()[1])
    return [first, *(listening_sockets(taken, address, shared=True) for _ in range(1, processes))]
