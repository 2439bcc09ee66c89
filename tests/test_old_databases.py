"""Databases of older versions: up, down and up again nothing is lost, and what is kept is in nobody's way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from conda_store.db.errors import DatabaseRefused
from conda_store.db.migrations import known_revisions, upgrade_db
from conda_store.db.orm import Base
from conda_store.errors import BadInput
from tests.hubs import free_ports
from tests.old_databases import ROWS, TOKEN, copy_of, counters_in, load, load_into, rows_in, writing_engine
from tests.postgres_server import PostgresServer
from tests.test_migrations import definitions, difference, sorted_parts

ROOT = Path(__file__).parent.parent
REVISIONS = known_revisions()
HEAD = REVISIONS[-1]
Old = Callable[[str], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    """Makes a database as a revision left it; its URL."""

    def make(revision: str) -> str:
        if request.param == "sqlite":
            return load(revision, tmp_path / "conda-store.sqlite")
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.new_database()
        load_into(url, revision, tmp_path / "scratch.sqlite")
        return url

    return make


def schema(url: str) -> set[str]:
    engine = writing_engine(url)
    found = definitions(engine)
    engine.dispose()
    return found


def state(url: str) -> tuple[object, ...]:
    """All that must not change: rows, numbers that were given, tables to the letter."""
    return rows_in(url), counters_in(url), schema(url)


def test_every_revision_has_a_copy_and_every_table_rows_in_it(tmp_path: Path) -> None:
    assert [copy_of(revision).exists() for revision in REVISIONS] == [True] * len(REVISIONS), "see old_databases.py"
    rows = rows_in(load(HEAD, tmp_path / "newest.sqlite"))
    assert set(rows) == set(Base.metadata.tables) == set(ROWS)
    assert {name: len(found) for name, found in rows.items()} == {name: len(found) for name, found in ROWS.items()}


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_a_revision_held_is_there_after_the_upgrade(revision: str, old: Old) -> None:
    url = old(revision)
    before = rows_in(url)
    upgrade_db(url)
    after = rows_in(url)
    assert {name: whole(rows) for name, rows in before.items()} == {name: whole(after[name]) for name in before}
    engine = writing_engine(url)
    assert difference(engine) == []
    engine.dispose()


def whole(rows: list[str]) -> list[dict[str, object]]:
    """Rows without what is NULL: columns that came since have nothing in them."""
    return [{name: value for name, value in json.loads(row).items() if value is not None} for row in rows]


@pytest.mark.parametrize("start", REVISIONS)
@pytest.mark.parametrize("revision", REVISIONS)
def test_up_down_and_up_again_is_where_it_was(start: str, revision: str, old: Old, tmp_path: Path) -> None:
    url = old(start)
    upgrade_db(url)
    before = state(url)
    moved = upgrade_db(url, revision)
    assert (moved.before, moved.after) == (HEAD, revision)
    assert bool(moved.kept) == (copied(start, tmp_path) != copied(min(start, revision), tmp_path))
    moved = upgrade_db(url)
    assert (moved.before, moved.after, moved.kept) == (revision, HEAD, {})
    assert state(url) == before


def copied(revision: str, directory: Path) -> dict[str, list[str]]:
    """The rows of a copy."""
    path = directory / "copied.sqlite"
    path.unlink(missing_ok=True)
    return rows_in(load(revision, path))


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_the_older_version_finds_what_it_left(revision: str, old: Old, tmp_path: Path) -> None:
    url, other = old(HEAD), tmp_path / "other.sqlite"
    upgrade_db(url, revision)
    assert rows_in(url) == rows_in(load(revision, other))
    if url.startswith("sqlite"):
        found = {one for one in schema(url) if "kept_" not in one}
        assert set(map(sorted_parts, found)) == set(map(sorted_parts, schema(f"sqlite:///{other}")))


def test_one_step_after_another_keeps_as_much_as_all_at_once(old: Old) -> None:
    url = old(HEAD)
    before = state(url)
    for revision in (*reversed(REVISIONS), *REVISIONS):
        upgrade_db(url, revision)
    assert state(url) == before


def test_what_was_deleted_meanwhile_does_not_come_back(old: Old) -> None:
    url = old(HEAD)
    upgrade_db(url, "0001")
    engine = writing_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE environment SET namespace_id = 1"))
        connection.execute(text("DELETE FROM namespace WHERE id = 2"))
        connection.execute(text("DELETE FROM registry_content WHERE id = 3"))
    engine.dispose()
    upgrade_db(url)
    rows = rows_in(url)
    assert [row for row in rows["namespace_role_mapping"] if '"namespace_id": 2' in row] == []
    assert (len(rows["namespace_role_mapping"]), len(rows["registry_content"])) == (1, 2)
    assert len(rows["audit"]) == len(ROWS["audit"])


KILLED = """
import os, signal, sys
from sqlalchemy import Engine, event
from conda_store.db.migrations import upgrade_db

@event.listens_for(Engine, "after_cursor_execute")
def end(_connection, _cursor, statement, *_):
    if sys.argv[2] in statement:
        os.kill(os.getpid(), signal.SIGKILL)

