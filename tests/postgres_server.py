"""A real PostgreSQL server for tests, on a Unix socket of its own; and empty databases of both kinds."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for this session, and for each worker of pytest-xdist its own."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    # Not below pytest's temporary directory, which belongs to root alone; and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        user = USER if os.geteuid() == 0 else None
        if user:
            shutil.chown(directory, user)
        data = directory / "data"
        _run(user, initdb, "-D", str(data), "-U", USER, "--auth=trust", "--no-sync", "--encoding=UTF8")
        # Tests lose nothing when the machine loses power.
        options = f"-k {directory} -c listen_addresses= -c fsync=off -c max_connections=200"
        _run(user, pg_ctl, "-D", str(data), "-w", "-l", str(directory / "log"), "-o", options, "start")
        try:
            yield PostgresServer(directory)
        finally:
            _run(user, pg_ctl, "-D", str(data), "-w", "-m", "immediate", "stop")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new and empty database: one test for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/conda-store.sqlite"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


def _program(name: str) -> str:
    """The path of a program; without it the test is skipped, and under CI it fails."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)]))
    if found is not None:
        return str(Path(found).resolve())
    message = f"{name} is not installed: make system-packages"
    raise AssertionError(message) if os.environ.get("CI") else pytest.skip.Exception(message)


def _run(user: str | None, *command: str) -> None:
    # The server keeps what it inherits: a pipe would never end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(command, user=user, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        output.seek(0)
        assert done.returncode == 0, output.read().decode(errors="replace")
