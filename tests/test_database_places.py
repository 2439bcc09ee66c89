"""Where a database may be: not on a network disk, not in memory, not anywhere else; and whose password stays secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from conda_store.db import Database
from conda_store.db.engines import refuse_network_file_system
from conda_store.db.errors import DatabaseRefused, DatabaseUnavailable
from conda_store.errors import CondaStoreError


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("/home/ana/x.sqlite", r"nfs4 at /home\)"),
        ("/mnt/my share/x.sqlite", r"cifs at /mnt/my share\)"),
        ("/home/ana/remote/x.sqlite", r"fuse.sshfs at /home/ana/remote\)"),
    ],
)
def test_a_network_file_system_is_refused_by_name(tmp_path: Path, place: str, reason: str) -> None:
    with pytest.raises(DatabaseRefused, match=f"{reason}.*local disk, or use PostgreSQL"):
        refuse_network_file_system(Path(place), mount_table(tmp_path))


@pytest.mark.parametrize("place", ["/x.sqlite", "/homes/x.sqlite", "/home/local/x.sqlite", "/srv/x.sqlite"])
def test_a_local_disk_is_taken(tmp_path: Path, place: str) -> None:
    refuse_network_file_system(Path(place), mount_table(tmp_path))


def mount_table(directory: Path) -> Path:
    table = directory / "mounts"
    table.write_text(
        "overlay / overlay rw 0 0\nserver:/home /home nfs4 rw 0 0\n/dev/sda1 /home/local ext4 rw 0 0\n"
        "//server/share /mnt/my\\040share cifs rw 0 0\nana@x: /home/ana/remote fuse.sshfs rw 0 0\n"
        "server:/srv /srv nfs rw 0 0\n/dev/sdb1 /srv ext4 rw 0 0\n"
    )
    return table


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "cannot be read.*sqlite:////directory"),
        ("postgresql://u:secret@h:port/d", "cannot be read"),
        ("mysql://u:secret@h/d", "mysql is no database"),
        ("sqlite://", "is no file"),
        ("sqlite:///:memory:", "is no file"),
        ("postgresql+psycopg2://u:secret@h/d", "psycopg2 is no database"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_by_name(url: str, reason: str) -> None:
    with pytest.raises(CondaStoreError, match=reason) as refused:
        Database(url)
    assert "secret" not in refused.value.message


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    database = Database("postgresql://ana:secret@127.0.0.1:1/x?connect_timeout=2")
    with pytest.raises(DatabaseUnavailable, match=r"127.0.0.1:1/x") as refused:
        database.check_schema()
    assert "secret" not in refused.value.message
