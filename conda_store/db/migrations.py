"""The schema's way from nothing to this version and back, by Alembic. The steps are in `alembic/versions/`.

All steps run in one transaction, on SQLite too: a process killed in the middle leaves the schema as it was. Of several
processes that start at once, one upgrades and the others wait for it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import URL, Connection, Engine, inspect, text

from conda_store._version import __version__
from conda_store.db.engines import WRITING, make_engine, parse_url, refuse_network_file_system, sqlite_path
from conda_store.db.errors import DatabaseRefused
from conda_store.db.kept import kept_rows
from conda_store.db.orm import Base
from conda_store.errors import BadInput

# Any number that no other program on the same PostgreSQL server takes: "conda" in ASCII.
_ADVISORY_LOCK = int.from_bytes(b"conda", "big")


HEAD = "head"


@dataclass(frozen=True)
class Moved:
    """From which revision to which a database went, and how many rows of which tables are put away (`kept.py`)."""

    database: str
    before: str | None
    after: str
    kept: dict[str, int]


def upgrade_db(url: str, revision: str = HEAD) -> Moved:
    """Bring the database at `url` to a revision, up or down; for the command line. Raises DatabaseRefused."""
    # Deferred: the package imports this module in its turn.
    from conda_store.db import Database

    database = Database(url)
    try:
        return database.move_schema(revision)
    finally:
        database.close()


def create_or_upgrade(engine: Engine, url: URL) -> None:
    """Create the tables, or run the steps that are missing. Raises DatabaseRefused for what is not ours to change."""
    move_schema(engine, url, HEAD)


def move_schema(engine: Engine, url: URL, revision: str) -> Moved:
    """Run the steps to a revision, up or down; what an older one has no place for is kept. Raises DatabaseRefused."""
    with _alone(engine, url) as connection:
        current, head = _revisions(connection)
        _refuse_unknown(connection, current, head, url)
        wanted = head if revision == HEAD else _known_revision(revision)
        if current != wanted:
            # Revisions are numbers of four digits, each made after the one before (`make_revision`).
            move = command.upgrade if current is None or current < wanted else command.downgrade
            move(_configuration(connection), wanted)
            _check_references(connection)
        return Moved(_name(url), current, wanted, kept_rows(connection))


def check_schema(engine: Engine, url: URL) -> None:
    """Raise DatabaseRefused unless the database is at this version's revision; changes nothing."""
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise DatabaseRefused(f"There is no database at {path}: `conda-store upgrade-db` makes it.")
    with engine.connect() as connection:
        current, head = _revisions(connection)
        _refuse_unknown(connection, current, head, url)
    if current != head:
        raise DatabaseRefused(
            f"The database {_name(url)} is at revision {current or 'none'}, older than {head}, which conda-store "
            f"{__version__} needs. Stop all servers that use it, keep a copy, and run `conda-store upgrade-db`."
        )


@contextmanager
def _alone(engine: Engine, url: URL) -> Iterator[Connection]:
    """A transaction that no other upgrade runs beside, in any process; made first where there is no SQLite file."""
    path = sqlite_path(url)
    if path is None:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
            yield connection
        return
    refuse_network_file_system(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Sessions and tokens will lie in it: for its owner only. What SQLite puts beside it has the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DatabaseRefused(f"The database {path} cannot be made or opened: {error.strerror}.") from error
    # Going over to WAL fails at once with "database is locked" while another process does the same, whatever the
    # time-out: 53 of 900 tries, six processes at once.
    with _exclusive(path.with_name(f"{path.name}.upgrade-lock")), engine.connect() as connection:
        # Both are without effect inside a transaction. A table that is made anew under its old name must not
        # delete the rows that refer to it.
        driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        driver.execute("PRAGMA journal_mode = WAL")
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.execution_options(**{WRITING: True}).begin():
                yield connection
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which is never removed; the kernel drops the lock with its process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file; `env.py` reads the connection from its attributes."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _revisions(connection: Connection) -> tuple[str | None, str]:
    """(the database's revision, this version's)."""
    current = MigrationContext.configure(connection).get_current_revision()
    return current, cast(str, ScriptDirectory.from_config(_configuration()).get_current_head())


def _refuse_unknown(connection: Connection, current: str | None, head: str, url: URL) -> None:
    if current is None:
        strangers = sorted(Base.metadata.tables.keys() & set(inspect(connection).get_table_names()))
        if strangers:
            raise DatabaseRefused(
                f"The database {_name(url)} holds tables that this conda-store did not make ({', '.join(strangers)}). "
                "Give it an empty database of its own."
            )
        return
    if current not in known_revisions():
        raise DatabaseRefused(
            f"The database {_name(url)} is at revision {current}, which conda-store {__version__} does not know; its "
            f"own is {head}. A newer conda-store has upgraded it, or it belongs to another program: install that "
            f"version or a later one, let that version run `conda-store upgrade-db --revision {head}`, or restore a "
            "copy of the database that was made before the upgrade."
        )


def known_revisions() -> list[str]:
    """All that this version can bring a database to, the oldest first."""
    return sorted(step.revision for step in ScriptDirectory.from_config(_configuration()).walk_revisions())


def _known_revision(revision: str) -> str:
    known = known_revisions()
    if revision not in known:
        raise BadInput(
            f"conda-store {__version__} knows no revision '{revision}': its own are {', '.join(known)}, the last of "
            "which `head` means. Nothing was changed."
        )
    return revision


def _check_references(connection: Connection) -> None:
    """Raise DatabaseRefused, and so undo the upgrade, when a step on SQLite left a row that refers to nothing."""
    if connection.dialect.name != "sqlite":
        return
    if orphan := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise DatabaseRefused(
            f"Row {orphan[1]} of the table {orphan[0]} refers to a row of {orphan[2]} that does not exist, so the "
            "upgrade was undone. Restore a good copy of the database, or report this."
        )


def _name(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def make_revision(message: str) -> Path:
    """Write the step from the newest revision to the tables as `orm.py` has them; a person must read it before use."""
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/newest.sqlite"
        upgrade_db(url)
        engine = make_engine(parse_url(url), echo=False)
        with engine.connect() as connection:
            config = _configuration(connection)
            number = int(_revisions(connection)[1]) + 1
            script = command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
        engine.dispose()
    return Path(cast(Script, script).path)


if __name__ == "__main__":
    print(make_revision(" ".join(sys.argv[1:]) or sys.exit("Say in a few words what the step does.")))
