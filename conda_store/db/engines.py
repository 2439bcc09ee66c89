"""How a connection to SQLite or PostgreSQL is made and how its transactions begin. Knows no table."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from conda_store.db.errors import DatabaseRefused
from conda_store.errors import ExtraMissing

# A writer waits this long for its turn before it gives up. A turn is milliseconds, so a longer wait means that
# somebody holds the database: better an error by then than a request that never ends.
WAIT_SECONDS = 30
# The execution option that tells a writing connection from a reading one.
WRITING = "conda_store_writing"
# SQLite's WAL shares memory between processes, which no network file system offers (https://www.sqlite.org/wal.html),
# and its locks are advisory there at best.
NETWORK_FILE_SYSTEMS = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "davfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "panfs"}
    | {"pvfs2", "smb2", "smb3", "smbfs", "wekafs"}
    | {f"fuse.{name}" for name in ("ceph", "curlftpfs", "davfs2", "gcsfuse", "glusterfs", "goofys", "juicefs", "mfs")}
    | {f"fuse.{name}" for name in ("rclone", "s3fs", "sshfs")}
)


def parse_url(url: str) -> URL:
    """The URL of a database that conda-store can use, its driver filled in; raises DatabaseRefused or ExtraMissing."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password, so it is not repeated.
        raise DatabaseRefused(f"The database URL cannot be read. {_EXAMPLES}") from None
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite_url(parsed)
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        if importlib.util.find_spec("psycopg") is None:
            raise ExtraMissing("PostgreSQL needs the extra `postgresql`: pip install 'conda-store[postgresql]'.")
        return parsed.set(drivername="postgresql+psycopg")
    raise DatabaseRefused(f"{parsed.drivername} is no database that conda-store can use. {_EXAMPLES}")


_EXAMPLES = "Write sqlite:////directory/conda-store.sqlite or postgresql://user:password@host/name."


def _sqlite_url(url: URL) -> URL:
    if not url.database or url.database == ":memory:" or url.query:
        raise DatabaseRefused(
            f"{url} is no file: server and workers share the database, and it outlives them. {_EXAMPLES}"
        )
    return url.set(drivername="sqlite+pysqlite", database=str(Path(url.database).absolute()))


def sqlite_path(url: URL) -> Path | None:
    """The file of a parsed SQLite URL; None for PostgreSQL."""
    return Path(str(url.database)) if url.drivername.startswith("sqlite") else None


def make_engine(url: URL, *, echo: bool) -> Engine:
    """An engine whose connections may be used from any thread; connects only when it must."""
    path = sqlite_path(url)
    if path is None:
        # A restarted server is noticed before a connection is used, not by the request that uses it.
        return create_engine(url, echo=echo, pool_pre_ping=True, pool_timeout=WAIT_SECONDS)
    # `mode=rw`: a mistyped path is an error, not a new and empty database.
    file = url.set(database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})
    options = {"check_same_thread": False, "timeout": WAIT_SECONDS, "isolation_level": None}
    engine = create_engine(file, echo=echo, connect_args=options, max_overflow=-1)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # In WAL mode a power cut may take the last commits, never the database.
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once with "database is locked", whatever the
    # time-out, when somebody wrote in between. So writers queue before they read, and readers cannot write.
    writing = bool(connection.get_execution_options().get(WRITING))
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writing else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def reading_options(url: URL) -> dict[str, Any]:
    """Execution options of read transactions: all statements of one see the same moment, and none can write."""
    if sqlite_path(url) is not None:
        return {}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def refuse_network_file_system(path: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """Raise DatabaseRefused when `path` is below a network mount of the table `mounts` (fstab(5); none: no check)."""
    if not mounts.exists():
        return
    kind, mount_point = "", Path("/")
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        _device, place, file_system, *_ = line.split(" ")
        directory = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), place))
        # A later mount at the same place covers the earlier one.
        if path.resolve().is_relative_to(directory) and len(directory.parts) >= len(mount_point.parts):
            kind, mount_point = file_system, directory
    if kind in NETWORK_FILE_SYSTEMS:
        raise DatabaseRefused(
            f"{path} is on a network file system ({kind} at {mount_point}), where SQLite loses data. "
            "Put the database on a local disk, or use PostgreSQL."
        )
