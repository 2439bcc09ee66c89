"""The real conda-store behind a real Jupyter server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.jobs import until
from tests.jupyter_servers import JupyterServer, running_jupyter
from tests.people import client_of, peopled
from tests.server import YAML, Server, running

SECONDS = 30


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A conda-store that knows Ana and Ben."""
    with peopled(tmp_path_factory.mktemp("store"), {"ana": ["data"], "ben": []}) as server:
        yield server


def token_of(store: Server, name: str) -> str:
    """A token that somebody made."""
    with client_of(store, name) as http:
        return str(http.post("token/", json={}).json()["data"]["token"])


@pytest.fixture(scope="module")
def jupyter(store: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """Ana's Jupyter server."""
    url, token = f"{store.root}{store.app.prefix}", token_of(store, "ana")
    with running_jupyter(tmp_path_factory.mktemp("jupyter"), url=url, token=token) as server:
        yield server


def submit(jupyter: JupyterServer, name: str, namespace: str = "data") -> int:
    """Post a specification through the Jupyter server; the number of its build."""
    body = {"specification": YAML.format(name=name), "namespace": namespace}
    answer = jupyter.http.post("api/v1/specification/", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["build_id"])


def archived(store: Server, build_id: int, parts: list[bytes]) -> bytes:
    """Let a build end with an archive of these parts; its bytes."""
    listing = {"etag": '"abc"', "parts": [[store.storage.put_blob(part), len(part)] for part in parts]}
    store.complete(build_id, CONDA_PACK=json.dumps(listing).encode())
    return b"".join(parts)


def test_environments_are_made_read_changed_and_deleted(jupyter: JupyterServer, store: Server) -> None:
    build_id = submit(jupyter, "course", "ana")
    store.complete(build_id)
    api = jupyter.http
    assert api.get("api/v1/environment/ana/course/").json()["data"]["current_build_id"] == build_id
    assert api.put("api/v1/environment/ana/course/", json={"description": "ü"}).status_code == 200
    answer = api.get("api/v1/environment/", params={"search": "course", "page": 1, "size": 5})
    assert [one["description"] for one in answer.json()["data"]] == ["ü"]
    assert [one["name"] for one in api.get("api/v2/environment/").json()["data"]] == ["course"]
    assert api.delete("api/v1/environment/ana/course/").status_code == 200
    gone = api.get("api/v1/environment/ana/course/")
    assert (gone.status_code, gone.json()["code"]) == (404, "environment_not_found")


def test_the_panel_is_told_who_it_speaks_for(jupyter: JupyterServer, store: Server) -> None:
    told = jupyter.http.get("connection/").json()
    assert (told["state"], told["user"], told["message"]) == ("ok", "ana", "")
    assert told["url"] == f"{store.root}{store.app.prefix}".rstrip("/") and told["version"]


def test_a_log_comes_live_and_goes_on_where_it_was(jupyter: JupyterServer, store: Server) -> None:
    build_id = submit(jupyter, "live")
    path = f"api/v1/build/{build_id}/events/"
    with jupyter.http.stream("GET", path) as answer:
        lines = answer.iter_lines()
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert any("QUEUED" in line for line in lines)
        lease = store.begin(build_id)
        assert any("BUILDING" in line for line in lines)
        store.tell(lease, "one")
        last = next(line for line in lines if line.startswith("id: "))
        assert any('"one"' in line for line in lines)
    store.tell(lease, "two")
    store.fail_with(lease, "over")
    rest = jupyter.http.get(path, headers={"Last-Event-ID": last.removeprefix("id: ")}).text
    assert '"two"' in rest and "FAILED" in rest and '"one"' not in rest
    ended = rest.rpartition("id: ")[2].partition("\n")[0]
    assert jupyter.http.get(path, headers={"Last-Event-ID": ended}).status_code == 204


def test_a_panel_that_closes_is_forgotten_by_conda_store(jupyter: JupyterServer, store: Server) -> None:
    build_id = submit(jupyter, "left")
    watcher = store.app.service.watcher
    with jupyter.http.stream("GET", f"api/v1/build/{build_id}/events/") as answer:
        assert next(answer.iter_lines()) and build_id in watcher._feeds
    until(lambda: build_id not in watcher._feeds)


def test_an_archive_comes_whole_in_parts_and_into_the_folder(jupyter: JupyterServer, store: Server) -> None:
    build_id = submit(jupyter, "archived")
    whole = archived(store, build_id, [b"a" * 700_000, b"b" * 3, b"c" * 600_001])
    path = f"api/v1/build/{build_id}/archive/"
    answer = jupyter.http.get(path)
    assert answer.content == whole and answer.headers["ETag"] == '"abc"'
    assert f'archived-{build_id}.tar.gz"' in answer.headers["Content-Disposition"]
    part = jupyter.http.get(path, headers={"Range": "bytes=699999-700003"})
    assert (part.status_code, part.content) == (206, whole[699_999:700_004])
    assert part.headers["Content-Range"] == f"bytes 699999-700003/{len(whole)}"
    beyond = jupyter.http.get(path, headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    assert jupyter.http.get(path, headers={"If-None-Match": '"abc"'}).status_code == 304
    head = jupyter.http.head(path)
    assert (head.headers["Content-Length"], head.content) == (str(len(whole)), b"")
    saved = jupyter.save(path).json()
    assert saved["size"] == len(whole) and saved["path"].endswith(f"archived-{build_id}.tar.gz")
    assert (jupyter.folder / saved["path"]).read_bytes() == whole


def test_what_a_person_may_not_do_says_conda_store(jupyter: JupyterServer, store: Server) -> None:
    with client_of(store, "ben") as ben:
        ben.post("specification/", json={"specification": YAML.format(name="own"), "namespace": "ben"})
    answer = jupyter.http.get("api/v1/environment/ben/own/")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert jupyter.save("api/v1/environment/ben/own/yaml/").status_code == 403


def test_a_token_that_was_revoked_is_told(jupyter: JupyterServer, store: Server) -> None:
    before = jupyter.connection.token
    jupyter.connection.token = token_of(store, "ana")
    try:
        with client_of(store, "ana") as ana:
            newest = max(one["id"] for one in ana.get("token/").json()["data"])
            assert jupyter.http.get("connection/").json()["state"] == "ok"
            assert ana.delete(f"token/{newest}/").status_code == 200
        told = jupyter.http.get("connection/").json()
        assert (told["state"], told["user"]) == ("refused", None) and "token" in told["message"]
        answer = jupyter.http.get("api/v1/environment/ana/course/")
        assert (answer.status_code, answer.json()["code"]) == (403, "credentials_invalid")
    finally:
        jupyter.connection.token = before


def test_a_conda_store_that_goes_away_is_told_and_is_found_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/a%40b/"
    with running_jupyter(tmp_path / "jupyter", url=url) as jupyter:
        for _ in range(2):
            told = jupyter.http.get("api/v1/")
            assert (told.status_code, told.json()["code"]) == (502, "conda_store_unreachable")
            assert jupyter.http.get("connection/").json()["state"] == "unreachable"
            with running(tmp_path / "store", port=port) as store:
                assert jupyter.http.get("api/v1/").json()["data"]["version"]
                build_id = store.submit("again")
                with jupyter.http.stream("GET", f"api/v1/build/{build_id}/events/") as answer:
                    lines = answer.iter_lines()
                    next(lines)
                    store.loop.call_soon_threadsafe(store.app.service.watcher.close)
                    with suppress(httpx.RemoteProtocolError):
                        assert [line for line in lines if line.startswith("event: ") and "status" not in line] == []
