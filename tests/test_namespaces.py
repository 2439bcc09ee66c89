"""Namespaces of several people: whose they are, what they share, who can see what is in them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import select

from conda_store.db.orm import NamespaceRow
from conda_store.errors import BadInput
from conda_store.registry.names import repository
from tests.people import client_of, header_of, peopled
from tests.registry_house import admit
from tests.server import YAML, NeverExecutor, Server, running
from tests.test_tokens import image_of

HOSTILE = ["ana@lab.org", "Ana+x", "ana.b", "anaxb", "Äna Ö", "50%", "a'b"]
PEOPLE = {
    "ana": ["lab"],
    "ben": ["lab", "course"],
    "eve": [],
    "root": ["operators"],
    "data": [],
    "dora": ["data"],
    "default": [],
    "group": ["default", "global", "/data/ml", "a*", "conda-store-dynamic"],
    **{name: [] for name in HOSTILE},
}
OPTIONS = {"RoleBindings__admin_groups": ["operators"], "RoleBindings__group_namespaces": {"/data/ml": "data-ml"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with peopled(tmp_path_factory.mktemp("namespaces"), PEOPLE, **OPTIONS) as server:
        yield server


@pytest.fixture(scope="module")
def people(server: Server) -> Iterator[dict[str | None, httpx.Client]]:
    """A client in everybody's name; None is nobody."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(client_of(server, name)) for name in (None, *PEOPLE)}


People = dict[str | None, httpx.Client]


def submit(client: httpx.Client, name: str, namespace: str | None = None) -> int:
    """The status of an answer to a submission."""
    return client.post(
        "specification/", json={"specification": YAML.format(name=name), "namespace": namespace}
    ).status_code


def roles_of(client: httpx.Client) -> dict[str, list[str]]:
    found: dict[str, list[str]] = client.get("permission/").json()["data"]["entity_roles"]
    return found


def seen_by(client: httpx.Client) -> set[str]:
    return {f"{one['namespace']['name']}/{one['name']}" for one in client.get("environment/").json()["data"]}


def data_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


EVERY = {"default/*": ["viewer"], "filesystem/*": ["viewer"]}


def test_everybody_has_their_own_and_their_groups_namespaces(people: People) -> None:
    assert roles_of(people[None]) == {"default/*": ["viewer"]}
    assert roles_of(people["ana"]) == {**EVERY, "ana/*": ["admin"], "lab/*": ["developer"]}
    assert roles_of(people["eve"]) == {**EVERY, "eve/*": ["admin"]}
    assert roles_of(people["root"]) == {"*/*": ["admin"]}
    told = data_of(people["ana"].get("permission/"))
    assert told["authenticated"] and told["primary_namespace"] == "ana"
    assert submit(people["ana"], "mine") == 200
    assert "ana/mine" in seen_by(people["ana"]) and "ana/mine" not in seen_by(people["eve"])
    assert {row["name"] for row in data_of(people["ana"].get("namespace/"))} >= {"ana", "lab"}
    assert {row["name"] for row in data_of(people["eve"].get("namespace/"))} <= {"eve", "default"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_means_only_itself(people: People, name: str) -> None:
    assert roles_of(people[name]) == {**EVERY, f"{name}/*": ["admin"]}
    assert submit(people[name], "own") == 200
    for other in HOSTILE:
        answer = people[other].get(f"environment/{quote(name, safe='')}/own/")
        assert answer.status_code == (200 if other == name else 403)
    assert {one for one in seen_by(people[name]) if one.endswith("/own")} == {f"{name}/own"}


def test_who_comes_later_gets_nothing_and_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "conda_store.managers.rights"),
        peopled(tmp_path, PEOPLE, **OPTIONS) as server,
        client_of(server, "data") as user,
        client_of(server, "dora") as member,
        client_of(server, "default") as default,
        client_of(server, "group") as grouped,
    ):
        assert roles_of(member)["data/*"] == ["developer"] and submit(member, "ours", "data") == 200
        assert roles_of(user) == EVERY and user.get("environment/data/ours/").status_code == 403
        assert data_of(user.get("permission/"))["primary_namespace"] == "default"
        assert submit(user, "x", "data") == submit(user, "x") == 403
        assert roles_of(default) == EVERY and submit(default, "x") == 403
        assert roles_of(grouped) == {**EVERY, "group/*": ["admin"], "data-ml/*": ["developer"]}
        server.loop.call_soon_threadsafe(server.app.service.servers[0].request_callback.parts.callers.forget)  # type: ignore[attr-defined]
        assert roles_of(user) == EVERY
        with server.app.database.read() as session:
            kinds = {row.name: row.kind for row in session.scalars(select(NamespaceRow))}
    assert kinds == {"data": "group", "dora": "user", "group": "user", "data-ml": "group"}
    said = [record.getMessage() for record in caplog.records]
    assert said.count("The user 'data' gets no namespace. 'data' is a group namespace already.") == 1
    assert said.count("The user 'default' gets no namespace. The name 'default' is reserved.") == 1
    assert sum("The group 'a*' gets no namespace" in line for line in said) == 1
    assert sum("The group 'global' gets no namespace" in line for line in said) == 1


