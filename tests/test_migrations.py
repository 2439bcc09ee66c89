"""The schema's way up: equal to the tables in the code, safe when killed, refused where it would do harm."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

import conda_store
from conda_store.db import Database, migrations
from conda_store.db.engines import WRITING, make_engine, parse_url, sqlite_path
from conda_store.db.errors import DatabaseRefused, DatabaseUnavailable
from conda_store.db.migrations import upgrade_db
from conda_store.db.orm import Base
from tests.postgres_server import PostgresServer


def writing_engine(url: str) -> Engine:
    return make_engine(parse_url(url), echo=False).execution_options(**{WRITING: True})


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Beside the code under test: an engine on the upgraded database."""
    upgrade_db(database_url)
    engine = writing_engine(database_url)
    yield engine
    engine.dispose()


def difference(engine: Engine) -> Any:
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), Base.metadata)


def definitions(engine: Engine) -> set[str]:
    """Everything in the schema, as the database itself writes it."""
    statements = {
        "sqlite": ["SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"],
        "postgresql": [
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || "
            "coalesce(character_maximum_length, 0) || ' ' || coalesce(column_default, '') "
            "FROM information_schema.columns WHERE table_schema = 'public'",
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace",
        ],
    }[engine.dialect.name]
    with engine.connect() as connection:
        found = {str(row[0]) for one in statements for row in connection.execute(text(one))}
    return {one for one in found if "alembic_version" not in one}


def fresh_url(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path) -> str:
    if engine.dialect.name == "sqlite":
        (tmp_path / "other.sqlite").touch()
        return f"sqlite:///{tmp_path}/other.sqlite"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


def test_alembic_finds_nothing_to_do(engine: Engine) -> None:
    assert difference(engine) == []


def test_migrated_tables_are_those_of_the_code_to_the_letter(
    request: pytest.FixtureRequest, engine: Engine, tmp_path: Path
) -> None:
    other = writing_engine(fresh_url(request, engine, tmp_path))
    Base.metadata.create_all(other)
    wanted, found = definitions(other), definitions(engine)
    other.dispose()
    assert len(wanted) > 20
    assert {sorted_parts(one) for one in found} == {sorted_parts(one) for one in wanted}


def sorted_parts(statement: str) -> tuple[str, ...]:
    """A statement without its line breaks and the order of its columns and constraints."""
    return tuple(sorted(part.strip(" ()") for part in " ".join(statement.split()).split(",")))


