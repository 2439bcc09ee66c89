"""The REST API over real HTTP, as the clients in the field speak it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from traitlets import TraitError

from conda_store._version import __version__
from conda_store.app import CondaStore
from conda_store.handlers.openapi import METHODS, verbs_of
from conda_store.handlers.routes import ROUTES
from tests.broken_specifications import BROKEN, Broken
from tests.server import NeverExecutor, Server, running

LOCKFILE = json.dumps(
    {
        "version": 1,
        "metadata": {
            "content_hash": {"linux-64": "0" * 64},
            "channels": [{"url": "https://conda.anaconda.org/conda-forge", "used_env_vars": []}],
            "platforms": ["linux-64"],
            "sources": [],
        },
        "package": [
            {
                "name": "tzdata",
                "version": "2025b",
                "manager": "conda",
                "platform": "linux-64",
                "dependencies": {},
                "url": "https://conda.anaconda.org/conda-forge/noarch/tzdata-2025b-h78e105d_0.conda",
                "hash": {"md5": "0" * 32, "sha256": "1" * 64},
                "category": "main",
                "optional": False,
            }
        ],
    },
    indent=3,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for tests that only look, or leave environments that no other test counts."""
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path) as server:
        yield server


def data_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "ok"
    return body["data"]


def refused(answer: httpx.Response, status: int, code: str, *words: str) -> dict[str, Any]:
    body = dict(answer.json())
    assert (answer.status_code, body["status"], body["code"], body["data"]) == (status, "error", code, None), body
    assert all(word in body["message"] for word in words), body
    return body


def test_the_version(shared: Server) -> None:
    body = shared.api.get("").json()
    assert body == {"status": "ok", "data": {"version": __version__}, "message": None}


def test_every_path_answers_with_and_without_its_slash_and_never_redirects(shared: Server) -> None:
    build_id = shared.submit("slashes")
    shared.fail(build_id, "so that nothing waits")
    values = {
        "build": str(build_id),
        "namespace": "default",
        "name": "slashes",
        "file": "style.css",
        "document": "permissions",
        "token": "9",
        "other": "1",
    }
    seen = 0
    for route in ROUTES:
        for method, _ in verbs_of(route):
            if (method, route.path) in (("post", "logout/"), ("delete", "api/v1/build/{build}/")):
                continue  # these change what they answer
            if (method, route.path) == ("delete", "api/v1/environment/{namespace}/{name}/"):
                values = {**values, "name": "none"}
            if (method, route.path) == ("delete", "api/v1/namespace/{namespace}/"):
                values = {**values, "namespace": "none"}
            path = route.path.format(**values).strip("/")
            answers = [shared.web.request(method, path + end) for end in ("", "/")]
            statuses = {answer.status_code for answer in answers}
            assert len(statuses) == 1, (method, path, statuses)
            assert statuses <= {200, 204, 400, 403, 404, 409}, (method, path, statuses)
            values |= {"namespace": "default", "name": "slashes"}
            seen += 1
    assert seen > 45


def test_one_slash_at_the_end_of_the_query_string_is_dropped(shared: Server) -> None:
    shared.submit("query-end")
    found = shared.api.get("environment?page=1&size=1&search=query-end/").json()
    assert (found["page"], found["size"], found["count"]) == (1, 1, 1)
    assert shared.api.get("build/?page=2/").json()["page"] == 2
    assert shared.api.get("environment/?search=query-end//").json()["count"] == 0


def test_an_environment_from_its_submission_to_its_deletion(server: Server) -> None:
    build_id = server.submit("course", "ana@lab.org", environment_description="First year")
    path = "environment/ana%40lab.org/course/"
    found = data_of(server.api.get(path))
    build = found["current_build"]
    assert found["namespace"]["name"] == "ana@lab.org"
    assert (found["name"], found["description"], found["current_build_id"]) == ("course", "First year", build_id)
    assert (build["status"], build["size"], build["packages"], build["build_artifacts"]) == ("QUEUED", 0, None, [])
    assert build["specification"]["spec"]["dependencies"] == ["numpy", "python=3.11"]
    assert set(build["specification"]["spec"]) >= {"name", "channels", "dependencies", "description", "prefix"}
    assert isinstance(server.app.executor, NeverExecutor) and server.app.executor.submitted == [build_id]
    assert server.api.put(path, json={"description": "Second year"}).json()["status"] == "ok"
    refused(server.api.put(path, json={"build_id": build_id}), 400, "bad_input", "COMPLETED")
    server.complete(build_id)
    data_of(server.api.put(path, json={"build_id": build_id}))
    assert data_of(server.api.get(path))["description"] == "Second year"
    assert server.api.delete(path).status_code == 200
    refused(server.api.get(path), 404, "environment_not_found", "ana@lab.org/course")
    refused(server.api.get(f"build/{build_id}/"), 404, "build_not_found")
    assert server.api.get("environment/").json()["count"] == 0
    server.submit("course", "ana@lab.org")
    assert data_of(server.api.get(path))["id"] != found["id"]


