"""The audit trail as administrators ask for it: who sees what, filters, pages, hostile texts, how long it is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session
from tornado.netutil import bind_unix_socket

from conda_store.audit import SERVER, Action, Actor
from conda_store.auth.permissions import matches
from conda_store.db import Database, lists
from conda_store.db.audit import DETAILS, AuditFilters, bounded, entries, record
from conda_store.db.lists import Order
from conda_store.db.orm import AuditRow, NamespaceRow
from conda_store.handlers.routes import ROUTES
from conda_store.managers.audit import AuditManager
from conda_store.managers.sessions import Refusals
from tests.full_database import statements
from tests.jobs import until
from tests.people import client_of, peopled
from tests.postgres_server import PostgresServer
from tests.server import Server, running

START = datetime(2026, 1, 1, tzinfo=UTC)
NEWEST = Order((), AuditRow.id, descending=True)
PLACES = [("", ""), ("lab", ""), ("lab", "one"), ("lab", "two"), ("LAB", "one"), ("course", "one"), ("gone", "one")]
NAME = "<b>عنا"  # from right to left
ACTORS = ["ana", "Ana", "ben", "anonymous"]
ACTIONS = [Action.BUILD_SUBMITTED, Action.ENVIRONMENT_DELETED, Action.SETTINGS_UPDATED]


def row(number: int) -> dict[str, Any]:
    namespace, environment = PLACES[number % len(PLACES)]
    return {
        "time": START + timedelta(minutes=number),
        "actor": ACTORS[number % len(ACTORS)],
        "address": "::1",
        "action": str(ACTIONS[number % len(ACTIONS)]),
        "namespace": namespace,
        "environment": environment,
        "build_id": number % 50 or None,
        "details": {"by": "session"},
    }


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def trail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Two thousand rows; the namespace `gone` is deleted, and `LAB` was made again in the middle of them."""
    url = f"sqlite:///{tmp_path_factory.mktemp('trail')}/conda-store.sqlite"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.new_database()
    database = Database(url)
    database.create_or_upgrade()
    with database.write() as session:
        for name in ("lab", "course"):
            session.add(NamespaceRow(name=name, metadata_={}, created_on=START))
        session.add(NamespaceRow(name="gone", metadata_={}, created_on=START, deleted_on=START))
        session.add(NamespaceRow(name="LAB", metadata_={}, created_on=START, deleted_on=START))
        session.add(NamespaceRow(name="LAB", metadata_={}, created_on=START + timedelta(minutes=1000)))
        session.add_all(AuditRow(**row(number)) for number in range(1, 2001))
    yield database
    database.close()


def found(session: Session, visible: Sequence[str] = ("*/*",), **filters: Any) -> list[int]:
    query = entries(AuditFilters(visible=visible, **filters))
    ids = [one.id for one in lists.page(session, query, NEWEST, 0, None)]
    assert lists.count(session, query) == len(ids)
    return ids


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"namespace": "lab"},
        {"namespace": "lab", "environment": "two"},
        {"environment": "one"},
        {"actor": "ana"},
        {"action": "environment.deleted"},
        {"build_id": 7},
        {"since": START + timedelta(minutes=700), "until": START + timedelta(minutes=1400)},
        {"namespace": "lab", "actor": "ben", "since": START + timedelta(minutes=9)},
        {"actor": "nobody' OR '1'='1"},
    ],
    ids=str,
)
def test_filters_are_what_they_say(trail: Database, filters: dict[str, Any]) -> None:
    def wanted(one: dict[str, Any]) -> bool:
        times = filters.get("since", START) <= one["time"] < filters.get("until", START + timedelta(days=99))
        return times and all(one[name] == value for name, value in filters.items() if name in one)

    with trail.read() as session:
        assert found(session, **filters) == [n for n in range(2000, 0, -1) if wanted(row(n))]


