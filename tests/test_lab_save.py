"""Downloads that a Jupyter server saves in the file browser's folder: whole or not at all, and over nothing."""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from jupyter_server.services.contents.manager import AsyncContentsManager

from tests.jobs import until
from tests.jupyter_servers import BASE, TOKEN, JupyterServer, running_jupyter
from tests.odd_server import OddServer, Reply, odd_server, refused
from tests.raw_server import raw_server, until_closed
from tests.test_outcomes import small_disk

LOCK = "api/v1/build/7/lockfile/"
BYTES = bytes(range(256)) * 20_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Jupyter server that is used again and again."""
    with running_jupyter(tmp_path_factory.mktemp("jupyter"), token="t") as one:  # noqa: S106
        yield one


@pytest.fixture
def jupyter(server: JupyterServer, tmp_path: Path) -> JupyterServer:
    """The same with an empty folder."""
    server.folder = tmp_path / "files"
    server.folder.mkdir()
    server.app.contents_manager.root_dir = str(server.folder)
    return server


@pytest.fixture
def odd(jupyter: JupyterServer) -> Iterator[OddServer]:
    """A conda-store that does as it is told; it has a lockfile."""
    with odd_server() as one:
        jupyter.connection.url = one.url
        headers = {"Content-Disposition": 'attachment; filename="conda-lock.yml"'}
        one.replies["GET build/7/lockfile/"] = [Reply(200, BYTES, headers)]
        yield one


def files(jupyter: JupyterServer) -> dict[str, bytes]:
    """What is in the folder, hidden files too."""
    found = jupyter.folder.rglob("*")
    return {path.relative_to(jupyter.folder).as_posix(): path.read_bytes() for path in found if path.is_file()}


def check_nothing(jupyter: JupyterServer, answer: httpx.Response, status: int, code: str) -> str:
    """Refused, and nothing is left; the message."""
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, "error", code), told
    assert files(jupyter) == {}
    return str(told["message"])


def test_a_download_is_saved_under_its_own_name_and_never_over_a_file(jupyter: JupyterServer, odd: OddServer) -> None:
    (jupyter.folder / "data").mkdir()
    told = [jupyter.save(LOCK, directory=one) for one in ("data", "/data/", "data")]
    assert [one.status_code for one in told] == [201] * 3
    names = ["data/conda-lock.yml", "data/conda-lock (1).yml", "data/conda-lock (2).yml"]
    assert [one.json() for one in told] == [{"path": name, "size": len(BYTES)} for name in names]
    assert files(jupyter) == dict.fromkeys(names, BYTES)
    assert odd.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("a.tar.gz", "a (1).tar.gz"),
        ("a.spdx.json", "a (1).spdx.json"),
        ("py3.11", "py3 (1).11"),
        ("a", "a (1)"),
        ("ü ß.yml", "ü ß (1).yml"),
    ],
)
def test_a_name_may_be_given(jupyter: JupyterServer, odd: OddServer, name: str, second: str) -> None:
    for expected in (name, second):
        assert jupyter.save(LOCK, name=name).json()["path"] == expected
    assert set(files(jupyter)) == {name, second}


@pytest.mark.parametrize("name", ["../a", "a/b", "a\\b", ".hidden", "..", " ", "a\nb", "a\x00"])
def test_a_name_leads_nowhere(jupyter: JupyterServer, odd: OddServer, name: str) -> None:
    check_nothing(jupyter, jupyter.save(LOCK, name=name), 400, "bad_input")
    assert odd.asked == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename=".bashrc"', "bashrc"),
        ("attachment; filename*=UTF-8''%C3%BC.yml", "ü.yml"),
        ("attachment", "conda-lock.yml"),
        ('attachment; filename=""', "conda-lock.yml"),
        ('attachment; filename="a\\b.yml"', "b.yml"),
        ("attachment; filename*=UTF-8''a%00b", "conda-lock.yml"),
    ],
)
def test_the_name_that_a_server_gives_leads_nowhere(
    jupyter: JupyterServer, odd: OddServer, given: str, expected: str
) -> None:
    odd.replies["GET build/7/lockfile/"] = [Reply(200, b"x", {"Content-Disposition": given})]
    assert jupyter.save(LOCK).json() == {"path": expected, "size": 1}


@pytest.mark.parametrize(
    "path",
    [
        "api/v1/build/7/",
        "api/v1/token/",
        "api/v1/build/7/docker/",
        "api/v1/build/7/events/",
        "api/v1/build/../../metrics",
        "api/v1/environment/../x/yaml/",
        "api/v1/environment/a%2f..%2fb/c/yaml/",
        "api/v1/build/7/archive/?format=gz&x=1",
        "https://evil.example/api/v1/build/7/yaml/",
        "/api/v1/build/7/yaml/",
        "",
    ],
)
def test_only_what_builds_leave_is_saved(jupyter: JupyterServer, odd: OddServer, path: str) -> None:
    answer = jupyter.save(path)
    check_nothing(jupyter, answer, 400, "path_refused" if path else "bad_input")
    assert odd.asked == []


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"path": 7}', b'{"path": "x", "directory": 7}', b""])
def test_a_malformed_request_is_refused(jupyter: JupyterServer, odd: OddServer, body: bytes) -> None:
    answer = jupyter.http.post("save/", content=body)
    assert (answer.status_code, answer.json()["status"]) == (400, "error")


def test_every_artifact_can_be_saved(jupyter: JupyterServer, odd: OddServer) -> None:
    kinds = ["yaml/", "lockfile/", "conda-lock.yml", "archive/", "archive/?format=zst", "installer/", "sbom/", "logs/"]
    subjects = ["build/7", "environment/data/a%20b"]
    paths = [f"{subject}/{kind}" for subject in subjects for kind in kinds]
    for path in paths:
        odd.replies[f"GET {path.partition('?')[0]}"] = [Reply(200, b"x")]
        assert jupyter.save(f"api/v1/{path}").status_code == 201
    assert [one.path for one in odd.asked] == paths


def test_no_folder_outside_of_the_file_browser_is_written(jupyter: JupyterServer, odd: OddServer) -> None:
    outside = jupyter.folder.parent / "outside"
    outside.mkdir()
    (jupyter.folder / "link").symlink_to(outside)
    (jupyter.folder / ".hidden" / "a").mkdir(parents=True)
    for folder in ("..", "../outside", "link", ".hidden", ".hidden/a", "a/../../outside", "a\x00b"):
        message = check_nothing(jupyter, jupyter.save(LOCK, directory=folder), 400, "folder_refused")
        assert "file browser" in message
    assert list(outside.iterdir()) == [] and odd.asked == []
    message = check_nothing(jupyter, jupyter.save(LOCK, directory="missing"), 404, "folder_not_found")
    assert "'missing'" in message


def test_a_link_inside_of_the_folder_is_followed(jupyter: JupyterServer, odd: OddServer) -> None:
    (jupyter.folder / "data").mkdir()
    (jupyter.folder / "link").symlink_to(jupyter.folder / "data")
    assert jupyter.save(LOCK, directory="link").json()["path"] == "link/conda-lock.yml"


def test_what_conda_store_refuses_is_told_in_its_words(jupyter: JupyterServer, odd: OddServer) -> None:
    odd.replies["GET build/7/lockfile/"] = [refused(403, "permission_denied", "You may not.")]
    assert check_nothing(jupyter, jupyter.save(LOCK), 403, "permission_denied") == "You may not."
    odd.replies["GET build/7/lockfile/"] = [Reply(200, b"<html>", {"Content-Type": "text/html"})]
    check_nothing(jupyter, jupyter.save(LOCK), 502, "answer_unreadable")
    odd.replies["GET build/7/lockfile/"] = [Reply(302, b"", {"Location": "https://evil.example/x"})]
    check_nothing(jupyter, jupyter.save(LOCK), 502, "redirect_refused")
    odd.replies["GET build/7/lockfile/"] = [Reply(302, b"", {"Location": f"{odd.url}api/v1/build/8/"})]
    check_nothing(jupyter, jupyter.save(LOCK), 502, "answer_unreadable")


@pytest.mark.parametrize("cut", [Reply(200, BYTES, missing=1), Reply(200, BYTES, streamed=True)])
def test_a_download_that_breaks_off_leaves_nothing(jupyter: JupyterServer, odd: OddServer, cut: Reply) -> None:
    odd.replies["GET build/7/lockfile/"] = [cut]
    check_nothing(jupyter, jupyter.save(LOCK), 502, "conda_store_unreachable")


def test_who_leaves_cancels_and_leaves_nothing(jupyter: JupyterServer) -> None:
    begun, left = threading.Event(), threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + bytes(3_000_000))
        begun.set()
        until_closed(connection)
        left.set()

    with raw_server(talk) as url:
        jupyter.connection.url = url
        impatient = http.client.HTTPConnection("127.0.0.1", jupyter.port)
        headers = {"Authorization": f"token {TOKEN}"}
        impatient.request("POST", f"{BASE}conda-store/save/", json.dumps({"path": LOCK}), headers)
        assert begun.wait(30)
        until(lambda: files(jupyter))  # what is there of it, hidden
        impatient.close()
        assert left.wait(30)
    until(lambda: not files(jupyter))


def test_a_full_disk_is_told_and_leaves_nothing(jupyter: JupyterServer, odd: OddServer) -> None:
    assert len(BYTES) > 4 * 1024 * 1024
    with small_disk(jupyter.folder / "small", megabytes=4):
        message = check_nothing(jupyter, jupyter.save(LOCK, directory="small"), 507, "storage_full")
    assert "No room" in message


def test_a_folder_that_cannot_be_written_is_told(jupyter: JupyterServer, odd: OddServer) -> None:
    name = "x" * 254 + "ü"
    message = check_nothing(jupyter, jupyter.save(LOCK, name=name), 400, "folder_refused")
    assert os.strerror(errno.ENAMETOOLONG) in message


class ElsewhereManager(AsyncContentsManager):
    """Keeps files where no directory is."""


def test_another_contents_manager_is_refused_with_a_way_out(tmp_path: Path, odd: OddServer) -> None:
    with running_jupyter(
        tmp_path / "other", url=odd.url, ServerApp__contents_manager_class=ElsewhereManager
    ) as jupyter:
        told = jupyter.save(LOCK).json()
    assert told["code"] == "folder_elsewhere" and "with the browser" in told["message"]
