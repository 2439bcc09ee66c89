"""Every verb of every route, asked by every kind of caller: the table is `permission_matrix.py`, the router its judge.

One server answers all of it. Each cell has a namespace of its own to spoil, so that no cell depends on another one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from tornado.web import RequestHandler

from conda_store.auth.credentials import form_token
from conda_store.auth.secret import ensure_secret
from conda_store.handlers.openapi import METHODS
from conda_store.handlers.registry import registry_routes
from conda_store.handlers.routes import ROUTES
from tests.invented import InventedChannel
from tests.people import client_of, peopled, secret_of
from tests.permission_matrix import PEOPLE, REGISTRY, ROWS, SITE, Row, rows
from tests.registry_house import Anybody
from tests.server import Server
from tests.throw_away import FRIENDS, STRANGERS, Things, absent_values, expired_token, fill

ROLES = {
    "viewer": {"lab-*/*": "viewer"},
    "developer": {"lab-*/*": "developer"},
    "admin": {"lab-*/*": "admin", "far/*": "admin"},
}
#: Tokens: whose they are.
TOKENS = ("narrowed", "elsewhere", "expired")
OWNERS = {**{name: name for name in PEOPLE}, **dict.fromkeys(TOKENS, "admin")}
SPEC = "name: {name}\ndependencies: [one]\n"
CREDENTIAL = {"channel": "https://conda.example.org/private", "kind": "bearer", "secret": "s"}

#: What a request carries besides its path: options of httpx, in which names in braces stand for the cell's things.
REQUESTS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "api/v1/token/"): {"json": {"name": "made"}},
    ("PUT", "api/v1/setting/"): {"json": {"storage_threshold": 5}},
    ("PUT", "api/v1/setting/{namespace}/"): {"json": {"conda_default_packages": ["one"]}},
    ("PUT", "api/v1/setting/{namespace}/{name}/"): {"json": {"conda_default_packages": ["one"]}},
    ("PUT", "api/v1/namespace/{namespace}/"): {"json": {"metadata": {"a": 1}}},
    ("PUT", "api/v1/namespace/{namespace}/metadata/"): {"json": {"a": 1}},
    ("GET", "api/v1/namespace/{namespace}/role/"): {"params": {"other_namespace": FRIENDS}},
    ("POST", "api/v1/namespace/{namespace}/role/"): {"json": {"other_namespace": STRANGERS, "role": "viewer"}},
    ("PUT", "api/v1/namespace/{namespace}/role/"): {"json": {"other_namespace": FRIENDS, "role": "admin"}},
    ("DELETE", "api/v1/namespace/{namespace}/role/"): {"json": {"other_namespace": FRIENDS}},
    ("PUT", "api/v1/namespace/{namespace}/channel-credential/"): {"json": CREDENTIAL},
    ("DELETE", "api/v1/namespace/{namespace}/channel-credential/"): {"json": {"channel": CREDENTIAL["channel"]}},
    ("PUT", "api/v1/environment/{namespace}/{name}/"): {"json": {"description": "changed"}},
    ("GET", "api/v1/specification/"): {"params": {"conda": "one"}},
    **{
        ("POST", f"api/v1/specification/{path}"): {"json": {"specification": SPEC, "namespace": "{namespace}"}}
        for path in ("", "check/", "solve/")
    },
    ("PUT", "api/v1/build/{build}/cancel/"): {"path": "api/v1/build/{queued}/cancel/"},
    ("POST", "create/"): {"data": {"specification": SPEC, "namespace": "{namespace}", "form_token": "{form_token}"}},
    ("GET", "environment/{namespace}/{name}/compare/"): {"params": {"from": "{build}", "to": "{other}"}},
    ("POST", "build/{build}/cancel/"): {"path": "build/{queued}/cancel/", "data": {"form_token": "{form_token}"}},
    **{
        ("POST", path): {"data": {**fields, "form_token": "{form_token}"}}
        for path, fields in {
            "environment/{namespace}/{name}/current/": {"build": "{other}"},
            "environment/{namespace}/{name}/description/": {"description": "changed"},
            "environment/{namespace}/{name}/delete/": {"confirmation": "{name}"},
            "admin/storage/": {},
            "build/{build}/rebuild/": {},
            "build/{build}/delete/": {"confirmation": "{build}"},
            "namespace/": {"namespace": "{namespace}-new"},
            **{
                f"{place}settings/": {"conda_default_packages": "one"}
                for place in ("admin/", "namespace/{namespace}/", "environment/{namespace}/{name}/")
            },
            "namespace/{namespace}/role/": {"other_namespace": STRANGERS, "role": "viewer"},
            "namespace/{namespace}/role/delete/": {"other_namespace": FRIENDS},
            "namespace/{namespace}/delete/": {"confirmation": "{namespace}"},
            "user/": {"name": "made", "days": "1"},
            "user/token/{token}/revoke/": {},
        }.items()
    },
    ("POST", "login/"): {"json": {"username": "admin", "password": secret_of("admin")}},
    ("POST", "/v2/token"): {"data": {"grant_type": "password", "username": "x", "password": "{secret}"}},
}
#: Cells that need something to be there first: a request of the operator.
BEFORE: dict[tuple[str, str], tuple[str, str]] = {
    ("DELETE", "api/v1/namespace/{namespace}/channel-credential/"): (
        "PUT",
        "api/v1/namespace/{namespace}/channel-credential/",
    )
}


@dataclass(frozen=True)
class House:
    """The server, what callers prove themselves with, and things for every cell."""

    server: Server
    clients: dict[str, httpx.Client]
    secrets: dict[str, str]
    things: dict[tuple[str, str], Things]

    def values(self, row: Row, person: str) -> dict[str, str]:
        """What stands for the names in braces of a row."""
        values = self.things[str(row), person].values
        return {
            **values,
            "secret": self.secrets[person],
            "form_token": form_token(ensure_secret(self.server.app.root / "cookie-secret"), ""),
        }

    def send(self, verb: str, path: str, person: str, values: dict[str, str]) -> httpx.Response:
        """The answer to a cell's request."""
        options = dict(REQUESTS.get((verb, path), {}))
        place = _filled(options.pop("path", path), values)
        base = self.server.root if place.startswith("/v2") else f"{self.server.root}{self.server.app.prefix}"
        return self.clients[person].request(verb, base + place, **_filled(options, values))


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**values)
    if isinstance(value, dict):
        return {key: _filled(one, values) for key, one in value.items()}
    return [_filled(one, values) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    channel = InventedChannel(tmp_path_factory.mktemp("matrix-channel"))
    channel.add("one")
    address = channel.directory.as_uri()
    options = {
        "default_channels": [address],
        "allowed_channels": [address],
        "PeopleAuthenticator__grants": ROLES,
        "RoleBindings__own_namespace": None,
        "RoleBindings__admin_users": ["operator"],
    }
    with peopled(tmp_path_factory.mktemp("matrix"), {name: [] for name in PEOPLE}, **options) as server:
        cells = [(str(row), person) for row in ROWS for person in PEOPLE]
        things = fill(server, {number: OWNERS[person] for number, (_, person) in enumerate(cells, 1)})
        secrets = _secrets(server)
        clients = {person: _client(secrets[person]) for person in PEOPLE}
        yield House(server, clients, secrets, dict(zip(cells, things, strict=True)))
        for client in clients.values():
            client.close()


def _secrets(server: Server) -> dict[str, str]:
    with client_of(server, "admin") as admin:
        narrow = {"narrowed": {"lab-*/*": ["viewer"]}, "elsewhere": {"far/*": ["admin"]}}
        made = {
            name: admin.post("token/", json={"role_bindings": roles}).json()["data"]["token"]
            for name, roles in narrow.items()
        }
    names = {name: secret_of(name) for name in PEOPLE if name not in TOKENS}
    return {**names, **made, "expired": expired_token(server, "admin"), "anonymous": ""}


def _client(secret: str) -> httpx.Client:
    return httpx.Client(auth=("x", secret) if secret else None, timeout=60)


def test_the_table_has_what_the_router_has() -> None:
    has = {(verb.upper(), route.path) for route in ROUTES for verb in _VERBS if _answers(route.handler, verb)}
    told = Counter((row.verb, row.path) for row in rows(SITE))
    assert {one for one in has if one not in told} == set(), "a verb without a row in tests/permission_matrix.py"
    assert {one for one in told if one not in has} == set(), "a row without a verb"
    assert max(told.values()) == 1


def test_the_table_has_what_the_registry_has() -> None:
    rules = registry_routes(None, Anybody())  # type: ignore[arg-type]
    verbs = [*_VERBS, "options"]
    has = {(verb.upper(), rule.regex.pattern) for rule in rules for verb in verbs if _answers(rule.handler_class, verb)}
    told: Counter[tuple[str, str]] = Counter()
    for row in rows(REGISTRY):
        path = row.path.format(**absent_values())
        told[row.verb, next(rule.regex.pattern for rule in rules if rule.regex.match(path))] += 1
    assert {one for one in has if one not in told} == set(), "a verb without a row in tests/permission_matrix.py"
    assert {one for one in told if one not in has} == set(), "a row without a verb"
    assert max(told.values()) == 1, "two rows for one rule: a row without a rule falls to the last one"


_VERBS = [*METHODS, "head", "patch"]


def _answers(handler: type[RequestHandler], verb: str) -> bool:
    return hasattr(getattr(handler, verb), "permission")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_who_may(house: House, row: Row) -> None:
    found = {person: _ask(house, row, person) for person in PEOPLE}
    assert found == row.statuses


def _ask(house: House, row: Row, person: str) -> int:
    """The status; a refusal is compared with that of something that does not exist."""
    values = house.values(row, person)
    if before := BEFORE.get((row.verb, row.path)):
        assert house.send(*before, "operator", values).status_code == 200
    answer = house.send(row.verb, row.path, person, values)
    if person == "expired" and answer.status_code == 403 and row.path.startswith("api/") and answer.content:
        assert answer.json()["code"] == "credentials_invalid"
    if answer.status_code in row.is_refusal and row.absent is not None:
        absent = {**values, **absent_values()}
        other = house.send(row.verb, row.path, person, absent)
        assert _told(other, absent) == _told(answer, values), (str(row), person)
    return answer.status_code


def _told(answer: httpx.Response, values: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """All that an answer says, but for the names that the request had."""
    names = ("repository", "digest", "namespace", "name", "build", "other", "queued", "token")
    known = re.compile("|".join(rf"(?<!\w){re.escape(values[name])}(?!\w)" for name in names))
    # The way to the login names where one was, quoted as a part of an address.
    text = known.sub("…", re.sub(r"(?<=\?next=)[^\"]+", lambda found: unquote(found[0]), answer.text))
    headers = {key: value for key, value in answer.headers.items() if key not in {"date", "content-length"}}
    headers = {key: known.sub("…", value) for key, value in headers.items()}
    # What lets a page's own script run is another one each time.
    headers = {key: re.sub(r"'nonce-[\w-]+'", "'nonce'", value) for key, value in headers.items()}
    return answer.status_code, headers, re.sub(r'nonce="[^"]+"', "nonce", text)


@pytest.mark.parametrize("row", [row for row in ROWS if row.absent is not None], ids=str)
def test_what_does_not_exist_is_told_to_whom_it_would_belong(house: House, row: Row) -> None:
    values = {**house.values(row, "operator"), **absent_values(), "namespace": f"nowhere-{next(_numbers)}"}
    assert house.send(row.verb, row.path, "operator", values).status_code == row.absent


_numbers = count(1)


@pytest.mark.parametrize("person", ["anonymous", "operator"])
def test_what_a_route_has_not_is_405_for_everybody(house: House, person: str) -> None:
    for route in ROUTES:
        for verb in (one for one in [*_VERBS, "options"] if not _answers(route.handler, one)):
            answer = house.send(verb.upper(), route.path, person, absent_values())
            assert answer.status_code == 405, (verb, route.path, answer.text)


@pytest.mark.parametrize("person", PEOPLE)
def test_a_browser_asks_beforehand_and_learns_nothing(house: House, person: str) -> None:
    for route in ROUTES:
        if _answers(route.handler, "options"):
            answer = house.send("OPTIONS", route.path, person, absent_values())
            assert (answer.status_code, answer.content) == (204, b""), route.path


def test_nobody_else_s_token_is_told_from_none(house: House) -> None:
    row = next(one for one in ROWS if str(one) == "DELETE api/v1/token/{token}/")
    values = house.values(row, "operator")
    other = {**values, **absent_values()}
    answers = [house.send(row.verb, row.path, "viewer", one) for one in (values, other)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert _told(answers[0], values) == _told(answers[1], other)


@pytest.mark.parametrize("person", ["anonymous", "stranger", "viewer", "narrowed", "elsewhere", "expired"])
def test_who_may_not_create_learns_nothing_of_the_rules(house: House, person: str) -> None:
    row = next(one for one in ROWS if str(one) == "POST api/v1/specification/")
    values = house.values(row, person)
    rules = {"conda_allowed_channels": ["https://conda.example.org/ours"], "conda_denied_packages": ["one"]}
    path = f"api/v1/setting/{values['namespace']}/"
    address = f"{house.server.root}{house.server.app.prefix}{path}"
    assert house.clients["operator"].put(address, json=rules).status_code == 200
    for text in (SPEC, "name: {name}", "a: [", "name: {name}\ndependencies: [one]\nchannels: [theirs]\n"):
        body = {"specification": text.replace("{name}", "course"), "namespace": values["namespace"]}
        for path in ("", "check/", "solve/"):
            address = f"{house.server.root}{house.server.app.prefix}api/v1/specification/{path}"
            assert house.clients[person].post(address, json=body).status_code == 403, (path, text)
