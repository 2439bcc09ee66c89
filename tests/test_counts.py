"""Counts of lists: remembered, and never other than what the list has at that moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from conda_store.db import Database, lists
from conda_store.db.counts import Counts
from conda_store.db.lists import EnvironmentFilters
from conda_store.db.orm import EnvironmentRow, NamespaceRow
from tests.full_database import statements

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """With two environments, in a namespace each."""
    opened = Database(database_url)
    opened.create_or_upgrade()
    for name in ("ana", "ben"):
        add(opened, name)
    yield opened
    opened.close()


def add(database: Database, name: str) -> None:
    with database.write() as session:
        session.add(EnvironmentRow(namespace=NamespaceRow(name=name, created_on=NOW), name="data", created_on=NOW))


def counted(counts: Counts, session: Session, *visible: str) -> int:
    filters = EnvironmentFilters(visible)
    return counts.of(session, lists.environments(filters), filters)


def test_nothing_is_counted_twice_until_something_is_written(database: Database) -> None:
    counts = Counts()
    with database.read() as session:
        assert counted(counts, session, "*/*") == 2
    with database.read() as session, statements() as seen:
        assert counted(counts, session, "*/*") == 2
    assert not [statement for statement, _ in seen.sent if "count" in statement]
    add(database, "cleo")
    with database.read() as session:
        assert counted(counts, session, "*/*") == 3


def test_everybody_is_told_the_count_of_what_they_may_see(database: Database) -> None:
    counts = Counts()
    with database.read() as session:
        assert [counted(counts, session, *visible) for visible in (("*/*",), ("ana/*",), (), ("ana/*", "ben/*"))] == [
            2,
            1,
            0,
            2,
        ]


def test_a_count_belongs_to_the_moment_that_its_list_shows(database: Database) -> None:
    counts = Counts()
    with database.read() as earlier:
        assert counted(counts, earlier, "*/*") == 2
        add(database, "cleo")
        with database.read() as later:
            assert counted(counts, later, "*/*") == 3
            assert counted(counts, earlier, "*/*") == 2
            assert counted(counts, later, "*/*") == 3
