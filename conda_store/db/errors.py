"""What can go wrong with the database, in words for the person on call."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from conda_store.errors import BadInput, CondaStoreError, StorageFull


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


# https://www.sqlite.org/rescode.html: what a full disk, a failing one and a read-only one look like.
_UNWRITABLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
# https://www.postgresql.org/docs/current/errcodes-appendix.html: disk_full; serialization_failure, deadlock_detected.
_DISK_FULL = "53100"
_TRY_AGAIN = {"40001", "40P01"}


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
    if isinstance(error, IntegrityError) or getattr(cause, "sqlstate", None) in _TRY_AGAIN:
        return WriteConflict("Somebody else changed the same thing at the same moment. Try again.")
    if _is_unwritable(cause):
        return StorageFull(f"The database {database} cannot be written: {reason}. Make room for it.")
    return DatabaseUnavailable(f"The database {database} does not answer as it should: {reason}.")


def _is_unwritable(error: object) -> bool:
    if getattr(error, "sqlstate", None) == _DISK_FULL:
        return True
    # The low byte is the primary code, what is above says more of the same.
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in _UNWRITABLE