def test_times_are_naive_utc(shared: Server) -> None:
    build = data_of(shared.api.get(f"build/{shared.submit('times')}/"))
    for text in (build["scheduled_on"], build["specification"]["created_on"]):
        time = datetime.fromisoformat(text)
        assert time.tzinfo is None and not text.endswith("Z")
    assert build["started_on"] is None and build["ended_on"] is None


def test_a_build_of_another_environment_cannot_be_current(shared: Server) -> None:
    first, other = shared.submit("own"), shared.submit("other")
    shared.complete(other)
    body = refused(shared.api.put("environment/default/own/", json={"build_id": other}), 400, "bad_input")
    assert str(other) in body["message"]
    assert data_of(shared.api.get("environment/default/own/"))["current_build_id"] == first


def test_a_later_build_becomes_current_when_it_completed(shared: Server) -> None:
    first = shared.submit("later")
    answer = shared.api.put(f"build/{first}/").json()
    second = answer["data"]["build_id"]
    assert answer["message"] == "rebuild triggered" and second > first
    current = [data_of(shared.api.get("environment/default/later/"))["current_build_id"]]
    shared.complete(second)
    current.append(data_of(shared.api.get("environment/default/later/"))["current_build_id"])
    assert current == [first, second]


def test_cancel_and_delete(shared: Server) -> None:
    build_id = shared.submit("cancel")
    refused(shared.api.delete(f"build/{build_id}/"), 400, "bad_input", "QUEUED")
    answer = shared.api.put(f"build/{build_id}/cancel/").json()
    assert answer["message"] == f"build {build_id} canceled" and answer["status"] == "ok"
    assert data_of(shared.api.get(f"build/{build_id}/"))["status"] == "CANCELED"
    refused(shared.api.put(f"build/{build_id}/cancel/"), 409, "build_ended")
    assert shared.api.delete(f"build/{build_id}/").status_code == 200
    refused(shared.api.get(f"build/{build_id}/"), 404, "build_not_found")
    assert data_of(shared.api.get("environment/default/cancel/"))["current_build_id"] is not None


def test_deleting_the_current_build_goes_back_to_the_one_before(shared: Server) -> None:
    builds = [shared.submit("back"), shared.submit("back")]
    for build_id in builds:
        shared.complete(build_id)
    shared.api.delete(f"build/{builds[1]}/").raise_for_status()
    assert data_of(shared.api.get("environment/default/back/"))["current_build_id"] == builds[0]


