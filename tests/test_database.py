"""Transactions on both kinds of database: many writers, one number, and what goes wrong put into words."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, column, delete, func, insert, select, table, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from conda_store.db import Database
from conda_store.db.errors import DatabaseUnavailable, WriteConflict
from conda_store.db.orm import BuildRow, EnvironmentRow, EventRow, NamespaceRow, SpecificationRow
from conda_store.errors import BadInput, StorageFull
from tests.postgres_server import PostgresServer

NOW = datetime(2026, 11, 22, 21, 8, 42, 138025, tzinfo=UTC)
WRITES = 100


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.create_or_upgrade()
    yield database
    database.close()


def add_build(session: Session, name: str = "data", namespace: str = "ana") -> BuildRow:
    place = session.scalar(
        select(NamespaceRow).where(NamespaceRow.name == namespace, NamespaceRow.deleted_on.is_(None))
    )
    place = place or NamespaceRow(name=namespace, created_on=NOW)
    build = BuildRow(
        environment=EnvironmentRow(namespace=place, name=name, created_on=NOW),
        specification=SpecificationRow(name=name, sha256=f"{namespace}/{name}", spec={}, source="", created_on=NOW),
        status="QUEUED",
        scheduled_on=NOW,
    )
    session.add(build)
    session.flush()
    return build


def write_often(url: str) -> None:
    """Read, then write what was read plus one: nothing may be lost, and nobody turned away."""
    database = Database(url)
    for _ in range(WRITES):
        with database.write() as session:
            session.execute(select(BuildRow.id).where(BuildRow.id == 1).with_for_update(of=BuildRow))
            number = (session.scalar(select(func.max(EventRow.number))) or 0) + 1
            row: dict[str, Any] = {
                "build_id": 1,
                "number": number,
                "attempt": 1,
                "time": NOW,
                "kind": "log",
                "data": {},
            }
            session.execute(insert(EventRow), [row])
    database.close()


def write_from_threads(url: str) -> None:
    threads = [threading.Thread(target=write_often, args=(url,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_writers_of_many_threads_and_processes_take_turns(database: Database, database_url: str) -> None:
    with database.write() as session:
        add_build(session)
    before = database.change_number()
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=write_from_threads, args=(database_url,)) for _ in range(3)]
    for process in processes:
        process.start()
    seen = [before]
    # Threads that share a Database, beside processes that do not, beside a reader.
    own = [threading.Thread(target=write_often, args=(database_url,)) for _ in range(2)]
    for thread in own:
        thread.start()
    while any(process.is_alive() for process in processes):
        seen.append(database.change_number())
    for thread in own:
        thread.join()
    for process in processes:
        process.join()
    wanted = (3 * 3 + 2) * WRITES
    with database.read() as session:
        numbers = list(session.scalars(select(EventRow.number).order_by(EventRow.number)))
    assert numbers == list(range(1, wanted + 1))
    assert seen == sorted(seen) and len(set(seen)) > 10
    assert database.change_number() == before + wanted


def test_threads_share_a_database(database: Database) -> None:
    def write(number: int) -> None:
        for part in range(WRITES):
            with database.write() as session:
                session.add(NamespaceRow(name=f"{number}-{part}", created_on=NOW))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(NamespaceRow)) == 8 * WRITES
    assert database.change_number() == 8 * WRITES


def test_an_exception_leaves_nothing(database: Database) -> None:
    before = database.change_number()
    with pytest.raises(ZeroDivisionError), database.write() as session:
        add_build(session)
        raise ZeroDivisionError
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(BuildRow)) == 0
    assert database.change_number() == before


def test_a_reader_sees_one_moment(database: Database) -> None:
    with database.read() as reader:
        assert reader.scalar(select(func.count()).select_from(BuildRow)) == 0
        with database.write() as session:
            add_build(session)
        assert reader.scalar(select(func.count()).select_from(BuildRow)) == 0
    with database.read() as reader:
        assert reader.scalar(select(func.count()).select_from(BuildRow)) == 1


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises((DatabaseUnavailable, StorageFull), match=r"read-?only"), database.read() as session:
        add_build(session)
    with database.write() as session:
        add_build(session)


def test_one_row_is_found_without_a_transaction(database: Database) -> None:
    wanted = select(NamespaceRow.name, NamespaceRow.id).where(NamespaceRow.name == bindparam("name"))
    assert database.find(wanted, {"name": "ana"}) is None
    with database.write() as session:
        add_build(session)
        # Somebody else's row is not there before it is kept.
        assert database.find(wanted, {"name": "ana"}) is None
    assert database.find(wanted, {"name": "ana"}) == ("ana", 1)
    with database.write() as session:
        add_build(session, namespace="ben")
    assert database.find(wanted, {"name": "ben"}) == ("ben", 2)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: database.find(wanted, {"name": "ana"}), range(200))) == {("ana", 1)}


def test_a_row_that_cannot_be_looked_for_is_an_error_in_words(database: Database) -> None:
    lost = select(column("name")).select_from(table("nowhere"))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match="nowhere"):
            database.find(lost, {})
    assert database.change_number() == 0


def test_rows_are_usable_after_the_transaction(database: Database) -> None:
    with database.write() as session:
        build = add_build(session)
    assert (build.id, build.status, build.environment.namespace.name) == (1, "QUEUED", "ana")


def test_a_write_inside_of_a_write_is_an_error_at_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.sqlite")
    database.create_or_upgrade()
    with pytest.raises(RuntimeError, match="pass the session on"), database.write(), database.write():
        pass
    with database.write() as session:
        add_build(session)
    database.close()


def test_only_aware_times_go_in_and_come_out(database: Database) -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    with database.write() as session:
        session.add(NamespaceRow(name="ana", created_on=NOW.astimezone(kolkata)))
    with database.read() as session:
        row = session.scalars(select(NamespaceRow)).one()
        raw = session.execute(text("SELECT created_on FROM namespace")).scalar_one()
    assert (row.created_on, row.created_on.tzinfo, row.deleted_on) == (NOW, UTC, None)
    assert str(raw) == "2026-11-22 21:08:42.138025"
    with pytest.raises(StatementError, match="has no time zone"), database.write() as session:
        session.add(NamespaceRow(name="bob", created_on=NOW.replace(tzinfo=None)))


def test_a_name_is_taken_while_its_environment_lives(database: Database) -> None:
    with database.write() as session:
        first = add_build(session).environment
    with pytest.raises(WriteConflict, match="Try again"), database.write() as session:
        session.add(EnvironmentRow(namespace_id=first.namespace_id, name="data", created_on=NOW))
    with database.write() as session:
        session.get_one(EnvironmentRow, first.id).deleted_on = NOW
    for _ in range(2):
        with database.write() as session:
            again = EnvironmentRow(namespace_id=first.namespace_id, name="data", created_on=NOW)
            session.add(again)
            session.flush()
            assert again.id != first.id
            again.deleted_on = NOW


def test_a_name_is_taken_while_its_namespace_lives(database: Database) -> None:
    with database.write() as session:
        session.add(NamespaceRow(name="ana", created_on=NOW))
    with pytest.raises(WriteConflict), database.write() as session:
        session.add(NamespaceRow(name="ana", created_on=NOW))
    with database.write() as session:
        session.scalars(select(NamespaceRow)).one().deleted_on = NOW
    with database.write() as session:
        session.add(NamespaceRow(name="ana", created_on=NOW))


def test_the_number_of_a_build_is_never_given_again(database: Database) -> None:
    with database.write() as session:
        build = add_build(session)
    with database.write() as session:
        session.execute(delete(BuildRow))
        session.execute(delete(EnvironmentRow))
        session.execute(delete(SpecificationRow))
    with database.write() as session:
        assert add_build(session).id == build.id + 1


def test_a_row_that_others_refer_to_stays(database: Database) -> None:
    with database.write() as session:
        add_build(session)
    # On a new connection: the one that upgraded has a past.
    database.close()
    with pytest.raises(WriteConflict), database.write() as session:
        session.execute(delete(EnvironmentRow))


def test_what_no_column_can_hold_is_bad_input(database: Database) -> None:
    for number in (2**63, -(2**63) - 1, 10**30):
        with pytest.raises(BadInput), database.read() as session:
            session.get(BuildRow, number)
    with pytest.raises(BadInput), database.write() as session:
        session.add(NamespaceRow(name="half \ud800", created_on=NOW))
    assert database.change_number() == 0


def test_text_that_postgresql_cannot_hold_is_bad_input(postgres_server: PostgresServer) -> None:
    database = Database(postgres_server.new_database())
    database.create_or_upgrade()
    for name, reason in (("nul \0", "NUL"), ("n" * 256, "too long")):
        with pytest.raises(BadInput, match=reason), database.write() as session:
            session.add(NamespaceRow(name=name, created_on=NOW))
    database.close()


def test_a_full_disk_is_said_so_and_loses_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.sqlite")
    database.create_or_upgrade()
    with pytest.raises(StorageFull, match=r"x.sqlite cannot be written: .*full"), database.write() as session:
        session.execute(text("PRAGMA max_page_count = 1"))  # no page more than there are
        add_build(session)
        session.execute(insert(NamespaceRow), [{"name": f"{n:0100}", "created_on": NOW} for n in range(2000)])
    database.close()
    with database.write() as session:
        add_build(session)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(NamespaceRow)) == 1
    database.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_text("This is a text, and a long one." * 100)
    with pytest.raises(DatabaseUnavailable, match=r"x.sqlite.*not a database"):
        Database(f"sqlite:///{tmp_path}/x.sqlite").create_or_upgrade()
    assert (tmp_path / "x.sqlite").read_text().startswith("This is a text")


def test_a_server_that_was_restarted_is_asked_again(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    database = Database(url)
    database.create_or_upgrade()
    with database.write() as session:
        add_build(session)
    other = Database(url)
    with other.write() as session:
        own = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != :own AND datname = current_database()"
        )
        assert session.execute(text(query), {"own": own}).all()
    other.close()
    assert database.change_number() == 2
    database.close()
