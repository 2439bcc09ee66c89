"""A busy deployment's database, of both kinds; and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from benchmarks.busy_database import BUILDS, ENVIRONMENTS, NAMESPACES, START, fill
from conda_store.db import Database
from tests.postgres_server import PostgresServer

__all__ = ["BUILDS", "ENVIRONMENTS", "NAMESPACES", "START", "Statements", "full", "statements"]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Filled once for all modules, which pytest puts in a row for it; tests only read."""
    url = f"sqlite:///{tmp_path_factory.mktemp('full')}/conda-store.sqlite"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.new_database()
    database = Database(url)
    database.create_or_upgrade()
    fill(database)
    yield database
    database.close()


@dataclass
class Statements:
    """What was sent to a database, transactions aside."""

    sent: list[tuple[str, Any]] = field(default_factory=list)

    def plans(self, session: Session) -> str:
        """How SQLite would go about all of it."""
        explained = [(f"EXPLAIN QUERY PLAN {statement}", values) for statement, values in self.sent]
        rows = [session.connection().exec_driver_sql(*one).all() for one in explained]
        return "\n".join(row[3] for some in rows for row in some)


@contextmanager
def statements() -> Iterator[Statements]:
    found = Statements()

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        if not statement.startswith(("PRAGMA", "BEGIN", "EXPLAIN")):
            found.sent.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)
