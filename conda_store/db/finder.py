"""One SELECT alone: where it is asked thousands of times a second, a transaction and SQLAlchemy's execution around it
cost thirty times what it costs itself (SQLite: 165 µs against 5)."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import URL, Engine, Select
from sqlalchemy.exc import DBAPIError

from conda_store.db.engines import sqlite_path

_STATEMENTS = 64


class Finder:
    """Finds one row. Raises SQLAlchemy's errors."""

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._is_sqlite = sqlite_path(url) is not None
        self._autocommit = engine if self._is_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._compiled = lru_cache(_STATEMENTS)(self._compile)
        # As many as threads asked at once. The engine's pool would take longer than the question.
        self._idle: deque[sqlite3.Connection] = deque()

    def first(self, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row, of columns that are text or whole numbers; `statement` is one of few, and made once."""
        if not self._is_sqlite:
            with self._autocommit.connect() as connection:
                row = connection.execute(statement, values).first()
            return None if row is None else tuple(row)
        text, names = self._compiled(statement)
        return self._first_of_sqlite(text, [values[name] for name in names])

    def close(self) -> None:
        """Close idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _first_of_sqlite(self, text: str, values: list[Any]) -> tuple[Any, ...] | None:
        # Outside of a transaction a SELECT sees one moment too.
        connection = self._take()
        try:
            found: tuple[Any, ...] | None = connection.execute(text, values).fetchone()
        except sqlite3.Error as error:
            connection.close()
            raise DBAPIError(text, None, error) from error
        self._idle.append(connection)
        return found

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            try:
                made = self._engine.raw_connection()
            except sqlite3.Error as error:
                raise DBAPIError("", None, error) from error
            connection = cast(sqlite3.Connection, made.driver_connection)
            made.detach()
            return connection

    def _compile(self, statement: Select[*tuple[Any, ...]]) -> tuple[str, list[str]]:
        compiled: Any = statement.compile(self._engine)
        return str(compiled), list(compiled.positiontup or ())
