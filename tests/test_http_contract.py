"""What clients in the field rely on, taken literally: shapes of answers, paths of artifacts, permissions of roles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.auth.permissions import ROLES
from conda_store.handlers.routes import ROUTES
from tests.server import Server, running

FILES = {
    "LOCKFILE": b'{"version": 1, "metadata": {}, "package": []}',
    "LOGS": b"0123456789\n",
    "SBOM": b'{"spdxVersion": "SPDX-2.3"}',
}
#: Below a build and, for the current one, below its environment: media type, and a part of the name of the file.
ARTIFACTS = {
    "yaml/": ("application/yaml", "contract.yaml"),
    "lockfile/": ("application/json", "conda-lock.yml"),
    "conda-lock.yml": ("application/yaml", "conda-lock.yml"),
    "conda-lock.yaml": ("application/yaml", "conda-lock.yml"),
    "archive/": ("application/gzip", ".tar.gz"),
    "archive/?format=gz": ("application/gzip", ".tar.gz"),
    "archive/?format=zst": ("application/zstd", ".tar.zst"),
    "archive/?format=zst/": ("application/zstd", ".tar.zst"),
    "installer/": ("application/x-sh", ".sh"),
    "sbom/": ("application/spdx+json", "sbom.spdx.json"),
    "logs/": ("text/plain; charset=utf-8", None),
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?")
PLACES = ("build/{build}/", "environment/default/contract/")

NAMESPACE = {"id": int, "name": str, "metadata_": dict, "role_mappings": list}
ENVIRONMENT = {"id": int, "namespace": NAMESPACE, "name": str, "current_build_id": int, "description": str}
BUILD = {
    "id": int,
    "environment_id": int,
    "packages": None,
    "status": str,
    "status_info": None,
    "size": int,
    "scheduled_on": TIME,
    "started_on": TIME,
    "ended_on": TIME,
}
SPECIFICATION = {"id": int, "name": str, "spec": dict, "sha256": re.compile("[0-9a-f]{64}"), "created_on": TIME}
IN_LISTS = {"specification": None, "build_artifacts": None}
ALONE = {"specification": SPECIFICATION, "build_artifacts": list}
PAGE = {"status": "ok", "data": list, "message": None, "page": int, "size": int, "count": int}


def fits(value: Any, shape: Any) -> bool:
    """Whether a value has exactly these members, each of its type, form or value."""
    if isinstance(shape, dict):
        known = {key: fits(value[key], one) for key, one in shape.items() if key in value}
        return set(value) == set(shape) and all(known.values())
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and shape.fullmatch(value) is not None
    return isinstance(value, shape) if isinstance(shape, type) else bool(value == shape)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("contract"), download_wait_seconds=0.0) as server:
        yield server


@pytest.fixture(scope="module")
def build(server: Server) -> int:
    """A completed build of `default/contract`, with everything that it may leave."""
    build_id = server.submit("contract")
    listing = json.dumps({"etag": '"list"', "parts": [[server.storage.put_blob(b"0123456789"), 10]]}).encode()
    lists = dict.fromkeys(("CONDA_PACK", "CONDA_PACK_ZST", "CONSTRUCTOR_INSTALLER"), listing)
    server.complete(build_id, **FILES, **lists)
    return build_id


def data_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", ARTIFACTS)
def test_every_artifact_has_an_etag_ranges_and_its_head(server: Server, build: int, place: str, path: str) -> None:
    address = place.format(build=build) + path
    media_type, file_name = ARTIFACTS[path]
    whole = server.api.get(address)
    assert (whole.status_code, whole.headers["content-type"]) == (200, media_type)
    assert whole.headers["accept-ranges"] == "bytes" and whole.headers["etag"].startswith('"')
    assert file_name is None or file_name in whole.headers["content-disposition"]
    head = server.api.head(address)
    same = ("etag", "content-length", "content-type", "accept-ranges")
    assert [head.headers[one] for one in same] == [whole.headers[one] for one in same] and head.content == b""
    part = server.api.get(address, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, whole.content[2:5])
    known = server.api.get(address, headers={"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize("place", PLACES)
def test_the_reference_of_an_image_is_text_unless_json_is_asked_for(server: Server, build: int, place: str) -> None:
    address = f"{place.format(build=build)}docker/"
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "text/plain"}):
        answer = server.api.get(address, headers=accept)
        assert answer.text.startswith(f"127.0.0.1:{server.port}/default/contract:")
    whole = data_of(server.api.get(address, headers={"Accept": "application/json"}))
    assert set(whole) == {"image", "digest", "tags"}


def test_an_environment_and_its_build_have_these_members_and_no_others(server: Server, build: int) -> None:
    one = data_of(server.api.get("environment/default/contract/"))
    assert fits(one, {**ENVIRONMENT, "current_build": {**BUILD, **ALONE}}), one
    assert fits(data_of(server.api.get(f"build/{build}/")), {**BUILD, **ALONE})
    page = server.api.get("environment/?page=1&search=contract").json()
    assert fits(page, PAGE) and fits(page["data"][0], {**ENVIRONMENT, "current_build": None}), page
    page = server.api.get("build/?name=contract").json()
    assert fits(page, PAGE) and fits(page["data"][0], {**BUILD, **IN_LISTS}), page
    page = server.web.get("api/v2/environment/?search=contract").json()
    assert fits(page, {"status": "ok", "data": list, "message": None, "cursor": None, "count": int})
    assert fits(page["data"][0], {**ENVIRONMENT, "current_build": None})


def test_a_build_that_waits_has_a_size_and_a_time_too(server: Server) -> None:
    build_id = server.submit("waits")
    found = data_of(server.api.get(f"build/{build_id}/"))
    assert (found["status"], found["size"], found["started_on"], found["ended_on"]) == ("QUEUED", 0, None, None)
    assert TIME.fullmatch(found["scheduled_on"]) and found["build_artifacts"] == []
    (row,) = server.api.get("build/?status=QUEUED/").json()["data"]
    assert fits(row, {**BUILD, **IN_LISTS, "started_on": None, "ended_on": None})


def test_an_environment_shows_with_whom_its_namespace_is_shared(server: Server) -> None:
    server.submit("one", "shared")
    server.submit("two", "shared")
    server.submit("three", "alone")
    mappings = {"lab/*": ["viewer"], "lab/x": ["editor"]}
    server.api.put("namespace/shared/", json={"role_mappings": mappings, "metadata": {"a": 1}}).raise_for_status()
    wanted = data_of(server.api.get("namespace/shared/"))
    assert [(one["entity"], one["role"]) for one in wanted["role_mappings"]] == [
        ("lab/*", "viewer"),
        ("lab/x", "developer"),
    ]
    assert data_of(server.api.get("environment/shared/one/"))["namespace"] == wanted
    for address in ("api/v1/environment/", "api/v2/environment/"):
        rows = data_of(server.web.get(address, params={"namespace": "shared"}))
        assert [row["namespace"] for row in rows] == [wanted, wanted]
        (row,) = data_of(server.web.get(address, params={"namespace": "alone"}))
        assert row["namespace"]["role_mappings"] == []


def test_sorting_by_what_does_not_exist_is_as_without(server: Server, build: int) -> None:
    paths = ("environment/", "build/", "namespace/", "channel/", "package/", f"build/{build}/packages/")
    for path in paths:
        plain = server.api.get(path, params={"page": 1})
        odd = server.api.get(path, params={"page": 1, "sort_by": ["password", ""], "order": "up"})
        assert plain.status_code == 200 and odd.json() == plain.json(), path


def test_a_body_of_a_deletion_is_read(server: Server) -> None:
    for name in ("giver", "taker"):
        server.api.post(f"namespace/{name}/").raise_for_status()
    role = {"other_namespace": "taker", "role": "viewer"}
    assert server.api.post("namespace/giver/role", json=role).json()["data"] is None
    answer = server.api.request("DELETE", "namespace/giver/role", json={"other_namespace": "taker"})
    assert answer.json() == {"status": "ok", "data": None, "message": None}
    assert server.api.request("DELETE", "namespace/giver/role", json=role).status_code == 404
    # What needs no body may have one.
    assert server.api.request("DELETE", "namespace/giver/", json={}).status_code == 200


#: As the table of the API has them: what each role adds to the one before it.
ADDED = {
    "viewer": "environment::read namespace::read namespace-role-mapping::read",
    "developer": "environment:create environment::update environment::solve build::cancel setting::read",
    "admin": "environment::delete build::delete namespace::create namespace::update namespace::delete "
    "namespace-role-mapping::create namespace-role-mapping::update namespace-role-mapping::delete setting::update",
}


def test_roles_have_the_permissions_that_clients_know() -> None:
    before: set[str] = set()
    for role, added in ADDED.items():
        assert set(added.split()) == ROLES[role] - before, role
        before |= ROLES[role]


DEPLOYMENT = """
default_namespace filesystem_namespace default_uid default_gid default_permissions storage_threshold conda_command
conda_platforms conda_max_solve_time conda_indexed_channels build_artifacts_kept_on_deletion
"""
EVERY_LEVEL = """
conda_solve_platforms conda_channel_alias conda_default_channels conda_allowed_channels conda_default_packages
conda_required_packages conda_included_packages pypi_default_packages pypi_required_packages pypi_included_packages
build_artifacts
"""


def test_settings_have_the_names_that_clients_know(server: Server, build: int) -> None:
    everywhere = data_of(server.api.get("setting/"))
    assert everywhere.keys() >= {*DEPLOYMENT.split(), *EVERY_LEVEL.split()}
    for path in ("setting/default/", "setting/default/contract/"):
        assert data_of(server.api.get(path)).keys() >= set(EVERY_LEVEL.split())
        assert data_of(server.api.get(path, params={"own": "true"})) == {}
        refused = server.api.put(path, json={"conda_command": "mamba", "nonsense": 1})
        assert refused.status_code == 400 and refused.json()["message"].startswith("Invalid setting keys {"), path
        answer = server.api.put(path, json={"conda_default_packages": ["pip"]})
        assert answer.status_code == 200 and answer.json()["message"].endswith(" updated")
        assert data_of(server.api.get(path, params={"own": "true"})) == {"conda_default_packages": ["pip"]}
        server.api.put(path, json={"conda_default_packages": None}).raise_for_status()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing/", 404),
        ("GET", "environment/default/none/", 404),
        ("PATCH", "environment/", 405),
        ("GET", "build/0/", 400),
        ("POST", "specification/", 400),
        ("PUT", "build/{queued}/cancel/?x=1/", 200),
        ("PUT", "build/{queued}/cancel/", 409),
        ("GET", "build/{build}/lockfile/?x", 200),
    ],
)
def test_every_refusal_has_the_envelope(server: Server, build: int, method: str, path: str, status: int) -> None:
    queued = data_of(server.api.get("build/?name=to-cancel"))
    known = queued[0]["id"] if queued else server.submit("to-cancel")
    answer = server.api.request(method, path.format(build=build, queued=known))
    assert answer.status_code == status, answer.text
    if status >= 400:
        shape = {"status": "error", "message": str, "data": None, "code": str, "errors": answer.json()["errors"]}
        assert fits(answer.json(), shape) and answer.json()["message"]


def test_who_signs_in_with_json_hears_json(server: Server) -> None:
    wrong = {"username": "admin", "password": "wrong"}
    for params, body, status in (({}, wrong, 403), ({"next": "//evil.example"}, wrong, 400), ({}, ["x"], 400)):
        answer = server.web.post("login/", json=body, params=params)
        assert answer.status_code == status
        assert fits(answer.json(), {"status": "error", "message": str, "data": None, "code": str, "errors": None})
    form = server.web.post("login/", data=wrong)
    assert form.status_code == 403 and form.headers["content-type"].startswith("text/html")


def test_pages_of_allowed_origins_may_ask_beforehand_everywhere(tmp_path: Path) -> None:
    with running(tmp_path, allowed_origins=["https://hub.example.org"]) as server:
        for path in ("login/", "logout/", "api/v1/build/1/", "api/v2/environment/"):
            asked = {"Access-Control-Request-Method": "POST"}
            good = server.web.options(path, headers={**asked, "Origin": "https://hub.example.org"})
            assert good.status_code == 204 and good.headers["access-control-allow-credentials"] == "true"
            assert good.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE"
            assert {"Authorization", "Content-Type"} <= set(good.headers["access-control-allow-headers"].split(", "))
            bad = server.web.options(path, headers={**asked, "Origin": "https://evil.example"})
            assert not [name for name in bad.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH"])
def test_the_closing_slash_makes_no_difference_to_any_method(server: Server, build: int, method: str) -> None:
    values = {
        "build": build,
        "other": build,
        "namespace": "default",
        "name": "contract",
        "token": 9,
        "file": "style.css",
        "document": "permissions",
    }
    for route in ROUTES:
        address = f"{server.root}{server.app.prefix}{route.path.format(**values)}".rstrip("/")
        answers = [server.web.request(method, address + end) for end in ("", "/")]
        told = [(one.status_code, one.content, one.headers.get("etag")) for one in answers]
        assert told[0] == told[1] and told[0][0] in {200, 204, 405}, (route.path, told)