def test_the_comparison_sees_a_missing_index(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_build_status"))
    assert [change[0] for change in difference(engine)] == ["add_index"]


def test_upgrading_again_changes_nothing(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE change SET number = 41"))
    upgrade_db(database_url)
    database = Database(database_url)
    assert database.change_number() == 41
    database.check_schema()
    database.close()


def upgrade_together(urls: Sequence[str], starters: Barrier) -> None:
    for url in urls:
        starters.wait(60)
        upgrade_db(url)


def test_several_processes_may_start_at_once(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{number}.sqlite" for number in range(12)]
    if not database_url.startswith("sqlite"):
        server: PostgresServer = request.getfixturevalue("postgres_server")
        urls = [server.new_database() for _ in range(3)]
    spawn = multiprocessing.get_context("spawn")
    starters = spawn.Barrier(5)
    processes = [spawn.Process(target=upgrade_together, args=(urls, starters)) for _ in range(5)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 5
    for url in urls:
        database = Database(url)
        database.check_schema()
        database.close()


def test_an_upgrade_waits_for_one_that_has_only_begun(tmp_path: Path) -> None:
    path = tmp_path / "conda-store.sqlite"
    database = Database(f"sqlite:///{path}")
    upgrading = ThreadPoolExecutor(1)
    with (tmp_path / "conda-store.sqlite.upgrade-lock").open("w") as lock, closing(sqlite3.connect(path)) as other:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # As while going over to WAL: whoever wants the same now is turned away without waiting.
        other.execute("BEGIN EXCLUSIVE")
        done = upgrading.submit(database.create_or_upgrade)
        while not (done.done() or waits_for_a_lock()):
            pass
        other.execute("COMMIT")
    done.result()
    upgrading.shutdown()
    database.check_schema()
    database.close()


def waits_for_a_lock() -> bool:
    """Whether a thread of this process waits for another's `flock`: proc(5), /proc/locks."""
    waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "-> FLOCK" in line]
    return any(fields[5] == str(os.getpid()) for fields in waiting)


KILLED = """
import os, signal, sys
from sqlalchemy import Engine, event
from conda_store.db.migrations import upgrade_db

left = int(sys.argv[2])

@event.listens_for(Engine, "after_cursor_execute")
def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

upgrade_db(sys.argv[1])
"""


@pytest.mark.parametrize("statements", [2, 5, 9, 17, 30])
def test_an_upgrade_killed_in_the_middle_left_nothing(database_url: str, statements: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, database_url, str(statements)], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    engine = writing_engine(database_url)
    assert inspect(engine).get_table_names() == []
    upgrade_db(database_url)
    assert difference(engine) == []
    engine.dispose()


def test_a_newer_schema_is_refused_with_both_revisions_and_the_way_out(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database = Database(database_url)
    for refuse in (database.create_or_upgrade, database.check_schema):
        with pytest.raises(DatabaseRefused) as refused:
            refuse()
        assert {"9999", "0004"} <= set(refused.value.message.replace(",", " ").replace(".", " ").split())
        assert "run `conda-store upgrade-db --revision 0004`, or restore a copy" in refused.value.message
    database.close()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_an_older_schema_is_refused_until_it_is_upgraded(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DELETE FROM alembic_version"))
    database = Database(database_url)
    with pytest.raises(DatabaseRefused, match=r"revision none, older than 0004.*conda-store upgrade-db"):
        database.check_schema()
    database.create_or_upgrade()
    database.check_schema()
    database.close()


def test_the_rows_of_the_first_schema_are_kept(database_url: str) -> None:
    if path := sqlite_path(parse_url(database_url)):
        path.touch()
    engine = writing_engine(database_url)
    with engine.begin() as connection:
        command.upgrade(migrations._configuration(connection), "0001")
        connection.execute(
            text(
                "INSERT INTO registry_content (repository, digest, media_type, size) VALUES ('a/b', 'sha256:1', '', 7)"
            )
        )
    upgrade_db(database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT repository, size, subject FROM registry_content")).all()
    assert rows == [("a/b", 7, None)] and difference(engine) == []
    engine.dispose()


def test_tables_of_somebody_else_are_left_alone(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(DatabaseRefused, match=r"did not make \(audit, build, build_artifact.*empty database"):
        upgrade_db(database_url)


def test_a_step_that_leaves_rows_without_their_parents_is_undone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/conda-store.sqlite"
    upgrade_db(url)
    engine = writing_engine(url)
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            connection.execute(text("INSERT INTO build_package VALUES (7, 8)"))
            with pytest.raises(DatabaseRefused, match=r"build_package refers to a row of (package|build) that"):
                migrations._check_references(connection)
    engine.dispose()


def test_a_database_without_a_file_is_not_made_by_looking(tmp_path: Path) -> None:
    path = tmp_path / "missing.sqlite"
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseRefused, match=r"no database at .*missing.sqlite.*conda-store upgrade-db"):
        database.check_schema()
    with pytest.raises(DatabaseUnavailable, match=r"missing.sqlite"):
        database.change_number()
    assert not path.exists()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "100% #1?.sqlite"
    database = Database(f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}")
    database.create_or_upgrade()
    with database.write():
        modes = {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    database.close()
    assert path.exists() and modes == {0o600}


def test_a_new_step_is_written_from_what_the_code_has_and_the_tables_lack(tmp_path: Path) -> None:
    package = tmp_path / "conda_store"
    shutil.copytree(Path(conda_store.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / "db" / "orm.py").open("a") as tables:
        tables.write(
            "\n\nclass HouseRow(Base):\n"
            '    __tablename__ = "house"\n'
            "    id: Mapped[int] = mapped_column(primary_key=True)\n"
            "    built_on: Mapped[datetime]\n"
        )
    command = [sys.executable, "-m", "conda_store.db.migrations", "Build", "houses"]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, check=True)
    step = (package / "db" / "alembic" / "versions" / "0005_build_houses.py").read_text()
    assert step.count("op.create_table") == step.count("op.drop_table") == 1
    assert "sa.Column('built_on', sa.DateTime(), nullable=False)" in step
