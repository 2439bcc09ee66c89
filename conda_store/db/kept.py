"""What an older schema has no place for: put away in the same database on the way down, and back on the way up.

A step down puts away before it drops, the step up puts back after it has made. It lies in tables `kept_<table>`, copied
by the database itself, so that it is the same to the byte; no version reads them otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import sqlalchemy as sa
from sqlalchemy import Connection, Table

_PREFIX = "kept_"
# Per table the highest number that it has given, since none is given twice.
_COUNTERS = "kept_counter"


def put_away(connection: Connection, name: str) -> None:
    """Keep all rows of a table and the counter of its numbers, and drop it."""
    table = _table(connection, name)
    _copy(connection, name, sa.select(table))
    if counter := _counter(connection, table):
        _counters(connection, create=True)
        connection.execute(_counters(connection).insert().values(table_name=name, number=counter))
    table.drop(connection)


def put_back(connection: Connection, name: str, parent: tuple[str, str] | None = None) -> None:
    """Give a table that was just made what was kept of it.

    With `parent`, a column and the table whose `id` it holds, only rows whose parent is still there.
    """
    table = _table(connection, name)
    if (kept := _find(connection, _PREFIX + name)) is not None:
        rows = sa.select(kept)
        if parent is not None:
            column, other = parent
            rows = rows.where(kept.c[column].in_(sa.select(_table(connection, other).c.id)))
        connection.execute(table.insert().from_select([column.name for column in kept.columns], rows))
        kept.drop(connection)
    if _find(connection, _COUNTERS) is not None:
        _restore_counter(connection, table)


def put_columns_away(connection: Connection, name: str, key: Sequence[str], columns: Sequence[str]) -> None:
    """Keep what rows have in nullable columns; the step itself drops them. `key` tells rows apart for ever."""
    table = _table(connection, name)
    some = sa.or_(*(table.c[one].is_not(None) for one in columns))
    _copy(connection, name, sa.select(*(table.c[one] for one in (*key, *columns))).where(some))


def put_columns_back(connection: Connection, name: str, key: Sequence[str], columns: Sequence[str]) -> None:
    """Give the rows that are still there what was kept of them."""
    kept = _find(connection, _PREFIX + name)
    if kept is None:
        return
    table = _table(connection, name)
    same = sa.and_(*(table.c[one] == kept.c[one] for one in key))
    values = {one: sa.select(kept.c[one]).where(same).scalar_subquery() for one in columns}
    connection.execute(table.update().values(values).where(sa.exists().where(same)))
    kept.drop(connection)


def kept_rows(connection: Connection) -> dict[str, int]:
    """How many rows of which tables are put away now."""
    names = [name for name in sa.inspect(connection).get_table_names() if name.startswith(_PREFIX)]
    counts = {name: sa.select(sa.func.count()).select_from(sa.table(name)) for name in sorted(names)}
    found = {name.removeprefix(_PREFIX): connection.scalar(count) for name, count in counts.items()}
    return {name: count for name, count in found.items() if count and name != _COUNTERS.removeprefix(_PREFIX)}


def _table(connection: Connection, name: str) -> Table:
    # As the database has it: a step must not depend on what the code calls its tables today.
    return Table(name, sa.MetaData(), autoload_with=connection, resolve_fks=False)


def _find(connection: Connection, name: str) -> Table | None:
    return _table(connection, name) if sa.inspect(connection).has_table(name) else None


def _copy(connection: Connection, name: str, rows: sa.Select[*tuple[object, ...]]) -> None:
    """Make the table of what is kept, unless there is nothing."""
    if connection.execute(rows.limit(1)).first() is not None:
        quoted = connection.dialect.identifier_preparer.quote(_PREFIX + name)
        connection.execute(sa.text(f"CREATE TABLE {quoted} AS {rows.compile(connection)}"))


def _counters(connection: Connection, *, create: bool = False) -> Table:
    columns = sa.Column("table_name", sa.String(63)), sa.Column("number", sa.BigInteger)
    table = Table(_COUNTERS, sa.MetaData(), *columns)
    if create:
        table.create(connection, checkfirst=True)
    return table


def _counter(connection: Connection, table: Table) -> int:
    """The highest number that a table has ever given to a row; 0 for one that gives none, or gives them again."""
    if connection.dialect.name == "sqlite":
        query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return connection.scalar(query, {"name": table.name}) or 0
    sequence = _sequence(connection, table)
    if sequence is None:
        return 0
    last = sa.text(f"SELECT last_value FROM {sequence} WHERE is_called")  # noqa: S608  PostgreSQL has quoted it
    return connection.scalar(last) or 0


def _sequence(connection: Connection, table: Table) -> str | None:
    """The name of PostgreSQL's sequence behind `id`, quoted; None for a table without."""
    if "id" not in table.columns:
        return None
    query = sa.text("SELECT pg_get_serial_sequence(:name, 'id')")
    quoted = connection.dialect.identifier_preparer.quote(table.name)
    return cast("str | None", connection.scalar(query, {"name": quoted}))


def _restore_counter(connection: Connection, table: Table) -> None:
    counters = _counters(connection)
    mine = counters.c.table_name == table.name
    number = connection.scalar(sa.select(counters.c.number).where(mine))
    if number is not None:
        _set_counter(connection, table, number)
        connection.execute(counters.delete().where(mine))
    if connection.scalar(sa.select(sa.func.count()).select_from(counters)) == 0:
        counters.drop(connection)


def _set_counter(connection: Connection, table: Table, number: int) -> None:
    values = {"name": table.name, "number": number}
    if connection.dialect.name == "sqlite":
        connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
        connection.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), values)
    else:
        asked = {"sequence": _sequence(connection, table), "number": number}
        connection.execute(sa.text("SELECT setval(CAST(:sequence AS regclass), :number)"), asked)
