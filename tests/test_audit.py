"""The audit trail is whole: every verb that changes something writes it, with the change or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from conda_store.audit import Action
from conda_store.db.orm import AuditRow
from conda_store.handlers.registry import registry_routes
from tests.audited_forms import ALL as CASES
from tests.audited_verbs import ADMIN, CHANGING, UNAUDITED, changing_verbs
from tests.server import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose administrator has a token and a password."""
    with running(
        tmp_path_factory.mktemp("audit"),
        DummyAuthenticator__token=ADMIN,
        OnDemandImages__anonymous=True,
        OnDemandImages__hold_seconds=0.1,
    ) as one:
        one.api.headers["Authorization"] = f"Bearer {ADMIN}"
        yield one


def rows(server: Server, after: int = 0) -> list[AuditRow]:
    """What the trail has, the oldest first."""
    with server.app.database.read() as session:
        return list(session.scalars(select(AuditRow).where(AuditRow.id > after).order_by(AuditRow.id)))


def last(server: Server) -> int:
    return max((row.id for row in rows(server)), default=0)


def test_every_verb_that_changes_something_is_audited_or_excused() -> None:
    assert changing_verbs() == set(CASES) | set(UNAUDITED), "a new verb needs a case here, or a reason why not"
    assert not set(CASES) & set(UNAUDITED) and all(UNAUDITED.values())
    assert {action for _, _, action in CASES.values()} | {
        Action.BUILD_SUBMITTED,
        Action.IMAGE_REQUESTED,
        Action.SIGN_IN_REFUSED,
    } == set(Action)
    # The registry changes nothing but for images on demand, which have a test below; `token` only reads.
    handlers = {rule.target for rule in registry_routes(None, None)}  # type: ignore[arg-type]
    changing = {handler.__name__ for handler in handlers for one in CHANGING if _may(handler, one)}
    assert changing == {"TokenHandler"}


def _may(handler: Any, method: str) -> bool:
    return getattr(handler, method).__name__ != "refuse"


@pytest.mark.parametrize("verb", CASES, ids=" ".join)
def test_a_change_writes_who_did_it(server: Server, verb: tuple[str, str]) -> None:
    prepare, act, action = CASES[verb]
    made = prepare(server)
    before = last(server)
    answer = act(server, made)
    assert answer.status_code in (200, 303), answer.text
    written = rows(server, before)
    # What is described and made current in one request is told in two rows.
    row, *_ = [row for row in written if row.action == action]
    assert row.actor == "admin" and row.address == "127.0.0.1"
    by = "session" if action in (Action.SIGNED_IN, Action.SIGNED_OUT) else "token"
    assert {row.details["by"] for row in written} == {by}
    assert "canary" not in str([vars(row) for row in written]) and ADMIN not in str([vars(row) for row in written])


def test_what_is_refused_writes_nothing(server: Server) -> None:
    server.api.post("namespace/cases/")
    before = last(server)
    for answer in (
        server.api.post("namespace/cases/"),
        server.api.delete("environment/cases/nowhere/"),
        server.api.put("setting/cases/", json={"no_such_setting": 1}),
        server.api.put("setting/cases/", json={}),
        server.api.put("namespace/cases/", json={}),
        server.api.post("specification/", json={"specification": "name: [", "namespace": "cases"}),
        httpx.delete(f"{server.api.base_url}namespace/cases/"),
        server.web.post("logout/"),
    ):
        assert answer.status_code in (200, 303, 400, 403, 404, 409), answer.text
    assert rows(server, before) == []


def test_without_its_row_there_is_no_change(server: Server) -> None:
    server.submit("stays", "cases")
    with server.app.database.write() as session:
        refusal = "CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        session.execute(text(refusal))
    try:
        assert server.api.delete("environment/cases/stays/").status_code == 409
        assert server.api.post("namespace/never/").status_code == 409
    finally:
        with server.app.database.write() as session:
            session.execute(text("DROP TRIGGER no_audit"))
    assert server.api.get("environment/cases/stays/").status_code == 200
    assert server.api.get("namespace/never/").status_code == 404


def test_what_the_server_does_itself_is_told_too(server: Server) -> None:
    first, second = (server.submit("moves", "cases") for _ in range(2))
    before = last(server)
    server.complete(first)
    server.complete(second)
    (row,) = rows(server, before)
    assert (row.actor, row.details) == ("conda-store", {"by": "server", "current_build_id": [first, second]})
    assert (row.action, row.namespace, row.environment) == (Action.ENVIRONMENT_UPDATED, "cases", "moves")
    before = last(server)
    server.submit("moves", "cases")
    assert [row.action for row in rows(server, before)] == [Action.BUILD_SUBMITTED]


def test_images_on_demand_are_told_and_pulls_are_not(server: Server) -> None:
    before = last(server)
    for _ in range(2):  # The second joins what the first began.
        httpx.get(f"{server.root}/v2/conda-store-dynamic/python.3.12/numpy/manifests/latest")
    made, row = rows(server, before)
    assert (made.action, row.action) == (Action.NAMESPACE_CREATED, Action.IMAGE_REQUESTED)
    assert (row.actor, row.address) == ("anonymous", "127.0.0.1") and row.namespace == "conda-store-dynamic"
    assert row.details["by"] == "nothing" and "numpy" in str(row.details["dependencies"]) and row.build_id


def test_refused_sign_ins_are_told_and_cannot_fill_the_disk(server: Server) -> None:
    before = last(server)
    assert server.web.get("oauth_callback", params={"state": "never begun", "code": "canary"}).status_code == 403
    for _ in range(30):
        answer = httpx.post(f"{server.web.base_url}login/", json={"username": "<b>ana</b>", "password": "canary"})
        assert answer.status_code == 403
    written = rows(server, before)
    assert len(written) == 20
    assert all(row.action == Action.SIGN_IN_REFUSED and row.actor == "anonymous" for row in written)
    assert [row.details for row in written[:2]] == [{"by": "nothing"}, {"by": "nothing", "name": "<b>ana</b>"}]