@pytest.mark.parametrize(
    "patterns",
    [(), ("lab/*",), ("lab/*", "course/*"), ("lab/one",), ("l*/*",), ("*/one",), ("gone/*",), ("LAB/*",), ("l_b/*",)],
    ids=str,
)
def test_administrators_see_what_is_theirs_now(trail: Database, patterns: Sequence[str]) -> None:
    def wanted(number: int) -> bool:
        one = row(number)
        place = f"{one['namespace']}/{one['environment']}"
        since = {"lab": 0, "course": 0, "LAB": 1000}.get(one["namespace"])
        return since is not None and number >= since and any(matches(pattern, place) for pattern in patterns)

    with trail.read() as session:
        assert found(session, patterns) == [n for n in range(2000, 0, -1) if wanted(n)]


def test_filters_find_their_index(trail: Database) -> None:
    if not trail.url.drivername.startswith("sqlite"):
        pytest.skip("PostgreSQL plans by the number of rows")
    for name, filters in {
        "namespace_environment_id": {"namespace": "lab", "environment": "one"},
        "audit_actor": {"actor": "ana"},
        "audit_time": {"since": START, "until": START + timedelta(minutes=1)},
    }.items():
        with trail.read() as session, statements() as seen:
            lists.page(session, entries(AuditFilters(visible=("*/*",), **filters)), NEWEST, 0, 100)  # type: ignore[arg-type]
            plan = seen.plans(session)
        assert name in plan, plan


def test_what_is_too_old_goes(trail: Database) -> None:
    with trail.write() as session:
        session.add_all(AuditRow(**row(n) | {"time": START - timedelta(days=400)}) for n in range(5001, 7502))
    days = (datetime.now(UTC) - START).total_seconds() / 86400 + 1
    assert AuditManager(trail, days=0).prune() == 0
    assert AuditManager(trail, days=days).prune() == 2501
    assert AuditManager(trail, days=days).prune() == 0
    with trail.read() as session:
        assert found(session) == list(range(2000, 0, -1))


_texts = st.text(st.characters(), max_size=9000)
_values = st.recursive(st.none() | st.integers() | _texts, lambda one: st.lists(one) | st.dictionaries(_texts, one))


@given(st.dictionaries(st.text(max_size=30), _values | st.lists(_texts, max_size=200), max_size=10))
def test_details_have_a_size_whatever_they_are(details: dict[str, Any]) -> None:
    found = bounded({"by": "session", **details})
    assert len(json.dumps(found)) <= DETAILS
    text = json.dumps(found, ensure_ascii=False).replace("\\\\", "")
    assert text.encode() and "\\u0000" not in text


def test_hostile_names_and_addresses_are_kept_as_they_are(trail: Database) -> None:
    hostile = ["<script>alert(1)</script>", "\u202eana", "a'; DROP TABLE audit; --", "x" * 1000, "nul\0", "\udc80"]
    addresses = ["2001:db8::7", "fe80::1%eth0", "unix socket", "y" * 200]
    with trail.write() as session:
        for name in hostile:
            for address in addresses:
                record(session, Actor(name, address), Action.SIGNED_IN, about={name: [name] * 300})
        session.flush()
        kept = [one for one in lists.page(session, entries(AuditFilters(("*/*",))), NEWEST, 0, 24)]
        assert {one.actor for one in kept} == {*hostile[:3], f"{'x' * 254}…", "nul\ufffd", "?"}
        assert {one.address for one in kept} == {*addresses[:3], f"{'y' * 63}…"}
        assert all(len(json.dumps(one.details)) <= DETAILS for one in kept)
        session.rollback()


