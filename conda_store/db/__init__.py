"""The door to the database: transactions and nothing else. Tables are in `orm.py`, questions in `queries.py`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, column, select, table, text
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm import Session

from conda_store.db.engines import WAIT_SECONDS, WRITING, make_engine, parse_url, reading_options, sqlite_path
from conda_store.db.errors import DatabaseRefused, DatabaseUnavailable, meaning_of
from conda_store.db.finder import Finder

if TYPE_CHECKING:
    from conda_store.db.migrations import Moved

_NUMBER: Select[*tuple[Any, ...]] = select(column("number")).select_from(table("change")).where(text("id = 1"))
_BUMP = text("UPDATE change SET number = number + 1 WHERE id = 1")


class Database:
    """A database by URL, for any number of threads; every process makes its own.

    SQLite must be a file on a local disk. Foreign errors become the ones of `errors.py`.
    """

    def __init__(self, url: str, *, echo: bool = False) -> None:
        self.url = parse_url(url)
        self._engine = make_engine(self.url, echo=echo)
        self._reading = self._engine.execution_options(**reading_options(self.url))
        self._finder = Finder(self._engine, self.url)
        self._writing = self._engine.execution_options(**{WRITING: True})
        self._turn = _Turn() if sqlite_path(self.url) else None

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one moment and cannot write. Rows stay usable after it."""
        with self._meaningful(), Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that is kept whole at the end, or not at all after an exception; moves the change number.

        Keep it short: on SQLite there is one writer at a time. Not to be nested. Rows stay usable after it.
        """
        with self._meaningful(), self._in_turn(), Session(self._writing, expire_on_commit=False) as session:
            yield session
            session.flush()
            # Last, because on PostgreSQL it makes writers wait for each other: numbers grow in the order of commits.
            session.execute(_BUMP)
            session.commit()

    def find(self, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of one SELECT, for a small part of what a `read` costs; see `Finder.first`."""
        with self._meaningful():
            return self._finder.first(statement, values)

    def change_number(self) -> int:
        """A number that every write makes larger; cheap enough to ask a hundred times a second."""
        found = self.find(_NUMBER, {})
        if found is None:
            raise DatabaseRefused(f"{self} has lost its change number: restore it from a backup.")
        return int(found[0])

    def create_or_upgrade(self) -> None:
        """Bring the tables to this version's schema, from nothing or from any older one; raises DatabaseRefused."""
        # Deferred: Alembic is needed once per server, and costs every worker memory and time.
        from conda_store.db.migrations import create_or_upgrade

        with self._meaningful():
            create_or_upgrade(self._engine, self.url)

    def move_schema(self, revision: str) -> Moved:
        """Bring the tables to a revision (or `head`), up or down; raises DatabaseRefused, and BadInput for another."""
        from conda_store.db.migrations import move_schema

        with self._meaningful():
            return move_schema(self._engine, self.url, revision)

    def check_schema(self) -> None:
        """Raise DatabaseRefused unless the tables are exactly of this version's schema."""
        from conda_store.db.migrations import check_schema

        with self._meaningful():
            check_schema(self._engine, self.url)

    def close(self) -> None:
        """Close idle connections; one that is in use closes when its transaction ends."""
        self._finder.close()
        self._engine.dispose()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
        else:
            with self._turn.taken(str(self)):
                yield

    @contextmanager
    def _meaningful(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, TimeoutError, OverflowError, UnicodeError) as error:
            raise meaning_of(error, str(self)) from error


class _Turn:
    """The writers of one process, one after another: SQLite's own waiting polls with sleeps of up to 0.1 s."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def taken(self, database: str) -> Iterator[None]:
        if self._holder == threading.get_ident():
            raise RuntimeError("write() inside of write(): pass the session on instead")
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise DatabaseUnavailable(f"A writer has held the database {database} for {WAIT_SECONDS} seconds.")
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._holder = None
            self._lock.release()
