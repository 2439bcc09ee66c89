"""The audit trail by the client and the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from conda_store.audit import SERVER, Action
from conda_store.client import Client
from conda_store.db.audit import record
from tests.command_line import shell
from tests.server import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which a few things were done."""
    with running(tmp_path_factory.mktemp("trail")) as one:
        for name in ("first", "second"):
            one.submit(name, "ours")
        one.api.delete("environment/ours/first/")
        one.api.put("setting/ours/", json={"conda_solve_platforms": ["linux-64"]})
        yield one


def test_the_client_asks_for_what_was_done(server: Server) -> None:
    with Client(f"{server.root}{server.app.prefix}") as client:
        everything = list(client.audit())
        assert [one.action for one in client.audit(namespace="ours", environment="first")] == [
            "environment.deleted",
            "environment.created",
        ]
        (created,) = client.audit(action="environment.created", build_id=1)
        assert (created.actor, created.address, created.build_id) == ("admin", "127.0.0.1", 1)
        assert created.time.tzinfo is UTC and created.namespace == "ours" and len(created.details["sha256"]) == 64
        later = [one for one in everything if one.time >= created.time]
        assert list(client.audit(since=created.time)) == later
        assert list(client.audit(until=created.time)) == [one for one in everything if one not in later]
        ahead = datetime.now(UTC) + timedelta(days=1)
        assert list(client.audit(since=ahead)) == list(client.audit(actor="nobody")) == []


def test_what_is_written_meanwhile_repeats_no_entry(server: Server) -> None:
    with server.app.database.write() as session:
        for _ in range(150):
            record(session, SERVER, Action.SETTINGS_UPDATED)
    with Client(f"{server.root}{server.app.prefix}") as client:
        entries = client.audit(actor="conda-store", action="settings.updated")
        ids = [next(entries).id]
        with server.app.database.write() as session:
            for _ in range(7):
                record(session, SERVER, Action.SETTINGS_UPDATED)
        ids += [one.id for one in entries]
    assert len(ids) == 150 and ids == sorted(set(ids), reverse=True)


def test_the_command_prints_what_was_done(server: Server) -> None:
    lines = shell(server, "audit", "ours/first").stdout.splitlines()
    cells = [line.split("\t") for line in lines]
    assert [(one[1], one[3], one[4], one[5]) for one in cells] == [
        ("admin", "127.0.0.1", "environment.deleted", "ours/first"),
        ("admin", "127.0.0.1", "environment.created", "ours/first"),
    ]
    words = ("audit", "ours", "--action", "settings.updated", "--actor", "admin", "--since", "2026-01-01", "--output")
    (told,) = json.loads(shell(server, *words, "json").stdout)
    assert told["details"] == {"set": ["conda_solve_platforms"], "taken_back": []} and told["environment"] is None
    assert len(shell(server, "audit", "--limit", "3").stdout.splitlines()) == 3
    assert json.loads(shell(server, "audit", "--build", "1", "--until", "2026-01-01", "--json").stdout) == []
    assert "is no time" in shell(server, "audit", "--since", "yesterday", status=2).stderr
