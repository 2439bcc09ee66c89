"""The parts of a server that is running: opened, listening on any number of sockets, closed. No option is read here."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from socket import socket
from typing import Any

from conda_store.builds.subject import JobSettings
from conda_store.db import Database
from conda_store.executors.base import Executor
from conda_store.handlers.http_server import PlainServer
from conda_store.handlers.router import Route, Site
from conda_store.handlers.site import WebSettings, make_site
from conda_store.managers.watching import Watcher
from conda_store.storage.local import LocalStorage

_GOODBYE_SECONDS = 2.0


class Service:
    """Database, store, executor and HTTP servers. `threads` ask the database; `log_function` hears of each request."""

    def __init__(
        self, jobs: JobSettings, executor: Executor, threads: int, log_function: Callable[..., object]
    ) -> None:
        self.jobs, self.executor, self._log = jobs, executor, log_function
        self.database = Database(jobs.database_url)
        self.database.create_or_upgrade()
        self.door = ThreadPoolExecutor(threads, thread_name_prefix="door")
        self.watcher = Watcher(self.database, self.door)
        self.servers: list[PlainServer] = []
        self.sites: list[Site] = []
        self._tending: list[asyncio.Task[None]] = []
        self._beside: list[tuple[asyncio.Task[None], Callable[[], None]]] = []

    def listen(self, sockets: Sequence[socket], routes: Sequence[Route], web: WebSettings, **transport: Any) -> None:
        """Answer `routes` and the registry on `sockets`; `transport` are options of Tornado's server."""
        storage = LocalStorage(self.jobs.store_directory)
        site = make_site(self.watcher, self.executor, storage, self.jobs, web, routes, log_function=self._log)
        # The site itself counts bodies, so that too large a one gets an answer.
        server = PlainServer(site, max_body_size=2**62, **transport)
        server.add_sockets(sockets)
        self.servers.append(server)
        self.sites.append(site)
        if not self._tending:
            tended = (site.parts.audit, site.parts.collections)
            self._tending = [asyncio.create_task(one.tend(self.watcher)) for one in tended]

    def beside(self, work: Coroutine[Any, Any, None], stop: Callable[[], None]) -> None:
        """Let `work` go on beside the servers; `stop` lets it end before they are closed."""
        self._beside.append((asyncio.create_task(work), stop))

    async def close(self) -> None:
        """Stop listening, end builds (they start again with the next server) and let go of everything."""
        for task, stop in self._beside:
            stop()
            await asyncio.wait([task])
        for server in self.servers:
            server.stop()
        self.watcher.close()
        for tending in self._tending:
            tending.cancel()
        # A stream that is only cut off leaves whoever follows it through the Hub's proxy waiting for ever.
        await self.watcher.deserted(_GOODBYE_SECONDS)
        for server in self.servers:
            await server.close_all_connections()
        loop = asyncio.get_running_loop()
        for site in self.sites:
            await loop.run_in_executor(None, site.parts.solves.close)
        await loop.run_in_executor(None, self.executor.stop)
        self.door.shutdown(cancel_futures=True)
        self.database.close()


def settle() -> None:
    """Put what stands by now, and stays, out of the garbage collector's sight.

    To look at all of it takes 70 ms, in which nobody is answered, and making rows and models leads to it every second.
    """
    gc.collect()
    gc.freeze()