def test_whose_a_namespace_is_outlives_its_deletion(server: Server, people: People) -> None:
    eve = people["eve"]
    assert submit(eve, "old") == 200
    build_id = data_of(eve.get("environment/eve/old/"))["current_build_id"]
    assert eve.delete("namespace/eve/").json() == {"status": "ok", "data": None, "message": None}
    assert eve.get("environment/eve/old/").status_code == 404
    assert isinstance(server.app.executor, NeverExecutor) and build_id in server.app.executor.canceled
    assert data_of(eve.get("namespace/eve/"))["name"] == "eve"
    assert roles_of(eve)["eve/*"] == ["admin"] and submit(eve, "new") == 200
    assert {one for one in seen_by(eve) if one.startswith("eve/")} == {"eve/new"}
    refused(people["root"].delete("namespace/conda-store-dynamic/"), 400, "bad_input")


def test_metadata_and_role_mappings_of_a_namespace(people: People) -> None:
    root = people["root"]
    assert root.post("namespace/Shared+1/").json()["status"] == "ok"
    refused(root.post("namespace/Shared+1/"), 409, "namespace_exists")
    path = "namespace/Shared+1/"
    wanted = {"metadata": {"a": 1}, "role_mappings": {"lab/*": ["viewer", "editor"], "ana/mine": ["viewer"]}}
    assert root.put(path, json=wanted).json() == {"status": "ok", "data": None, "message": None}
    found = data_of(root.get(path))
    assert found["metadata_"] == {"a": 1}
    mappings = [(one["entity"], one["role"]) for one in found["role_mappings"]]
    assert mappings == [("lab/*", "developer"), ("ana/mine", "viewer")]
    assert root.put(f"{path}metadata", json={"b": [2]}).status_code == 200
    assert root.put(path, json={"role_mappings": {"lab/*": ["admin"]}}).status_code == 200
    changed = data_of(root.get(path))
    assert changed["metadata_"] == {"b": [2]}
    assert changed["role_mappings"] == [{"id": found["role_mappings"][0]["id"], "entity": "lab/*", "role": "admin"}]
    refused(root.put(path, json={"role_mappings": {"lab": ["admin"]}}), 400, "bad_input")
    refused(root.put(path, json={"role_mappings": {"lab/*": ["king"]}}), 400, "bad_input")
    refused(root.put(f"{path}metadata", json=[1]), 400, "bad_input")
    # Every row of a list of environments would carry them.
    refused(root.put(f"{path}metadata", json={"a": "x" * 70_000}), 400, "bad_input")
    refused(root.put(path, json={"metadata": {"a": ["x"] * 70_000}}), 400, "bad_input")
    refused(root.put("namespace/none/", json={}), 404, "namespace_not_found")
    refused(people["eve"].put(path, json={}), 403, "permission_denied")
    assert root.delete(path).status_code == 200
    refused(root.get(path), 404, "namespace_not_found")


