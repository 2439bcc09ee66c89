"""Databases as older versions left them: copies in `tests/data/`, one for each revision of the schema.

Who makes a new step runs `python -m tests.old_databases` with it and commits the copy that it writes; those that are
there are never written again. A table that is new needs rows in `ROWS`. The token of the copies is `TOKEN`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, insert, inspect, select, text

from conda_store.db.engines import WRITING, make_engine, parse_url
from conda_store.db.migrations import known_revisions, upgrade_db

DIRECTORY = Path(__file__).parent / "data"
TOKEN = "cst_" + "old" * 14
DAY = datetime(2026, 11, 26, 10, 0, 0, 123456, tzinfo=UTC).replace(tzinfo=None)
SPEC = {"name": "course", "channels": ["conda-forge"], "dependencies": ["python 3.11.*", {"pip": ["six"]}]}
SOURCE = "name: course\nchannels: [conda-forge]\ndependencies: [python=3.11, {pip: [six]}]  # für alle\n"
DIGESTS = [f"sha256:{hashlib.sha256(bytes([n])).hexdigest()}" for n in range(3)]
# Of every table several, with what is hard to copy: NULL, null, quotes, no ASCII, large numbers, ids that are gone.
ROWS: dict[str, list[dict[str, Any]]] = {
    "change": [{"id": 1, "number": 2**40}],
    "channel": [
        {"id": 1, "name": "conda-forge", "last_update": DAY},
        {"id": 2, "name": "https://channels.example.org/it's ours", "last_update": None},
    ],
    "namespace": [
        {"id": 1, "name": "default", "kind": "shared", "metadata": {}, "created_on": DAY, "deleted_on": None},
        {
            "id": 2,
            "name": "jürgen",
            "kind": "user",
            "metadata": {"a": [1, None]},
            "created_on": DAY,
            "deleted_on": None,
        },
        {"id": 4, "name": "gone", "kind": "group", "metadata": {}, "created_on": DAY, "deleted_on": DAY},
    ],
    "specification": [
        {"id": 1, "name": "course", "sha256": "1" * 64, "spec": SPEC, "source": SOURCE, "is_lockfile": False},
        {"id": 2, "name": "locked", "sha256": "2" * 64, "spec": {"lockfile": {}}, "source": "{}", "is_lockfile": True},
    ],
    "environment": [
        {"id": 1, "namespace_id": 1, "name": "course", "description": "O'Reilly; --", "current_build_id": 2},
        {"id": 2, "namespace_id": 2, "name": "locked", "description": "", "current_build_id": None},
        {"id": 9, "namespace_id": 4, "name": "old", "description": "", "current_build_id": None, "deleted_on": DAY},
    ],
    "build": [
        {"id": 1, "environment_id": 1, "specification_id": 1, "status": "FAILED", "status_info": "no\nway", "size": 0},
        {"id": 2, "environment_id": 1, "specification_id": 1, "status": "COMPLETED", "size": 2**40, "ended_on": DAY},
        {"id": 7, "environment_id": 2, "specification_id": 2, "status": "CANCELED", "size": 0, "requested_by": "ben"},
    ],
    "build_artifact": [
        {"id": 1, "build_id": 2, "artifact_type": "LOCKFILE", "state": "READY", "key": "artifacts/2/lock.json"},
        {"id": 2, "build_id": 2, "artifact_type": "CONDA_PACK", "state": "FAILED", "key": "", "reason": "full"},
    ],
    "build_event": [
        {"build_id": 2, "number": 1, "attempt": 1, "time": DAY, "kind": "log", "data": {"text": "¡hola!"}},
        {"build_id": 2, "number": 2, "attempt": 1, "time": DAY, "kind": "status", "data": {"status": "COMPLETED"}},
    ],
    "package": [
        {"id": 1, "channel_id": 1, "name": "python", "version": "3.11.9", "sha256": "3" * 64, "license": None},
        {"id": 2, "channel_id": 2, "name": "six", "version": "1.17", "sha256": "4" * 64, "license": "MIT"},
    ],
    "build_package": [{"build_id": 2, "package_id": 1}, {"build_id": 2, "package_id": 2}],
    "registry_content": [
        {"id": 1, "repository": "default/course", "digest": DIGESTS[0], "media_type": "", "size": 7},
        {"id": 2, "repository": "default/course", "digest": DIGESTS[1], "last_pulled_on": DAY, "size": 2**33},
        {"id": 3, "repository": "default/course", "digest": DIGESTS[2], "subject": DIGESTS[1], "artifact_type": "a/b"},
    ],
    "registry_tag": [
        {"id": 1, "repository": "default/course", "tag": "latest", "digest": DIGESTS[1], "build_id": 2},
        {"id": 2, "repository": "conda-store-dynamic/six", "tag": "latest", "digest": DIGESTS[1], "expires_on": DAY},
    ],
    "token": [
        {"id": 3, "secret_sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "grants": {"*/*": ["admin"]}},
        {"id": 5, "secret_sha256": "5" * 64, "grants": {"jürgen/*": ["viewer"]}, "expires_on": DAY, "revoked_on": DAY},
    ],
    "setting": [
        {"namespace_id": 0, "environment_id": 0, "name": "quota_bytes", "value": 2**44},
        {"namespace_id": 1, "environment_id": 0, "name": "conda_default_packages", "value": ["six"]},
        {"namespace_id": 1, "environment_id": 1, "name": "denied_licenses", "value": ["é-*"]},
    ],
    "session": [
        {"id": 2, "secret_sha256": "6" * 64, "name": "jürgen", "credential": "gAAAA", "expires_on": DAY},
        {"id": 8, "secret_sha256": "7" * 64, "name": "ana", "credential": "", "expires_on": DAY, "ended_on": DAY},
    ],
    "namespace_role_mapping": [
        {"id": 1, "namespace_id": 1, "entity": "jürgen/*", "role": "viewer"},
        {"id": 4, "namespace_id": 2, "entity": "default/*", "role": "developer"},
    ],
    "audit": [
        {"id": 1, "time": DAY, "actor": "ana", "address": "::1", "action": "build.create", "build_id": 2},
        {"id": 6, "time": DAY, "actor": "", "address": "", "action": "x", "build_id": None, "details": {"q": "'\"\\"}},
    ],
    "channel_credential": [
        {"namespace_id": 0, "channel": "https://channels.example.org", "secret": "gAAAAA==", "changed_on": DAY},
        {"namespace_id": 2, "channel": "https://channels.example.org/é", "secret": "x", "changed_on": DAY},
    ],
}
# What a row has that says nothing else. Columns that do not exist in a table or revision are left out.
ORDINARY: dict[str, Any] = {"created_on": DAY, "scheduled_on": DAY, "attempt": 1, "cancel_requested": False, "size": 0}
ORDINARY |= {"requested_by": "", "media_type": "application/json", "summary": "", "build": "0", "owner": "local"}
ORDINARY |= {"primary_namespace": "default", "name": "", "namespace": "", "environment": "", "details": {}}


def writing_engine(url: str) -> Engine:
    """An engine that may write, beside the code under test."""
    return make_engine(parse_url(url), echo=False).execution_options(**{WRITING: True})


def tables(connection: Connection) -> dict[str, Table]:
    """The tables as the database has them, by name, without those of what is kept."""
    names = {name for name in inspect(connection).get_table_names() if not name.startswith("kept_")}
    names -= {"alembic_version"}
    return {name: Table(name, MetaData(), autoload_with=connection, resolve_fks=False) for name in sorted(names)}


def rows_of(connection: Connection) -> dict[str, list[Any]]:
    """All rows of all tables, JSON as its values."""
    found = {name: connection.execute(select(table)).mappings().all() for name, table in tables(connection).items()}
    return {
        name: sorted(json.dumps(dict(row), default=str, sort_keys=True) for row in rows) for name, rows in found.items()
    }


def written(row: Any) -> str:
    """A row as text that can be compared and sorted."""
    return json.dumps(dict(row), default=str, sort_keys=True)


def rows_in(url: str) -> dict[str, list[Any]]:
    """The same of a database by its URL."""
    engine = writing_engine(url)
    with engine.connect() as connection:
        found = rows_of(connection)
    engine.dispose()
    return found


def fill(connection: Connection) -> None:
    """Write `ROWS`, as far as the schema has a place for them."""
    ignore_references(connection)
    for name, table in tables(connection).items():
        connection.execute(table.delete())
        for row in ROWS[name]:
            whole = {**{key: value for key, value in ORDINARY.items() if key in table.columns}, **row}
            connection.execute(insert(table), {key: whole[key] for key in whole.keys() & set(table.columns.keys())})
    # The last rows of each table were deleted, and their numbers may not be given again.
    connection.execute(text("UPDATE sqlite_sequence SET seq = seq + 10"))


def ignore_references(connection: Connection) -> None:
    """Let rows come in any order in this transaction."""
    statements = {"sqlite": "PRAGMA defer_foreign_keys = ON", "postgresql": "SET session_replication_role = replica"}
    connection.execute(text(statements[connection.dialect.name]))


def make_copy(revision: str) -> None:
    """Write the copy of a revision."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "old.sqlite"
        upgrade_db(f"sqlite:///{path}", revision)
        engine = writing_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            fill(connection)
        engine.dispose()
        with closing(sqlite3.connect(path)) as driver:
            dump = "\n".join(driver.iterdump())
    copy_of(revision).write_bytes(gzip.compress(dump.encode(), mtime=0))