def test_refusals_are_noted_so_often_and_then_counted() -> None:
    now = [0.0]
    refusals = Refusals(2, lambda: now[0])
    assert [refusals.admit() for _ in range(5)] == [0, 0, None, None, None]
    now[0] = 60.0
    assert [refusals.admit() for _ in range(3)] == [3, 0, None]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Somebody who administers everything, one namespace, one environment, nothing; behind a proxy."""
    known: dict[str, list[str]] = {name: [] for name in ("root", NAME, "\u202eben", "one", "viewer")}
    roles = {"root": {"*/*": "admin"}, "one": {f"{NAME}/first": "admin"}, "viewer": {"*/*": "viewer"}}
    with peopled(
        tmp_path_factory.mktemp("people"), known, trust_proxy=True, PeopleAuthenticator__grants=roles
    ) as server:
        yield server


def ask(server: Server, name: str | None, **query: Any) -> list[dict[str, Any]]:
    with closing(client_of(server, name)) as client:
        answer = client.get("audit/", params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["count"] >= len(page["data"])
    return list(page["data"])


def test_each_administrator_is_told_of_their_own(people: Server) -> None:
    with closing(client_of(people, NAME)) as client:
        client.headers["X-Forwarded-For"] = "2001:db8::7"
        for environment in ("first", "second"):
            body = {"specification": f"name: {environment}\ndependencies: [numpy]\n", "namespace": NAME}
            assert client.post("specification/", json=body).status_code == 200
        assert client.post("token/", json={"name": "<b>"}).status_code == 200
    everything = ask(people, "root")
    assert [one["action"] for one in ask(people, "root", actor=NAME)] == [
        "token.created",
        "environment.created",
        "environment.created",
    ]
    made, second, first = [one for one in ask(people, NAME) if one["namespace"] == NAME][::-1]
    assert made["action"] == "namespace.created" and (made["actor"], made["by"]) == ("conda-store", "server")
    assert (second["environment"], first["environment"]) == ("first", "second")
    assert (first["actor"], first["address"], first["by"]) == (NAME, "2001:db8::7", "token")
    assert first["time"].endswith("Z") and first["build_id"] > second["build_id"]
    assert len(ask(people, NAME)) == 3 < len(everything)
    assert [one["environment"] for one in ask(people, "one")[-1:]] == ["first"]
    assert {one["namespace"] for one in ask(people, "one")} == {"one", NAME}
    assert {one["namespace"] for one in ask(people, "viewer")} == {"viewer"}
    assert ask(people, None) == []


def test_filters_and_pages_of_the_endpoint(people: Server) -> None:
    rows = ask(people, "root")
    times = [datetime.fromisoformat(one["time"]) for one in rows]
    middle = times[len(times) // 2]
    elsewhere = middle.astimezone(UTC).isoformat().replace("+00:00", "") + "+00:00"
    early = ask(people, "root", until=elsewhere)
    assert early + [one for one in rows if one not in early] and ask(people, "root", since=elsewhere) + early == rows
    # A plus that nobody quoted, and no offset at all.
    with closing(client_of(people, "root")) as client:
        unquoted = client.get(f"audit/?until={elsewhere}").json()
        assert unquoted["data"] == early == client.get(f"audit/?until={elsewhere[:-6]}").json()["data"]
        page = client.get("audit/", params={"page": 2, "size": 1}).json()
        assert (page["data"], page["page"], page["size"], page["count"]) == ([rows[1]], 2, 1, len(rows))
        assert client.get("audit/?order=asc&sort_by=actor").json()["data"] == rows[::-1]
        assert client.get("audit/?action=environment.created&size=1").json()["count"] == 2
        for bad in ("since=yesterday", "until=0001-01-01T00:00:00%2B14:00", "build_id=0", "actor=%00"):
            assert client.get(f"audit/?{bad}").status_code == 400, bad


def test_addresses_are_the_proxys_word_only_where_it_is_believed(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.api.post("namespace/one/", headers={"X-Forwarded-For": "203.0.113.9"})
        path = tmp_path / "socket"

        async def listen() -> None:
            server.app.service.listen([bind_unix_socket(str(path))], ROUTES, server.app._web_settings())

        asyncio.run_coroutine_threadsafe(listen(), server.loop).result(60)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            assert client.post(f"http://localhost{server.app.prefix}api/v1/namespace/two/").status_code == 200
        rows = server.api.get("audit/").json()["data"]
        assert [one["address"] for one in rows if one["by"] != "server"] == ["unix socket", "127.0.0.1"]


def test_a_server_removes_what_is_too_old(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.app.database.write() as session:
        session.add(AuditRow(**row(1)))
        record(session, SERVER, Action.SETTINGS_UPDATED)
    with running(tmp_path, AuditTrail__keep_days=1) as server:
        until(lambda: [one["action"] for one in server.api.get("audit/").json()["data"]] == ["settings.updated"])
