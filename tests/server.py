"""The real application on a port of its own, under a prefix that punishes careless quoting, spoken to by HTTP."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from traitlets.config import Config

from conda_store.app import CondaStore
from conda_store.builds import states
from conda_store.builds.events import Event
from conda_store.builds.leases import Lease
from conda_store.builds.states import ArtifactState, ArtifactType
from conda_store.builds.subject import JobSettings
from conda_store.db import Database
from conda_store.executors.base import Executor

HOSTILE_PREFIX = "/a%40b/"
YAML = "name: {name}\nchannels: [conda-forge]\ndependencies: [python=3.11, numpy]\n"


class NeverExecutor(Executor):
    """Takes builds and never runs one."""

    def start(self, settings: JobSettings) -> None:
        self.settings = settings
        self.canceled: list[int] = []
        self.submitted: list[int] = []
        self.wanted: list[tuple[int, ArtifactType]] = []

    def submit(self, build_id: int) -> None:
        self.submitted.append(build_id)

    def submit_artifact(self, build_id: int, artifact_type: ArtifactType) -> ArtifactState:
        self.wanted.append((build_id, artifact_type))
        return ArtifactState.WAITING

    def cancel(self, build_id: int) -> None:
        self.canceled.append(build_id)

    def stop(self) -> None:
        """Nothing runs."""


class Site:
    """A service somewhere, in which a test makes the builds itself; `api` speaks to `<prefix>api/v1/`, `web` to the
    prefix."""

    #: Pages of which it is another server that has them.
    foreign: frozenset[str] = frozenset()

    def __init__(self, root: str, prefix: str, database: Database, directory: Path) -> None:
        self.root, self.prefix, self.database, self.directory = root, prefix, database, directory
        #: Cookies of whoever has signed in, by name: others need not do it again.
        self.sessions: dict[str, Any] = {}
        self.web = httpx.Client(base_url=f"{root}{prefix}", timeout=30)
        self.api = httpx.Client(base_url=f"{root}{prefix}api/v1/", timeout=30)

    def submit(self, name: str = "course", namespace: str = "default", text: str = YAML, **more: Any) -> int:
        """Post a specification; the number of its build."""
        body = {"specification": text.format(name=name), "namespace": namespace, **more}
        answer = self.api.post("specification/", json=body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["data"]["build_id"])

    def begin(self, build_id: int) -> Lease:
        """Be the worker of a build."""
        with self.database.write() as session:
            lease = states.claim(session, build_id, 60)
        assert lease is not None
        return lease

    def tell(self, lease: Lease, *lines: str) -> None:
        """Log lines of a build, in one batch."""
        with self.database.write() as session:
            states.add_events(session, lease, [Event("log", {"text": line}) for line in lines])

    def progress(self, lease: Lease, **data: Any) -> None:
        """Say how far a build is."""
        with self.database.write() as session:
            states.add_events(session, lease, [Event("progress", data)])

    def complete(self, build_id: int, **artifacts: bytes) -> None:
        """Let a build end well, with these artifacts (by type), each one stored file."""
        self.complete_with(self.begin(build_id), **artifacts)

    def complete_with(self, lease: Lease, **artifacts: bytes) -> None:
        """The same of a build on which somebody works."""
        with self.database.write() as session:
            states.complete(session, lease, size=1000)
        for name, data in artifacts.items():
            self.leave(lease, ArtifactType(name), data)
        with self.database.write() as session:
            assert states.release(session, lease)

    def leave(self, lease: Lease, kind: ArtifactType, data: bytes) -> None:
        """Store one artifact and say that it is READY."""
        key = f"artifacts/{lease.build_id}/{kind.lower()}"
        self.storage.put(key, data)
        with self.database.write() as session:
            states.set_artifact(session, lease, kind, ArtifactState.READY, key, len(data))

    def fail(self, build_id: int, reason: str) -> None:
        """Let a build fail."""
        self.fail_with(self.begin(build_id), reason)

    def fail_with(self, lease: Lease, reason: str) -> None:
        """Let a build fail on which somebody works."""
        with self.database.write() as session:
            states.fail(session, lease, reason)

    @property
    def storage(self) -> Any:
        """The store of the server."""
        from conda_store.storage.local import LocalStorage

        return LocalStorage(self.directory / "store", durable=False)

    def close(self) -> None:
        """Let go of connections."""
        self.web.close()
        self.api.close()


@cache
def _new_database() -> bytes:
    """SQLite's file with the schema and nothing in it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "new.sqlite")
        database = Database(f"sqlite:///{path}")
        database.create_or_upgrade()
        database.close()
        return path.read_bytes()


def prepare(directory: Path) -> None:
    """Spare a server the steps of the schema, which take half of its start; test_migrations.py goes them."""
    path = directory / "conda-store.sqlite"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_bytes(_new_database())


class Server(Site):
    """An application that serves in this process."""

    def __init__(self, app: CondaStore, loop: asyncio.AbstractEventLoop) -> None:
        self.app, self.loop = app, loop
        self.port = app.bound_port
        super().__init__(f"http://127.0.0.1:{self.port}", app.prefix, app.database, app.root)


@contextmanager
def running(directory: Path, **options: Any) -> Iterator[Server]:
    """A server in a thread of its own; `options` are those of `CondaStore`, or `Class__option`."""
    config = Config()
    given = {"port": 0, "prefix": HOSTILE_PREFIX, "directory": str(directory), "executor_class": NeverExecutor}
    for name, value in {**given, **options}.items():
        owner, _, option = name.rpartition("__")
        config[owner or "CondaStore"][option] = value
    if "database_url" not in options:
        prepare(directory)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()
    try:
        app = CondaStore(config=config)
        asyncio.run_coroutine_threadsafe(app.open(), loop).result(60)
        server = Server(app, loop)
        try:
            yield server
        finally:
            server.close()
            asyncio.run_coroutine_threadsafe(app.close(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
