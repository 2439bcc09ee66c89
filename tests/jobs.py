"""Builds in a database of their own, in tests, with a store that shares what is expensive to make."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.builds import states
from conda_store.builds.states import ArtifactState, ArtifactType, Status
from conda_store.builds.subject import JobSettings
from conda_store.db import Database
from conda_store.db.orm import ArtifactRow, BuildRow, EnvironmentRow, EventRow, NamespaceRow, SpecificationRow
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.submission import read_specification
from conda_store.storage.local import LocalStorage

SMALL = "dependencies: [python, markupsafe]\n"
SHARED = ("packages", "toolchains", "bytecode", "repodata", "wheels", "uv", "blobs", "pieces", "bases")


class Bench:
    """A database and a store in `directory`; what `fresh` does not name is shared with all tests' store `shared`."""

    def __init__(
        self, directory: Path, shared: Path, channel: Path | str, base_image: str, fresh: tuple[str, ...] = ()
    ):
        store = directory / "store"
        store.mkdir(parents=True)
        for name in SHARED:
            if name not in fresh:
                (shared / name).mkdir(exist_ok=True)
                (store / name).symlink_to(shared / name)
        self.directory = directory
        self.settings = JobSettings(
            database_url=f"sqlite:///{directory}/database.sqlite",
            store_directory=store,
            prefix_directory=directory / "envs",
            environments_directory=directory / "environments",
            policy=ChannelPolicy().with_channels([channel]),
            base_images=base_image,
        )
        self.database = Database(self.settings.database_url)
        self.database.create_or_upgrade()
        self.storage = LocalStorage(store)

    def having(self, **changes: Any) -> JobSettings:
        """The settings with other values."""
        return replace(self.settings, **changes)

    def submit(self, source: str = SMALL, name: str = "one", namespace: str = "default") -> int:
        """A new QUEUED build."""
        with self.database.write() as session:
            return schedule(session, source, name, namespace, self.settings.policy)

    def build(self, build_id: int) -> BuildRow:
        """The row as it is now."""
        with self.database.read() as session:
            build = session.get_one(BuildRow, build_id)
            assert build.environment.namespace and build.specification
            return build

    def artifacts(self, build_id: int) -> dict[str, ArtifactRow]:
        """A build's artifacts by type."""
        with self.database.read() as session:
            rows = session.scalars(select(ArtifactRow).where(ArtifactRow.build_id == build_id))
            return {row.artifact_type: row for row in rows}

    def artifact(self, build_id: int, wanted: ArtifactType) -> bytes:
        """The bytes of a small artifact."""
        row = self.artifacts(build_id)[wanted]
        assert row.state == ArtifactState.READY, row.reason
        return self.storage.get(row.key)

    def events(self, build_id: int) -> list[EventRow]:
        """All events of a build."""
        with self.database.read() as session:
            wanted = select(EventRow).where(EventRow.build_id == build_id)
            return list(session.scalars(wanted.order_by(EventRow.number)))

    def log(self, build_id: int) -> str:
        """A build's log so far."""
        with self.database.read() as session:
            return states.log_text(session, build_id)

    def has_begun(self, build_id: int, stage: str) -> bool:
        """Whether a stage whose name begins so was begun."""
        return any(e.kind == "progress" and str(e.data["stage"]).startswith(stage) for e in self.events(build_id))

    def status(self, build_id: int, *wanted: Status, seconds: float = 60) -> BuildRow:
        """Wait for one of these states, or for any final one."""
        ends = set(wanted) or states.ENDED
        until(lambda: self.build(build_id).status in ends, seconds, lambda: self.log(build_id))
        return self.build(build_id)

    def settled(self, build_id: int) -> BuildRow:
        """Wait until nobody works on a build any more."""
        self.status(build_id)
        until(lambda: self.build(build_id).lease is None, 60, lambda: self.log(build_id))
        return self.build(build_id)

    def link(self, name: str = "one", namespace: str = "default") -> Path:
        """The link to an environment's current prefix."""
        return self.settings.places.link(namespace, name)

    def prefixes(self) -> list[str]:
        """Everything below the prefixes, hidden or not, two levels deep."""
        return sorted(path.name for path in self.settings.prefix_directory.glob("*/*"))


def schedule(session: Session, source: str, name: str, namespace: str, policy: ChannelPolicy) -> int:
    """Rows of a submission as the managers write them."""
    specification = read_specification(source, policy, default_name=name).specification
    now = datetime.now(UTC)
    space = session.scalar(select(NamespaceRow).where(NamespaceRow.name == namespace))
    space = space or NamespaceRow(name=namespace, kind="shared", metadata_={}, created_on=now)
    session.add(space)
    session.flush()
    wanted = (EnvironmentRow.name == name, EnvironmentRow.namespace_id == space.id)
    environment = session.scalar(select(EnvironmentRow).where(*wanted))
    environment = environment or EnvironmentRow(name=name, namespace=space, description="", created_on=now)
    row = session.scalar(select(SpecificationRow).where(SpecificationRow.sha256 == specification.sha256))
    row = row or SpecificationRow(
        name=name,
        sha256=specification.sha256,
        spec=specification.as_dict(),
        source=source,
        is_lockfile=False,
        created_on=now,
    )
    session.add_all([environment, row])
    session.flush()
    return states.schedule(session, environment, row, "ana").id


def until(condition: Callable[[], object], seconds: float = 60, account: Callable[[], str] = str) -> None:
    """Wait for a condition; `account` says what was seen when it does not come."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds} seconds\n{account()}"
        # Asking takes from those who are waited for: the longer it takes, the less often.
        time.sleep(min(max(0.005, waited / 50), 0.03))


def workers() -> list[psutil.Process]:
    """The worker processes of this process, and everything that they started, as far as they are alive."""
    started = [process for process in psutil.Process().children(recursive=True) if process.pid not in _STANDING]
    return [process for process in started if is_worker(process)]


def look_around() -> None:
    """Note what runs below this process before a test: servers that fixtures of other tests started are no workers."""
    _STANDING.clear()
    _STANDING.update(process.pid for process in psutil.Process().children(recursive=True))


_STANDING: set[int] = set()


def is_worker(process: psutil.Process) -> bool:
    """Whether a process lives and has left the session of its server: what starts the workers has not."""
    try:
        return is_alive(process) and os.getsid(process.pid) != os.getsid(0)
    except ProcessLookupError:
        return False


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs, or could run again; one that waits for its parent to look has ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class StallingChannel:
    """A channel over HTTP that holds every request whose path contains `stalled`, until `go` is set."""

    def __init__(self, directory: Path, stalled: str) -> None:
        self.reached, self.go = Event(), Event()
        channel = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(directory))

            def do_GET(self) -> None:
                # Its 304 would name no validator, and rattler takes such an answer for an error.
                del self.headers["If-Modified-Since"]
                if stalled in self.path:
                    channel.reached.set()
                    channel.go.wait(60)
                super().do_GET()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        """Let all requests go and stop."""
        self.go.set()
        self.server.shutdown()
        self.server.server_close()
