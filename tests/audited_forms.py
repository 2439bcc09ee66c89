"""The forms of the pages that change something: what each needs, and which action it writes to the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from conda_store.audit import Action
from tests.audited_verbs import ADMIN, ended_build, form, mapped, token, two_builds, unmapped, with_namespaces
from tests.audited_verbs import CASES as VERBS
from tests.server import Server

Act = Callable[[Server, Any], httpx.Response]


def form_token(server: Server) -> str:
    """What our own pages send along."""
    return form(server)["form_token"]


def filling(path: str, **fields: str) -> Act:
    """Sends a form; `{}` in path and fields is what was prepared, and a dictionary of that is fields of its own."""

    def act(server: Server, made: Any) -> httpx.Response:
        more = made if isinstance(made, dict) else {}
        data = {name: text.format(made) for name, text in fields.items()} | more | {"form_token": form_token(server)}
        headers = {"Authorization": f"Bearer {ADMIN}"}
        return server.web.post(path.format(made), data=data, headers=headers)

    return act


_ENVIRONMENT, _BUILD, _NAMESPACE = "environment/{namespace}/{name}/", "build/{build}/", "namespace/{namespace}/"
CASES: dict[tuple[str, str], tuple[Callable[[Server], Any], Act, Action]] = {
    ("post", f"{_ENVIRONMENT}current/"): (
        two_builds,
        filling("environment/cases/changed/current/", build="{}"),
        Action.ENVIRONMENT_UPDATED,
    ),
    ("post", f"{_ENVIRONMENT}description/"): (
        two_builds,
        filling("environment/cases/changed/description/", description="Build {}"),
        Action.ENVIRONMENT_UPDATED,
    ),
    ("post", f"{_ENVIRONMENT}delete/"): (
        two_builds,
        filling("environment/cases/changed/delete/", confirmation="changed"),
        Action.ENVIRONMENT_DELETED,
    ),
    ("post", f"{_BUILD}rebuild/"): (ended_build, filling("build/{}/rebuild/"), Action.BUILD_REBUILT),
    ("post", f"{_BUILD}cancel/"): (
        lambda server: server.submit("canceled", "cases"),
        filling("build/{}/cancel/"),
        Action.BUILD_CANCELED,
    ),
    ("post", f"{_BUILD}delete/"): (ended_build, filling("build/{}/delete/", confirmation="{}"), Action.BUILD_DELETED),
    ("post", "namespace/"): (
        lambda server: server.api.delete("namespace/formed/"),
        filling("namespace/", namespace="formed"),
        Action.NAMESPACE_CREATED,
    ),
    ("post", "admin/settings/"): (
        lambda _: None,
        filling("admin/settings/", conda_solve_platforms="linux-64"),
        Action.SETTINGS_UPDATED,
    ),
    ("post", f"{_ENVIRONMENT}settings/"): (
        two_builds,
        filling("environment/cases/changed/settings/", conda_solve_platforms="linux-64"),
        Action.SETTINGS_UPDATED,
    ),
    ("post", f"{_NAMESPACE}settings/"): (
        with_namespaces,
        filling("namespace/cases/settings/", conda_solve_platforms="linux-64"),
        Action.SETTINGS_UPDATED,
    ),
    ("post", f"{_NAMESPACE}role/"): (unmapped, filling("namespace/cases/role/"), Action.ROLE_MAPPING_CREATED),
    ("post", f"{_NAMESPACE}role/delete/"): (
        mapped,
        filling("namespace/cases/role/delete/"),
        Action.ROLE_MAPPING_DELETED,
    ),
    ("post", f"{_NAMESPACE}delete/"): (
        with_namespaces,
        filling("namespace/made/delete/", confirmation="made"),
        Action.NAMESPACE_DELETED,
    ),
    ("post", "admin/storage/"): (lambda _: None, filling("admin/storage/"), Action.STORE_COLLECTED),
    ("post", "user/"): (lambda _: None, filling("user/", name="ci", days="3"), Action.TOKEN_CREATED),
    ("post", "user/token/{token}/revoke/"): (token, filling("user/token/{}/revoke/"), Action.TOKEN_REVOKED),
}
ALL = VERBS | CASES
