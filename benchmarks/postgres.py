"""A real PostgreSQL server, on a Unix socket of its own: measurements and tests share it."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

# initdb and postgres refuse to be root; Debian's packages make this user for them.
USER = "postgres"


@dataclass(frozen=True)
class PostgresServer:
    """A running server; its directory also holds its socket."""

    directory: Path

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://{USER}@/{database}?host={self.directory}"

    def new_database(self) -> str:
        """The URL of a new and empty database."""
        name = f"test_{uuid.uuid4().hex}"
        admin = create_engine(f"postgresql+psycopg{self.url('postgres').removeprefix('postgresql')}")
        with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # Locale `de_DE.UTF-8` and the like sort and compare otherwise; nothing may depend on it.
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
        admin.dispose()
        return self.url(name)


def postgres_program(name: str) -> Path | None:
    """The path of a program of PostgreSQL, the newest version's; None where it is not installed."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)]))
    return None if found is None else Path(found).resolve()


@contextmanager
def running_postgres(initdb: Path, postgres: Path) -> Iterator[PostgresServer]:
    """A new and empty server; ended at the end."""
    # Not below a temporary directory that belongs to root alone; and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        user = USER if os.geteuid() == 0 else None
        if user:
            shutil.chown(directory, user)
        data = str(directory / "data")
        making = [str(initdb), "-D", data, "-U", USER, "--auth=trust", "--no-sync", "--encoding=UTF8"]
        subprocess.run([*making, "--lc-messages=C"], user=user, cwd="/", check=True, capture_output=True)
        # Nothing is lost here when the machine loses power.
        options = ("listen_addresses=", "fsync=off", "max_connections=200")
        command = [str(postgres), "-D", data, "-k", name, *(word for option in options for word in ("-c", option))]
        with _running(command, user):
            yield PostgresServer(directory)


@contextmanager
def _running(command: Sequence[str], user: str | None) -> Iterator[None]:
    """A server that accepts connections, and that ends with us, however we end."""
    server = subprocess.Popen(
        command, user=user, cwd="/", stderr=subprocess.PIPE, text=True, preexec_fn=_end_with_parent
    )
    assert server.stderr is not None
    said: list[str] = []
    for line in server.stderr:
        said.append(line)
        if "ready to accept connections" in line:
            break
    # What it says later nobody reads, but a full pipe would stop it.
    drain = threading.Thread(target=server.stderr.read, daemon=True)
    drain.start()
    try:
        assert server.poll() is None, "".join(said)
        yield
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()
        drain.join()
        server.stderr.close()


def _end_with_parent() -> None:
    # prctl(2), PR_SET_PDEATHSIG: a run that is killed cleans nothing up. SIGQUIT is postgres' immediate shutdown.
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