def test_failures_say_why(shared: Server) -> None:
    build_id = shared.submit("fails")
    shared.fail(build_id, "numpy 3 does not exist")
    build = data_of(shared.api.get(f"build/{build_id}/"))
    assert (build["status"], build["status_info"]) == ("FAILED", "numpy 3 does not exist")
    refused(shared.api.get(f"build/{build_id}/archive/"), 404, "artifact_missing", "numpy 3 does not exist")
    assert shared.api.get(f"build/{build_id}/logs/").text.endswith("numpy 3 does not exist\n")


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_broken_specifications_are_refused_with_their_place(shared: Server, case: Broken) -> None:
    source = case.source if isinstance(case.source, str) else case.source.decode("utf-8", "surrogateescape")
    try:
        source.encode()
    except UnicodeEncodeError:
        pytest.skip("JSON has no place for bytes that are no text")
    answer = shared.api.post("specification/", json={"specification": source})
    assert answer.status_code == 400, answer.text
    body = answer.json()
    if body["code"] == "specification_invalid" and case.name != "a lockfile":  # that is read as one
        assert any(
            (problem["line"], case.culprit in problem["message"]) == (case.line, True) for problem in body["errors"]
        )
    assert body["message"] and "Traceback" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"specification": 7}',
        b'{"specification": null}',
        b'{"specification": "\\ud800"}',
        b'{"specification": "a\\u0000b"}',
        b'{"specification": "name: a\\ndependencies: [b]", "namespace": "a/b"}',
        b'{"specification": "name: a\\ndependencies: [b]", "namespace": "a*"}',
        b'{"specification": "name: a\\ndependencies: [b]", "namespace": "a:b"}',
        b'{"specification": "name: a\\ndependencies: [b]", "namespace": ".."}',
        b'{"specification": "name: a\\ndependencies: [b]", "namespace": " a"}',
        b'{"specification": "name: a\\ndependencies: [b]", "namespace": "' + b"n" * 101 + b'"}',
        b'{"specification": "name: a\\ndependencies: [b]", "namespace": "conda-store-dynamic"}',
        b'{"specification": "name: a\\ndependencies: [b]", "namespace": 3}',
        b'{"specification": "dependencies: [b]", "environment_name": "bad/name"}',
        b'{"specification": "a", "is_lockfile": true}',
        b'{"specification": "a", "is_lockfile": "maybe"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"specification":' * 50_000,
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
def test_bad_bodies_are_400(shared: Server, body: bytes) -> None:
    answer = shared.api.post("specification/", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["status"] == "error" and answer.json()["message"]


@pytest.mark.parametrize(
    "path",
    [
        "build/0/",
        "build/-1/",
        "build/2147483648/",
        "build/99999999999999999999999/",
        "build/abc/",
        "build/1.5/",
        "build/%D9%A3/",
        "build/?page=0",
        "build/?page=-1",
        "build/?page=99999999999999999999",
        "build/?size=-1",
        "build/?size=x",
        "build/?environment_id=99999999999999999999",
        "environment/?page=x",
        "environment/?search=%00",
        "environment/?search=%FF",
        "../v2/environment/?cursor=nonsense",
        "../v2/environment/?cursor=WyJhIl0=",
        "../v2/environment/?cursor=W10=",
        "../v2/environment/?cursor=WzEsMiwzXQ==",
        "../v2/environment/?limit=-3",
        "build/{build}/archive/?format=rar",
    ],
)
def test_bad_numbers_and_texts_are_400(shared: Server, path: str) -> None:
    build_id = shared.submit("bad-paths")
    answer = httpx.get(
        f"{shared.root}{shared.app.prefix}api/v1/".replace("v1/", "v2/", "../v2" in path)
        + path.removeprefix("../v2/").format(build=build_id)
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["status"] == "error"


@pytest.mark.parametrize(
    "path", ["nothing/", "build/1/nothing/", "environment/%FF/a/", "environment/a%00/b/", "//build/"]
)
def test_unknown_paths_are_404_in_the_envelope(shared: Server, path: str) -> None:
    answer = httpx.get(f"{shared.root}{shared.app.prefix}api/v1/{path}")
    refused(answer, 404, "not_found")


def test_unknown_methods_are_405(shared: Server) -> None:
    for method in ("PATCH", "DELETE", "HEAD", "TRACE", "PROPFIND"):
        assert shared.api.request(method, "environment/").status_code == 405


def test_pages_by_number(server: Server) -> None:
    names = [f"e{number}" for number in range(5)]
    for name in reversed(names):
        server.submit(name)
    whole = server.api.get("environment/").json()
    assert [row["name"] for row in whole["data"]] == names
    assert (whole["count"], whole["page"], whole["size"]) == (5, 1, 5)
    assert all(row["current_build"] is None for row in whole["data"])
    pages = [server.api.get("environment/", params={"page": n, "size": 2}).json() for n in (1, 2, 3, 4)]
    assert [[row["name"] for row in page["data"]] for page in pages] == [names[:2], names[2:4], names[4:], []]
    assert {(page["size"], page["count"]) for page in pages} == {(2, 5)}
    capped = server.api.get("environment/", params={"page": 1, "size": 10**9}).json()
    assert capped["size"] == 100 and len(capped["data"]) == 5
    assert server.api.get("environment/", params={"size": 0}).json()["size"] == 100
    down = server.api.get("environment/", params={"sort_by": "name", "order": "desc"}).json()
    assert [row["name"] for row in down["data"]] == names[::-1]
    odd = server.api.get("environment/", params={"sort_by": "password", "order": "sideways"}).json()
    assert [row["name"] for row in odd["data"]] == names


def test_pages_by_cursor(server: Server) -> None:
    for namespace, name in (("b", "x"), ("a", "y"), ("a", "x"), ("B", "x"), ("c", "x")):
        server.submit(name, namespace)
    for order in ("asc", "desc"):
        found: list[str] = []
        cursor: str | None = None
        while True:
            params = {"limit": 2, "order": order, **({"cursor": cursor} if cursor else {})}
            page = server.web.get("api/v2/environment/", params=params).json()
            found += [f"{row['namespace']['name']}/{row['name']}" for row in page["data"]]
            assert page["count"] == 5 and all(row["current_build"] is None for row in page["data"])
            cursor = page["cursor"]
            if cursor is None:
                break
            assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")
        assert found == sorted(["b/x", "a/y", "a/x", "B/x", "c/x"], reverse=order == "desc")


def test_filters(server: Server) -> None:
    done, queued = server.submit("Done_1", "lab"), server.submit("queued", "lab")
    server.submit("Done-1", "other")
    server.complete(done, LOCKFILE=b"{}")

    def names(**params: Any) -> list[str]:
        rows = server.api.get("environment/", params=params).json()
        assert rows["count"] == len(rows["data"])
        return [f"{row['namespace']['name']}/{row['name']}" for row in rows["data"]]

    assert names(search="done") == ["lab/Done_1", "other/Done-1"]
    assert names(search="_") == ["lab/Done_1"] and names(search="%") == []
    assert names(search="") == ["lab/Done_1", "lab/queued", "other/Done-1"]
    assert names(namespace="lab", status="QUEUED") == ["lab/queued"]
    assert names(name="queued") == ["lab/queued"] and names(status="NONSENSE") == []
    assert names(artifact="LOCKFILE") == ["lab/Done_1"] and names(packages=["numpy"]) == []
    builds = server.api.get("build/", params={"namespace": "lab", "sort_by": "id", "order": "desc"}).json()["data"]
    assert [build["id"] for build in builds] == [queued, done]
    assert all(build["specification"] is None and build["build_artifacts"] is None for build in builds)
    assert server.api.get("build/", params={"status": "COMPLETED"}).json()["count"] == 1
    assert server.api.get("build/", params={"artifact": "LOCKFILE"}).json()["data"][0]["id"] == done


def test_a_posted_lockfile_comes_back_byte_for_byte(shared: Server) -> None:
    build_id = shared.submit(
        "locked", text=LOCKFILE.replace("{", "{{").replace("}", "}}"), is_lockfile=True, environment_name="locked"
    )
    for path in ("lockfile/", "conda-lock.yml", "conda-lock.yaml"):
        assert shared.api.get(f"build/{build_id}/{path}").text == LOCKFILE
    spec = data_of(shared.api.get(f"build/{build_id}/"))["specification"]["spec"]
    assert set(spec) == {"name", "description", "lockfile"} and spec["lockfile"] == json.loads(LOCKFILE)
    assert "tzdata" in shared.api.get(f"build/{build_id}/yaml/").text


def test_a_lockfile_without_a_name_is_refused(shared: Server) -> None:
    answer = shared.api.post("specification/", json={"specification": LOCKFILE, "is_lockfile": True})
    refused(answer, 400, "specification_invalid", "name")


def test_yaml_is_there_at_once_for_build_and_environment(shared: Server) -> None:
    build_id = shared.submit("yaml")
    for path in (f"build/{build_id}/yaml/", "environment/default/yaml/yaml/"):
        answer = shared.api.get(path)
        assert answer.text.startswith("name: yaml\n") and answer.headers["content-type"] == "application/yaml"


def test_the_image_reference(shared: Server) -> None:
    build_id = shared.submit("Image", "ana@lab.org")
    answer = shared.api.get(f"build/{build_id}/docker/")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith(f"127.0.0.1:{shared.port}/ana--40lab.org/x--49mage:")
    whole = data_of(shared.api.get(f"build/{build_id}/docker/", headers={"Accept": "application/json"}))
    assert whole == {"image": answer.text, "digest": None, "tags": []}
    shared.fail(build_id, "nothing provides numpy")
    missing = shared.api.get(f"build/{build_id}/docker/")
    refused(missing, 404, "artifact_missing", "is FAILED: nothing provides numpy")


def test_images_are_pulled_from_the_host_that_is_configured(tmp_path: Path) -> None:
    with running(tmp_path, image_host="Hub.example.org:8443") as server:
        build_id = server.submit("one")
        assert server.api.get(f"build/{build_id}/docker/").text.startswith("hub.example.org:8443/default/one:")
        server.complete(build_id)
        for page in ("", "environment/default/one/", f"build/{build_id}/"):
            assert "hub.example.org:8443/default/one" in server.web.get(page).text


@pytest.mark.parametrize("host", ["https://hub.example.org", "hub.example.org/x", "a b"])
def test_a_host_of_images_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(TraitError, match=r"c\.CondaStore\.image_host: .* is not the host of a registry"):
        CondaStore(image_host=host)


def test_namespaces(server: Server) -> None:
    server.submit("a", "lab")
    assert server.api.post("namespace/data ml/").status_code == 200
    refused(server.api.post("namespace/lab/"), 409, "namespace_exists")
    refused(server.api.post("namespace/a%2Fb/"), 404, "not_found")
    refused(server.api.post("namespace/a:b/"), 400, "bad_input")
    page = server.api.get("namespace/").json()
    assert [row["name"] for row in page["data"]] == ["data ml", "lab"] and page["count"] == 2
    assert data_of(server.api.get("namespace/lab/"))["metadata_"] == {}
    refused(server.api.get("namespace/none/"), 404, "namespace_not_found")


def test_openapi_describes_every_route_and_nothing_else(shared: Server) -> None:
    document = shared.web.get("api/openapi.json").json()
    assert document == shared.web.get("openapi.json").json()
    assert document["openapi"].startswith("3.1")
    described = {(path, method) for path, verbs in document["paths"].items() for method in verbs}
    answered = {
        (f"/{route.path}", method)
        for route in ROUTES
        if route.path.startswith("api/")
        for method in METHODS
        if hasattr(getattr(route.handler, method), "permission")
    }
    assert described == answered and len(described) > 30
    for path, verbs in document["paths"].items():
        for method, verb in verbs.items():
            named = {one["name"] for one in verb["parameters"] if one["in"] == "path"}
            assert named == {piece.strip("{}") for piece in path.split("/") if piece.startswith("{")}, (path, method)
    identifiers = [verb["operationId"] for verbs in document["paths"].values() for verb in verbs.values()]
    assert len(set(identifiers)) == len(identifiers)
    references = set(find_references(document))
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references <= schemas


def find_references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from find_references(value)
    elif isinstance(node, list):
        for value in node:
            yield from find_references(value)


def test_permission_tells_patterns(shared: Server) -> None:
    found = data_of(shared.api.get("permission/"))
    assert found["authenticated"] and found["primary_namespace"] == "default" and found["expiration"] is None
    assert found["entity_roles"] == {"*/*": ["admin"]}
    assert "environment:create" in found["entity_permissions"]["*/*"]
    assert found["entity_permissions"]["*/*"] == sorted(found["entity_permissions"]["*/*"])


def test_health_ready_and_metrics(shared: Server) -> None:
    assert shared.web.get("health").json() == {"status": "ok"}
    assert shared.web.get("ready/").json() == {"status": "ok"}
    metrics = shared.web.get("metrics").text
    for name in ("environments", "build_queued", "build_completed", "disk_free", "disk_total", "disk_usage"):
        assert f"\nconda_store_{name} " in metrics


def test_what_is_accepted_all_the_same_is_told(shared: Server) -> None:
    text = "name: exported\nchannels: [conda-forge]\ndependencies: [python]\nprefix: /home/ana/envs/exported\n"
    answer = shared.api.post("specification/", json={"specification": text}).json()["data"]
    (warning,) = answer["warnings"]
    assert (warning["line"], warning["column"], warning["path"]) == (4, 1, "prefix")
    assert "is ignored" in warning["message"]
    plain = shared.api.post("specification/", json={"specification": text.partition("prefix")[0]}).json()["data"]
    assert plain == {"build_id": answer["build_id"] + 1, "warnings": []}