def copy_of(revision: str) -> Path:
    """Where the copy of a revision is."""
    return DIRECTORY / f"database-{revision}.sql.gz"


def load(revision: str, path: Path) -> str:
    """Make a SQLite file of the copy of a revision; its URL."""
    with closing(sqlite3.connect(path)) as driver:
        driver.executescript(gzip.decompress(copy_of(revision).read_bytes()).decode())
    return f"sqlite:///{path}"


def load_into(url: str, revision: str, path: Path) -> None:
    """Write the rows and counters of the copy of a revision into an empty PostgreSQL database; `path` is scratch."""
    upgrade_db(url, revision)
    source, target = writing_engine(load(revision, path)), writing_engine(url)
    with source.connect() as old, target.begin() as new:
        ignore_references(new)
        counters = dict(old.execute(text("SELECT name, seq FROM sqlite_sequence")).all())
        for name, table in tables(old).items():
            rows = [dict(row) for row in old.execute(select(table)).mappings()]
            made = Table(name, MetaData(), autoload_with=new, resolve_fks=False)
            new.execute(made.delete())
            new.execute(insert(made), rows)
            if sequence := sequence_of(new, made):
                number = counters.get(name) or max(row["id"] for row in rows)
                values = {"sequence": sequence, "number": number}
                new.execute(text("SELECT setval(CAST(:sequence AS regclass), :number)"), values)
    source.dispose()
    target.dispose()


def sequence_of(connection: Connection, table: Table) -> str | None:
    """PostgreSQL's sequence behind `id`; None for a table without."""
    asked = text("SELECT pg_get_serial_sequence(:name, 'id')")
    return connection.scalar(asked, {"name": table.name}) if "id" in table.columns else None


def counters_in(url: str) -> dict[str, int]:
    """The highest number that each table with lasting ids has given."""
    engine = writing_engine(url)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            rows = connection.execute(text("SELECT name, seq FROM sqlite_sequence"))
        else:
            rows = connection.execute(text("SELECT sequencename, last_value FROM pg_sequences"))
        found = {str(name): int(number or 0) for name, number in rows}
    engine.dispose()
    return found


def main() -> None:
    """Write the copies that are missing."""
    DIRECTORY.mkdir(exist_ok=True)
    for revision in known_revisions():
        if not copy_of(revision).exists():
            make_copy(revision)
            print(f"Wrote {copy_of(revision)}")


if __name__ == "__main__":
    main()
