"""What each verb of the route table that changes something needs, and which action it writes to the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx

from conda_store.audit import Action
from conda_store.handlers.routes import ROUTES
from tests.server import YAML, Server

ADMIN = "the-administrators-own"
CHANNEL = "https://private.example.org/ours"
CHANGING = ("post", "put", "delete", "patch")

Act = Callable[[Server, Any], httpx.Response]


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
    ("post", "api/v1/gc/"): (nothing, sending("POST", "gc/"), Action.STORE_COLLECTED),
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
UNAUDITED = {
    ("post", "api/v1/specification/check/"): "looks at a file and keeps nothing of it",
    ("post", "api/v1/specification/solve/"): "solves a file and keeps nothing of it",
}


def changing_verbs() -> set[tuple[str, str]]:
    """Every verb of the route table that may change something."""
    verbs = ((method, route) for route in ROUTES for method in CHANGING)
    return {(method, route.path) for method, route in verbs if hasattr(getattr(route.handler, method), "permission")}
