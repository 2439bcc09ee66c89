"""A real PostgreSQL server for tests, on a Unix socket of its own; and empty databases of both kinds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.postgres import PostgresServer, postgres_program, running_postgres

__all__ = ["PostgresServer", "database_url", "postgres_server"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for this session, and for each worker of pytest-xdist its own."""
    with running_postgres(_program("initdb"), _program("postgres")) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new and empty database: one test for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/conda-store.sqlite"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


def _program(name: str) -> Path:
    """The path of a program; without it the test is skipped, and under CI it fails."""
    if found := postgres_program(name):
        return found
    message = f"{name} is not installed: make system-packages"
    raise AssertionError(message) if os.environ.get("CI") else pytest.skip.Exception(message)