upgrade_db(sys.argv[1], "0001")
"""


@pytest.mark.parametrize("statement", ["CREATE TABLE kept_audit", "DROP TABLE session", "DROP TABLE token"])
def test_a_way_down_that_was_killed_changed_nothing(statement: str, old: Old) -> None:
    url = old(HEAD)
    before = state(url)
    done = subprocess.run([sys.executable, "-c", KILLED, url, statement], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert state(url) == before


def test_a_revision_that_is_none_is_refused(old: Old) -> None:
    url = old(HEAD)
    for revision in ("9999", "base", "-1", "", "1"):
        with pytest.raises(BadInput, match=r"its own are 0001, 0002, 0003, .*Nothing was changed"):
            upgrade_db(url, revision)


def command(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "conda_store", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"}, **more)  # type: ignore[call-overload,no-any-return]


def test_the_command_says_which_way_it_went_and_what_it_kept(tmp_path: Path) -> None:
    load(HEAD, tmp_path / "conda-store.sqlite")
    (tmp_path / "options.py").write_text(f"c.CondaStore.directory = {str(tmp_path)!r}\n")
    down = command("upgrade-db", "--config", tmp_path / "options.py", "--revision", "0002")
    assert down.returncode == 0, down.stderr
    assert f"is at revision 0002 now (it was at {HEAD})" in down.stdout
    assert "kept for the way up: 2 of audit, 2 of channel_credential, 2 of namespace_role_mapping, 2 of session." in (
        down.stdout
    )
    up = command("upgrade-db", "--database-url", f"sqlite:///{tmp_path}/conda-store.sqlite")
    assert f"is at revision {HEAD} now (it was at 0002)" in up.stdout and "kept" not in up.stdout
    wrong = command("upgrade-db", "--directory", tmp_path, "--revision", "tomorrow")
    assert wrong.returncode == BadInput("").exit_status and "no revision 'tomorrow'" in wrong.stderr


def test_the_server_refuses_a_newer_schema_and_says_what_to_do(tmp_path: Path) -> None:
    engine = writing_engine(load(HEAD, tmp_path / "conda-store.sqlite"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for words in (("serve", "--port=0", f"--directory={tmp_path}"), ("upgrade-db", f"--directory={tmp_path}")):
        done = command(*words, timeout=60)
        assert done.returncode == DatabaseRefused("").exit_status and "Traceback" not in done.stderr
        assert "is at revision 9999" in done.stderr and f"upgrade-db --revision {HEAD}" in done.stderr


class Installed:
    """An installation from a wheel, apart from the checkout; what it needs besides is that of the tests."""

    def __init__(self, directory: Path, wheel: Path) -> None:
        self.wheel = wheel
        venv.create(directory / "installed", with_pip=False, symlinks=True)
        self.python = directory / "installed/bin/python"
        (self.packages,) = (directory / "installed/lib").glob("python*/site-packages")
        # A plain path: the checkout itself, which is installed there by a file of its own, does not come along.
        (self.packages / "others.pth").write_text("\n".join(path for path in sys.path if "site-packages" in path))

    def pip(self, *arguments: object) -> None:
        """Run pip for this installation."""
        words = [sys.executable, "-m", "pip", "--python", str(self.python), "--quiet", *map(str, arguments)]
        subprocess.run(words, check=True)

    @property
    def program(self) -> Path:
        """The command."""
        return self.python.parent / "conda-store"


def test_uninstalled_and_installed_again_it_serves_the_older_database(tmp_path: Path, wheel: Path) -> None:
    installed, directory = Installed(tmp_path, wheel), tmp_path / "data"
    directory.mkdir()
    load("0003", directory / "conda-store.sqlite")
    installed.pip("install", "--no-deps", installed.wheel)
    subprocess.run([installed.program, "upgrade-db", "--directory", directory, "--revision=0001"], check=True)
    installed.pip("uninstall", "--yes", "conda-store")
    assert not installed.program.exists() and list(installed.packages.glob("conda_store*")) == []
    installed.pip("install", "--no-deps", installed.wheel)
    (port,) = free_ports(1)
    serve = [installed.program, "serve", f"--port={port}", f"--directory={directory}"]
    server = subprocess.Popen(serve, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and "is ready at" in server.stdout.readline()
        check_what_is_served(f"http://127.0.0.1:{port}/api/v1")
    finally:
        server.terminate()
        server.communicate()
    assert f"{installed.packages}/conda_store/" in where(installed)


def where(installed: Installed) -> str:
    words = [installed.python, "-c", "import conda_store; print(conda_store.__file__)"]
    return subprocess.run(words, cwd="/", capture_output=True, text=True, check=True).stdout


def check_what_is_served(api: str) -> None:
    with httpx.Client(base_url=api, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        listed = client.get("/environment/").json()["data"]
        assert [(one["namespace"]["name"], one["name"]) for one in listed] == [
            ("default", "course"),
            ("jürgen", "locked"),
        ]
        assert listed[0]["current_build_id"] == 2
        assert client.get("/build/2/").json()["data"]["status"] == "COMPLETED"
        assert [one["name"] for one in client.get("/build/2/packages/").json()["data"]] == ["python", "six"]
        shared = client.get("/namespace/default/").json()["data"]["role_mappings"]
        assert [(one["entity"], one["role"]) for one in shared] == [("jürgen/*", "viewer")], shared
