"""What can go wrong with the database, in words for the person on call."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from conda_store.errors import BadInput, CondaStoreError, StorageFull, StorageReadOnly


class DatabaseUnavailable(CondaStoreError):
    """The database does not answer; what was being written was not."""

    status = 503
    code = "database_unavailable"


class DatabaseRefused(CondaStoreError):
    """A database that must not be used as it is: the wrong schema, the wrong place, not ours."""

    status = 500
    code = "database_refused"


class WriteConflict(CondaStoreError):
    """Somebody else wrote first what was to be written; nothing of this write was kept."""

    status = 409
    code = "write_conflict"


# https://www.sqlite.org/rescode.html and https://www.postgresql.org/docs/current/errcodes-appendix.html (disk_full,
# read_only_sql_transaction; serialization_failure, deadlock_detected). A file that is on a disk which became read-only
# while it was open is a failing disk to SQLite.
_FULL = {sqlite3.SQLITE_FULL, "53100"}
_READ_ONLY = {sqlite3.SQLITE_READONLY, "25006"}
_FAILING = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_TRY_AGAIN = {"40001", "40P01"}
_TRIES = 5

R = TypeVar("R")


def repeated(write: Callable[[], R]) -> R:
    """What `write`, a whole transaction, gives. It is tried again while others make the same new rows; raises
    `WriteConflict` when that does not end."""
    for _ in range(_TRIES):
        with suppress(WriteConflict):
            return write()
    return write()


def meaning_of(error: Exception, database: str) -> CondaStoreError:
    """What an error of the database `database` (a URL without password) means; the cause is for the log only."""
    if isinstance(error, OverflowError):
        return BadInput("A number is larger than the database can hold (64 bits).")
    if isinstance(error, UnicodeError):
        return BadInput("A text holds characters that are no valid Unicode, such as half of a surrogate pair.")
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason = next(iter(str(cause).splitlines()), type(cause).__name__)
    if isinstance(error, DataError):
        return BadInput(f"A value does not fit into the database: {reason}.")
    code = _code(cause)
    if isinstance(error, IntegrityError) or code in _TRY_AGAIN:
        return WriteConflict("Somebody else changed the same thing at the same moment. Try again.")
    unwritable = f"The database {database} cannot be written: {reason}."
    if code in _FULL:
        return StorageFull(f"{unwritable} Make room for it on its disk; nothing that was there is lost.")
    if code in _READ_ONLY:
        return StorageReadOnly(f"{unwritable} Make its file and directory writable for the user of the server.")
    if code in _FAILING:
        return DatabaseUnavailable(
            f"The database {database} cannot be used: {reason}. Look whether its directory is there, and whether its "
            "disk is full, read-only or failing."
        )
    return DatabaseUnavailable(f"The database {database} does not answer as it should: {reason}.")


def _code(error: object) -> str | int | None:
    """PostgreSQL's SQLSTATE, or SQLite's primary result code."""
    sqlite_code: int | None = getattr(error, "sqlite_errorcode", None)
    # The low byte is the primary code, what is above says more of the same.
    return getattr(error, "sqlstate", None) if sqlite_code is None else sqlite_code & 0xFF