def test_a_role_for_those_who_belong_to_another_namespace(people: People) -> None:
    root, ben, eve = people["root"], people["ben"], people["eve"]
    roles_of(ben)  # so that the namespace `course` is there
    root.post("namespace/sharing/")
    assert submit(root, "given", "sharing") == 200
    given, role = "environment/sharing/given/", "namespace/sharing/role"
    assert ben.get(given).status_code == 403
    refused(root.get(role, params={"other_namespace": "course"}), 404, "role_mapping_not_found")
    body = {"other_namespace": "course", "role": "viewer"}
    assert root.post(role, json=body).json() == {"status": "ok", "data": None, "message": None}
    refused(root.post(role, json=body), 409, "role_mapping_exists")
    found = data_of(root.get(role, params={"other_namespace": "course"}))
    assert {**found, "id": 0} == {"id": 0, "namespace": "sharing", "other_namespace": "course", "role": "viewer"}
    assert data_of(root.get("namespace/sharing/roles")) == [found]
    assert ben.get(given).status_code == 200 and "sharing/given" in seen_by(ben)
    assert eve.get(given).status_code == 403 and submit(ben, "x", "sharing") == 403
    assert root.put(role, json={**body, "role": "editor"}).status_code == 200
    assert data_of(root.get(role, params={"other_namespace": "course"}))["role"] == "developer"
    assert submit(ben, "x", "sharing") == 200
    assert root.request("DELETE", role, json={"other_namespace": "course"}).json()["status"] == "ok"
    assert ben.get(given).status_code == 403 and "sharing/given" not in seen_by(ben)


def test_what_is_wrong_with_a_role_mapping(people: People) -> None:
    root = people["root"]
    root.post("namespace/mapped/")
    role, body = "namespace/mapped/role", {"other_namespace": "lab", "role": "viewer"}
    roles_of(people["ana"])
    refused(root.put(role, json=body), 404, "role_mapping_not_found")
    refused(root.request("DELETE", role, json=body), 404, "role_mapping_not_found")
    for method in ("POST", "PUT", "DELETE"):
        refused(root.request(method, role, json={**body, "other_namespace": "nowhere"}), 400, "namespace_unknown")
    refused(root.get(role, params={"other_namespace": "nowhere"}), 400, "namespace_unknown")
    refused(root.get(role), 400, "bad_input")
    refused(root.post(role, json={**body, "role": "king"}), 400, "bad_input")
    refused(root.post("namespace/nowhere/role", json=body), 404, "namespace_not_found")
    refused(root.get("namespace/nowhere/roles"), 404, "namespace_not_found")
    for method, path in (
        ("GET", role),
        ("POST", role),
        ("PUT", role),
        ("DELETE", role),
        ("DELETE", "namespace/mapped/roles"),
    ):
        refused(people["eve"].request(method, path, json=body), 403, "permission_denied")
    assert root.post(role, json=body).status_code == root.delete("namespace/mapped/roles").status_code == 200
    assert data_of(root.get("namespace/mapped/roles")) == []


def test_a_deleted_namespace_shares_and_is_shared_with_nothing(people: People) -> None:
    root = people["root"]
    for name in ("one", "One"):
        root.post(f"namespace/{name}/")
    root.put("namespace/one/", json={"role_mappings": {"lab/*": ["viewer"]}})
    root.post("namespace/sink/")
    root.put(
        "namespace/sink/", json={"role_mappings": {"one/*": ["viewer"], "One/*": ["viewer"], "onex/*": ["viewer"]}}
    )
    assert submit(root, "e", "one") == 200
    assert people["ana"].get("environment/one/e/").status_code == 200
    assert root.delete("namespace/one/").status_code == 200
    assert people["ana"].get("environment/one/e/").status_code == 403
    left = [one["entity"] for one in data_of(root.get("namespace/sink/"))["role_mappings"]]
    assert left == ["One/*", "onex/*"]
    root.post("namespace/one/")
    assert data_of(root.get("namespace/one/"))["role_mappings"] == []
    assert root.get("environment/one/e/").status_code == 404


def pulls(server: Server, name: str | None, place: str) -> int:
    url = f"{server.root}/v2/{place}/manifests/latest"
    return httpx.get(url, headers=header_of(name)).status_code


