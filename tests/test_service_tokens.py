"""Tokens of services, which the configuration gives: what they open, who sees them, and what cannot be configured."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.app import CondaStore
from conda_store.auth.service_tokens import ServiceTokens
from conda_store.auth.tokens import fingerprint
from conda_store.configuration import made
from conda_store.errors import BadInput
from tests.credential_traces import every_answer, text_of, text_of_answers
from tests.people import client_of, peopled
from tests.registry_house import admit
from tests.server import Server
from tests.test_tokens import basic, bearer, image_of, pull, registry_token

CI, DEPLOY, BOARD = (f"canary{secrets.token_hex(20)}" for _ in range(3))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with three services, a person called as the first of them, and an administrator."""
    directory = tmp_path_factory.mktemp("services")
    file = directory / "token"
    file.write_text(f"{CI}\n")
    file.chmod(0o600)
    tokens = {
        "ci": {"token_file": str(file), "role_bindings": {"data/*": "developer"}, "primary_namespace": "data"},
        "deploy": {"sha256": fingerprint(DEPLOY), "role_bindings": {"data/course": ["viewer"]}},
        "board": {"environment": "CONDA_STORE_TEST_BOARD", "role_bindings": {"*/*": "admin"}},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDA_STORE_TEST_BOARD", BOARD)
        people = {"root": [], "ci": [], "service-token:ci": []}
        options = {"RoleBindings__admin_users": ["root"], "ServiceTokens__tokens": tokens}
        with peopled(directory / "server", people, **options) as server:
            server.api.headers.update(bearer(BOARD))
            for namespace in ("data", "other"):
                server.submit("course", namespace)
                image = image_of(server, namespace)
                admit(server.app.database, server.storage, f"{namespace}/course", image, ["latest"])
            yield server


def permission(server: Server, headers: dict[str, str]) -> dict[str, Any]:
    return dict(httpx.get(f"{server.api.base_url}permission/", headers=headers).json()["data"])


@pytest.mark.parametrize("form", [bearer, basic, lambda secret: {"Authorization": f"token {secret}"}])
def test_every_form_shows_the_service_with_its_roles_and_no_more(server: Server, form: Any) -> None:
    told = permission(server, form(CI))
    assert told["authenticated"] and told["primary_namespace"] == "data"
    assert told["entity_roles"] == {"data/*": ["developer"]}
    with httpx.Client(base_url=server.api.base_url, headers=form(CI)) as client:
        assert client.post("specification/", json={"specification": "name: x\ndependencies: [a]"}).status_code == 200
        assert client.get("environment/other/course/").status_code == 403
        assert client.delete("namespace/data/").status_code == 403
    assert permission(server, form(CI[:-1]))["authenticated"] is False


def test_it_is_the_registrys_password(server: Server) -> None:
    for headers in (basic(DEPLOY), bearer(registry_token(server, basic(DEPLOY), "data/course", "other/course"))):
        assert pull(server, "data/course/manifests/latest", headers) == (200, "")
        assert pull(server, "other/course/manifests/latest", headers)[0] in (401, 404)


def test_who_has_access_lists_it(server: Server) -> None:
    listed = server.api.get("environment/data/course/access/").json()["data"]
    found = {one["name"]: one for one in listed if one["reason"] == "configured (c.ServiceTokens.tokens)"}
    roles = {name: one["role"] for name, one in found.items()}
    assert roles == {"ci": "developer", "deploy": "viewer", "board": "admin"}
    assert (found["ci"]["subject"], found["ci"]["owner"]) == ("token", "service-token:ci")
    whole = server.api.get("namespace/data/access/").json()["data"]
    assert {one["name"] for one in whole if one["reason"] == found["ci"]["reason"]} == {"ci", "board"}


def test_administrators_see_it_and_the_configuration_alone_revokes_it(server: Server) -> None:
    with client_of(server, "root") as root, client_of(server, "ci") as person:
        listed = {one["name"]: one for one in root.get("token/").json()["data"]}
        ci = listed["service-token:ci"]
        assert ci["configured"] and ci["role_bindings"] == {"data/*": ["developer"]} and ci["expiration"] is None
        answer = root.delete(f"token/{ci['id']}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "token_configured")
        assert "'ci'" in answer.json()["message"] and "c.ServiceTokens.tokens" in answer.json()["message"]
        assert person.get("token/").json()["data"] == []
        assert person.delete(f"token/{ci['id']}/").status_code == 404


def test_a_person_of_that_name_is_another_one(server: Server) -> None:
    with client_of(server, "ci") as person, client_of(server, "service-token:ci") as impostor:
        roles = person.get("permission/").json()["data"]["entity_roles"]
        assert "data/*" not in roles and "ci/*" in roles
        assert impostor.get("permission/").json()["data"]["authenticated"] is False


def test_what_it_makes_has_its_name_and_its_limits(server: Server) -> None:
    with httpx.Client(base_url=server.api.base_url, headers=bearer(CI)) as client:
        asked = {"role_bindings": {"data/*": ["viewer"]}}
        made_token = client.post("token/", json=asked).json()["data"]["token"]
        assert permission(server, bearer(made_token))["entity_roles"] == {"data/*": ["viewer"]}
        assert client.post("token/", json={"role_bindings": {"data/*": ["admin"]}}).status_code == 400
        assert [one["configured"] for one in client.get("token/").json()["data"]] == [False]


def test_its_secret_is_nowhere(server: Server) -> None:
    answers = text_of_answers(every_answer(server, "course", 1, "data"))
    everything = answers + text_of(server.app.root)
    assert not [one for one in (CI, DEPLOY, BOARD) if one in everything]


GOOD = {"sha256": "a" * 64, "role_bindings": {"data/*": "developer"}}


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["ci"], "dictionary of services"),
        ({"a b": GOOD}, "'a b' is no name of a service"),
        ({"ci": "secret"}, "'ci' is not a dictionary"),
        ({"ci": {**GOOD, "token": "x"}}, "'ci' is not a dictionary with some of"),
        ({"ci": {**GOOD, "environment": "X"}}, "'ci' has not one source"),
        ({"ci": {"role_bindings": {"a/*": "viewer"}}}, "'ci' has not one source"),
        ({"ci": {**GOOD, "sha256": "short"}}, "'ci' has a sha256 that is not"),
        ({"ci": {**GOOD, "sha256": fingerprint("")}}, "'ci' has a sha256 that is not"),
        ({"ci": {**GOOD, "role_bindings": {"data/*": "boss"}}}, "'ci': 'boss' is no role"),
        ({"ci": {**GOOD, "role_bindings": {"data": "viewer"}}}, "'ci': 'data' is no pattern"),
        ({"ci": {**GOOD, "role_bindings": {}}}, "'ci' has no role_bindings"),
        ({"ci": {**GOOD, "role_bindings": {"data/*": None}}}, "'ci': 'None' is no role"),
        ({"ci": {**GOOD, "primary_namespace": 7}}, "'ci' has a primary_namespace"),
        ({"ci": GOOD, "cd": GOOD}, "'cd' and 'ci' have the same token"),
        ({"ci": {"environment": "NOT_SET_HERE", "role_bindings": {"a/*": "viewer"}}}, "NOT_SET_HERE, which is not set"),
        ({"ci": {"token_file": "/nowhere/token", "role_bindings": {"a/*": "viewer"}}}, "/nowhere/token that cannot be"),
    ],
)
def test_what_is_malformed_is_refused_by_name(tokens: Any, words: str) -> None:
    app = CondaStore()
    app.config.ServiceTokens.tokens = tokens
    with pytest.raises(BadInput, match=r"c\.ServiceTokens\.tokens") as refused:
        made(ServiceTokens, app)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("secret", "mode", "words"),
    [
        ("x" * 31, 0o600, "at least 32"),
        ("x" * 40 + " " + "y" * 40, 0o600, "at least 32"),
        ("", 0o600, "at least 32"),
        ("x" * 40, 0o644, "chmod 600"),
        ("x" * 40, 0o620, "chmod 600"),
    ],
)
def test_a_file_that_is_no_secret_is_refused(tmp_path: Path, secret: str, mode: int, words: str) -> None:
    file = tmp_path / "token"
    file.write_text(secret)
    file.chmod(mode)
    app = CondaStore()
    app.config.ServiceTokens.tokens = {"ci": {"token_file": str(file), "role_bindings": {"a/*": "viewer"}}}
    with pytest.raises(BadInput) as refused:
        made(ServiceTokens, app)
    assert words in refused.value.message and "'ci'" in refused.value.message
    assert not secret or secret not in refused.value.message
