"""A busy deployment: 1,000 environments, 5,000 builds, 70 packages in each; and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, literal, select, text, update
from sqlalchemy.orm import Session

from conda_store.db import Database
from conda_store.db.orm import (
    ArtifactRow,
    Base,
    BuildPackageRow,
    BuildRow,
    ChannelRow,
    EnvironmentRow,
    NamespaceRow,
    PackageRow,
    SpecificationRow,
)
from tests.postgres_server import PostgresServer

NAMESPACES, ENVIRONMENTS, BUILDS, PACKAGES, PACKAGES_PER_BUILD = 50, 1000, 5000, 4000, 70
START = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = {"name": "data", "channels": ["conda-forge"], "dependencies": [f"package-{n} >=1" for n in range(20)]}


def fill(database: Database) -> None:
    """Write it all. All numbers are from 1: see `_environment` and `_build` for what belongs to what."""
    with database.write() as session:
        _rows(session, NamespaceRow, [_namespace(n) for n in range(1, NAMESPACES + 1)])
        _rows(session, EnvironmentRow, [_environment(n) for n in range(1, ENVIRONMENTS + 1)])
        _rows(session, SpecificationRow, [_specification(n) for n in range(1, 1001)])
        _rows(session, ChannelRow, [{"id": 1, "name": "conda-forge"}])
        _rows(session, PackageRow, [_package(n) for n in range(1, PACKAGES + 1)])
        _rows(session, BuildRow, [_build(n) for n in range(1, BUILDS + 1)])
        # What is many is made in place: it takes PostgreSQL a quarter of a minute to be told so many rows.
        for kind in ("DIRECTORY", "LOCKFILE", "LOGS", "YAML", "CONDA_PACK", "DOCKER_MANIFEST"):
            made = select(BuildRow.id, literal(kind), literal("READY"), literal(kind), literal(0))
            columns = ["build_id", "artifact_type", "state", "key", "size"]
            session.execute(insert(ArtifactRow).from_select(columns, made.order_by(BuildRow.id)))
        place = PackageRow.id - 1
        contents = select(BuildRow.id, (BuildRow.id * 7 + place * 57) % PACKAGES + 1)
        contents = contents.join_from(BuildRow, PackageRow, place < PACKAGES_PER_BUILD)
        session.execute(insert(BuildPackageRow).from_select(["build_id", "package_id"], contents))
        # The last build of each environment is current.
        newest = EnvironmentRow.id + (BUILDS - ENVIRONMENTS)
        session.execute(
            update(EnvironmentRow).values(current_build_id=newest).execution_options(synchronize_session=False)
        )
    if database.url.drivername.startswith("postgresql"):
        # It does so by itself within a minute; SQLite never does.
        with database.write() as session:
            session.execute(text("ANALYZE"))


def _rows(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    session.execute(insert(table), rows)


def _namespace(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"group-{number:03}", "created_on": START}


def _environment(number: int) -> dict[str, Any]:
    namespace_id = (number - 1) % NAMESPACES + 1
    return {"id": number, "namespace_id": namespace_id, "name": f"environment-{number:04}", "created_on": START}


def _specification(number: int) -> dict[str, Any]:
    return {"id": number, "name": "data", "sha256": f"{number:064}", "spec": SPEC, "source": "", "created_on": START}


def _package(number: int) -> dict[str, Any]:
    name, version = f"package-{number % 400}", f"1.{number // 400}"
    return {"id": number, "channel_id": 1, "name": name, "version": version, "build": "0", "sha256": f"{number:064}"}


def _build(number: int) -> dict[str, Any]:
    scheduled_on = START + timedelta(minutes=number)
    return {
        "id": number,
        "environment_id": (number - 1) % ENVIRONMENTS + 1,
        "specification_id": (number - 1) % 1000 + 1,
        "status": "COMPLETED" if number % 10 else "FAILED",
        "size": number,
        "scheduled_on": scheduled_on,
        "started_on": scheduled_on + timedelta(seconds=1),
        "ended_on": scheduled_on + timedelta(seconds=5),
    }


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Filled once; tests only read."""
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