def test_the_registry_follows(server: Server, people: People) -> None:
    root = people["root"]
    place = repository("Pulled+1", "image")
    root.post("namespace/Pulled+1/")
    assert submit(root, "image", "Pulled+1") == 200
    admit(server.app.database, server.storage, place, image_of(server, "pulled"), ["latest"])
    assert [pulls(server, name, place) for name in ("root", "ana", "eve", None)] == [200, 404, 404, 401]
    root.put("namespace/Pulled+1/", json={"role_mappings": {"lab/*": ["viewer"]}})
    assert [pulls(server, name, place) for name in ("root", "ana", "eve", None)] == [200, 200, 404, 401]
    assert place in httpx.get(f"{server.root}/v2/_catalog", headers=header_of("ana")).json()["repositories"]
    root.put("namespace/Pulled+1/", json={"role_mappings": {}})
    assert pulls(server, "ana", place) == 404
    assert root.delete("namespace/Pulled+1/").status_code == 200
    assert pulls(server, "root", place) == 404


def test_who_can_see_this(server: Server, people: People) -> None:
    root, ana = people["root"], people["ana"]
    root.post("namespace/open/")
    assert submit(root, "e", "open") == 200
    root.put("namespace/open/", json={"role_mappings": {"lab/*": ["developer"]}})
    made = data_of(ana.post("token/", json={"name": "cluster", "role_bindings": {"open/e": ["viewer"]}}))
    found = data_of(ana.get("environment/open/e/access/"))
    assert made["token"] not in str(found)
    shown = [(one["subject"], one["name"], one["owner"], one["role"], one["pattern"]) for one in found]
    assert shown == [
        ("group", "operators", None, "admin", "*/*"),
        ("members", "lab/*", None, "developer", "open/*"),
        ("token", "cluster", "ana", "viewer", "open/e"),
    ]
    assert [one["subject"] for one in data_of(ana.get("namespace/open/access/"))] == ["group", "members"]
    assert all(one["reason"] for one in found) and "admin_groups" in found[0]["reason"]
    # The token gives no more than its owner has: when nothing is shared, it is not listed.
    root.put("namespace/open/", json={"role_mappings": {}})
    assert [one["subject"] for one in data_of(root.get("environment/open/e/access/"))] == ["group"]
    refused(ana.get("environment/open/e/access/"), 403, "permission_denied")
    refused(root.get("environment/open/none/access/"), 404, "environment_not_found")
    refused(root.get("namespace/none/access/"), 404, "namespace_not_found")


def test_the_answer_is_what_the_engine_decides(server: Server, people: People) -> None:
    """Everybody against every environment: who is named reads it, and who reads it is named."""
    root = people["root"]
    submit(people["ana"], "seen", "lab"), submit(people["ana"], "seen"), submit(root, "seen", "default")
    root.put("namespace/lab/", json={"role_mappings": {"eve/*": ["viewer"], "course/*": ["viewer"]}})
    names = {"eve/*": {"eve"}, "course/*": {"ben"}}
    for place in ("lab", "ana", "default"):
        named: set[str | None] = set()
        for one in data_of(root.get(f"environment/{place}/seen/access/")):
            match one["subject"]:
                case "everyone":
                    named |= {None, *PEOPLE}
                case "signed in":
                    named |= set(PEOPLE)
                case "owner" | "user":
                    named |= {one["name"]}
                case "group":
                    named |= {name for name, groups in PEOPLE.items() if one["name"] in groups}
                case "members":
                    named |= names[one["name"]]
        reading = {name for name, who in people.items() if who.get(f"environment/{place}/seen/").status_code == 200}
        listing = {name for name, who in people.items() if f"{place}/seen" in seen_by(who)}
        assert named == reading == listing, place
    root.put("namespace/lab/", json={"role_mappings": {}})


def test_the_one_administrator_is_told_too(tmp_path: Path) -> None:
    for token, expected in (("", ("everyone", None)), ("secret", ("user", "admin"))):
        with running(tmp_path / (token or "open"), DummyAuthenticator__token=token) as server:
            server.api.headers["Authorization"] = f"Bearer {token or 'x'}"
            if not token:
                del server.api.headers["Authorization"]
            server.submit("e", "ours")
            (one,) = data_of(server.api.get("environment/ours/e/access/"))
            assert (one["subject"], one["name"], one["role"]) == (*expected, "admin")


def test_a_binding_that_cannot_be_stops_the_server(tmp_path: Path) -> None:
    with (
        pytest.raises(BadInput, match=r"RoleBindings\.users"),
        peopled(tmp_path, {}, RoleBindings__users={"a": {"b": "c"}}),
    ):
        pass
