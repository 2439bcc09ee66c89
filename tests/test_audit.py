"""The audit trail is whole: every verb that changes something writes it, with the change or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from conda_store.audit import Action
from conda_store.db.orm import AuditRow
from conda_store.handlers.registry import registry_routes
from conda_store.handlers.routes import ROUTES
from tests.server import YAML, Server, running

ADMIN = "the-administrators-own"
CHANNEL = "https://private.example.org/ours"
CHANGING = ("post", "put", "delete", "patch")

Act = Callable[[Server, Any], httpx.Response]


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


def two_builds(server: Server) -> int:
    builds = [server.submit("changed", "cases") for _ in range(2)]
    for build_id in builds:
        server.complete(build_id)
    return builds[0]


def ended_build(server: Server) -> int:
    build_id = server.submit("ended", "cases")
    server.complete(build_id)
    return build_id


def unmapped(server: Server) -> dict[str, Any]:
    for name in ("cases", "others"):
        server.api.post(f"namespace/{name}/")
    body = {"other_namespace": "others", "role": "viewer"}
    server.api.request("DELETE", "namespace/cases/role/", json=body)
    return body


def mapped(server: Server) -> dict[str, Any]:
    body = unmapped(server)
    server.api.post("namespace/cases/role/", json=body)
    return body


def credential(server: Server) -> dict[str, Any]:
    body = {"channel": CHANNEL, "kind": "basic", "user": "ana", "secret": "canary-of-the-channel"}
    server.api.post("namespace/cases/")
    server.api.put("namespace/cases/channel-credential/", json=body)
    return body


def token(server: Server) -> int:
    return int(server.api.post("token/", json={"name": "ci"}).json()["data"]["id"])


def browser(server: Server) -> httpx.Client:
    one = httpx.Client(base_url=server.web.base_url)
    one.post("login/", json={"username": "admin", "password": ADMIN})
    return one


def sign_out(_: Server, one: httpx.Client) -> httpx.Response:
    with closing(one):
        return one.post("logout/")


def form(server: Server) -> dict[str, str]:
    page = server.web.get("create/", headers=dict(server.api.headers)).text
    secret = page.partition('name="form_token" value="')[2].partition('"')[0]
    return {"form_token": secret, "namespace": "cases", "specification": YAML.format(name="formed")}


def post_form(server: Server, data: dict[str, str]) -> httpx.Response:
    return server.web.post("create/", data=data, headers={"Authorization": f"Bearer {ADMIN}"})


def post_specification(server: Server, _: Any) -> httpx.Response:
    return server.api.post("specification/", json={"specification": YAML.format(name="new"), "namespace": "cases"})


def change_environment(server: Server, build_id: int) -> httpx.Response:
    return server.api.put("environment/cases/changed/", json={"build_id": build_id, "description": "x" * 10_000})


def nothing(_: Server) -> None:
    """No preparation."""


def without_namespace(server: Server) -> None:
    server.api.delete("namespace/made/")


def with_namespaces(server: Server) -> None:
    for name in ("made", "cases"):
        server.api.post(f"namespace/{name}/")


def sending(method: str, path: str, body: dict[str, Any] | None = None) -> Act:
    """A request; `{}` in its path is what was prepared, and so is its body without one."""

    def act(server: Server, made: Any) -> httpx.Response:
        content = made if isinstance(made, dict) else body
        return server.api.request(method, path.format(made), json=content)

    return act


_ONE, _ROLE, _CREDENTIAL = "api/v1/namespace/{namespace}/", "role/", "channel-credential/"
_BUILD, _ENVIRONMENT, _SETTING = "api/v1/build/{build}/", "api/v1/environment/{namespace}/{name}/", "api/v1/setting/"
_PLATFORMS = {"conda_solve_platforms": ["linux-64"]}
#: By verb of the route table: what must be there, the request, and the action that it writes.
CASES: dict[tuple[str, str], tuple[Callable[[Server], Any], Act, Action]] = {
    ("post", "api/v1/specification/"): (nothing, post_specification, Action.ENVIRONMENT_CREATED),
    ("post", "create/"): (form, post_form, Action.ENVIRONMENT_CREATED),
    ("put", _ENVIRONMENT): (two_builds, change_environment, Action.ENVIRONMENT_UPDATED),
    ("delete", _ENVIRONMENT): (two_builds, sending("DELETE", "environment/cases/changed/"), Action.ENVIRONMENT_DELETED),
    ("put", _BUILD): (ended_build, sending("PUT", "build/{}/"), Action.BUILD_REBUILT),
    ("put", f"{_BUILD}cancel/"): (
        lambda server: server.submit("canceled", "cases"),
        sending("PUT", "build/{}/cancel/"),
        Action.BUILD_CANCELED,
    ),
    ("delete", _BUILD): (ended_build, sending("DELETE", "build/{}/"), Action.BUILD_DELETED),
    ("post", _ONE): (without_namespace, sending("POST", "namespace/made/"), Action.NAMESPACE_CREATED),
    ("put", _ONE): (
        with_namespaces,
        sending("PUT", "namespace/made/", {"metadata": {"a": 1}}),
        Action.NAMESPACE_UPDATED,
    ),
    ("put", f"{_ONE}metadata/"): (
        with_namespaces,
        sending("PUT", "namespace/made/metadata/", {"team": "data"}),
        Action.NAMESPACE_UPDATED,
    ),
    ("delete", _ONE): (with_namespaces, sending("DELETE", "namespace/made/"), Action.NAMESPACE_DELETED),
    ("post", f"{_ONE}{_ROLE}"): (unmapped, sending("POST", "namespace/cases/role/"), Action.ROLE_MAPPING_CREATED),
    ("put", f"{_ONE}{_ROLE}"): (mapped, sending("PUT", "namespace/cases/role/"), Action.ROLE_MAPPING_UPDATED),
    ("delete", f"{_ONE}{_ROLE}"): (mapped, sending("DELETE", "namespace/cases/role/"), Action.ROLE_MAPPING_DELETED),
    ("delete", f"{_ONE}roles/"): (mapped, sending("DELETE", "namespace/cases/roles/"), Action.ROLE_MAPPING_DELETED),
    ("put", f"{_ONE}{_CREDENTIAL}"): (
        credential,
        sending("PUT", "namespace/cases/channel-credential/"),
        Action.CREDENTIAL_UPDATED,
    ),
    ("delete", f"{_ONE}{_CREDENTIAL}"): (
        credential,
        sending("DELETE", "namespace/cases/channel-credential/"),
        Action.CREDENTIAL_DELETED,
    ),
    ("put", _SETTING): (nothing, sending("PUT", "setting/", _PLATFORMS), Action.SETTINGS_UPDATED),
    ("put", f"{_SETTING}{{namespace}}/"): (
        with_namespaces,
        sending("PUT", "setting/cases/", _PLATFORMS),
        Action.SETTINGS_UPDATED,
    ),
    ("put", f"{_SETTING}{{namespace}}/{{name}}/"): (
        lambda server: server.submit("course", "cases"),
        sending("PUT", "setting/cases/course/", _PLATFORMS),
        Action.SETTINGS_UPDATED,
    ),
    ("post", "api/v1/token/"): (nothing, sending("POST", "token/", {"name": "ci"}), Action.TOKEN_CREATED),
    ("delete", "api/v1/token/{token}/"): (token, sending("DELETE", "token/{}/"), Action.TOKEN_REVOKED),
    ("post", "login/"): (
        nothing,
        lambda server, _: httpx.post(f"{server.web.base_url}login/", json={"username": "admin", "password": ADMIN}),
        Action.SIGNED_IN,
    ),
    ("post", "logout/"): (browser, sign_out, Action.SIGNED_OUT),
}
#: Verbs that change nothing that anybody could ask for later, each with its reason.
UNAUDITED: dict[tuple[str, str], str] = {}


def changing_verbs() -> set[tuple[str, str]]:
    """Every verb of the route table that may change something."""
    verbs = ((method, route) for route in ROUTES for method in CHANGING)
    return {(method, route.path) for method, route in verbs if hasattr(getattr(route.handler, method), "permission")}


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
    (row,) = [row for row in written if row.action == action and "current_build_id" not in row.details]
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
    for _ in range(30):
        answer = httpx.post(f"{server.web.base_url}login/", json={"username": "<b>ana</b>", "password": "canary"})
        assert answer.status_code == 403
    written = rows(server, before)
    assert 0 < len(written) <= 20
    assert all(row.action == Action.SIGN_IN_REFUSED and row.actor == "anonymous" for row in written)
    assert written[0].details == {"by": "nothing", "name": "<b>ana</b>"}
