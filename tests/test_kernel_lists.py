"""`kernel/`: which builds hold a Jupyter kernel, as their prefixes say, or their packages where there is no prefix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conda_store.builds import states
from conda_store.builds.states import ArtifactState, ArtifactType
from conda_store.client import Client, Kernel
from conda_store.packages.kernels import kernels_in
from tests.people import client_of, header_of, peopled
from tests.server import Server, running
from tests.test_rest_lists import has


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("kernels")) as server:
        yield server


def kernel(prefix: Path, name: str, **said: Any) -> None:
    """Put a kernel into a prefix."""
    path = prefix / "share" / "jupyter" / "kernels" / name / "kernel.json"
    path.parent.mkdir(parents=True)
    (prefix / "conda-meta").mkdir(exist_ok=True)
    path.write_text(json.dumps(said))


def completed(server: Server, name: str, prefix: Path | None = None, namespace: str = "default") -> int:
    """A build that has ended well, with its prefix."""
    build_id = server.submit(name, namespace)
    lease = server.begin(build_id)
    with server.app.database.write() as session:
        if prefix is not None:
            states.set_artifact(session, lease, ArtifactType.DIRECTORY, ArtifactState.READY, str(prefix), 1)
        states.complete(session, lease, size=1)
        assert states.release(session, lease)
    return build_id


def listed(server: Server, **params: Any) -> dict[int, dict[str, Any]]:
    """Rows by the number of their build."""
    answer = server.api.get("kernel/", params=params)
    assert answer.status_code == 200, answer.text
    return {row["build_id"]: row for row in answer.json()["data"]}


def test_builds_are_listed_with_the_kernels_in_their_prefixes(server: Server, tmp_path: Path) -> None:
    both, none = tmp_path / "both", tmp_path / "none"
    kernel(both, "python3", argv=["python"], display_name="Python 3", language="python")
    kernel(both, "ir", argv=["R"], language="R")
    (none / "conda-meta").mkdir(parents=True)
    older, newer = completed(server, "both", both), completed(server, "both", both)
    without = completed(server, "none", none)
    running_ = server.submit("both")
    found = listed(server)
    assert newer in found and not {older, without, running_} & found.keys()
    assert found[newer] == {
        "namespace": "default",
        "environment": "both",
        "build_id": newer,
        "current": True,
        "digest": None,
        "prefix": str(both),
        "kernels": [
            {"name": "ir", "display_name": "ir", "language": "R"},
            {"name": "python3", "display_name": "Python 3", "language": "python"},
        ],
    }
    named = listed(server, build=[older, newer, without, 999], name="both")
    assert {number: row["current"] for number, row in named.items()} == {older: False, newer: True}
    assert listed(server, name="other") == {} and listed(server, namespace="other") == {}
    server.api.put("environment/default/both/", json={"build_id": older})
    assert older in listed(server) and newer not in listed(server)
    server.api.delete(f"build/{older}/")
    assert older not in listed(server, name="both", build=[older])
    assert server.api.get("kernel/", params={"build": "x"}).status_code == 400


def test_without_a_prefix_packages_say_what_is_to_be_expected(server: Server, tmp_path: Path) -> None:
    build_id = server.submit("far")
    has(server, build_id, ipykernel="7.1", numpy="2.4")
    lease = server.begin(build_id)
    with server.app.database.write() as session:
        key = str(tmp_path / "on-another-machine")
        states.set_artifact(session, lease, ArtifactType.DIRECTORY, ArtifactState.READY, key, 1)
        states.complete(session, lease, size=1)
    assert [one["name"] for one in listed(server, name="far")[build_id]["kernels"]] == ["python3"]


def test_what_has_not_changed_is_not_sent_again(server: Server, tmp_path: Path) -> None:
    kernel(tmp_path, "python3", argv=["python"], display_name="Python 3", language="python")
    first = server.api.get("kernel/")
    tag = first.headers["etag"]
    again = server.api.get("kernel/", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    build_id = completed(server, "etag", tmp_path)
    late = server.api.get("kernel/", headers={"If-None-Match": tag})
    assert late.status_code == 200 and late.headers["etag"] != tag
    with Client(f"{server.root}{server.app.prefix}") as client:
        found = client.changed_kernels("", [])
        assert found is not None and client.changed_kernels(found[0], []) is None
        (row,) = [one for one in found[1] if one.build_id == build_id]
        assert row.kernels == (Kernel("python3", "Python 3", "python"),)
        assert client.kernels("default", "etag") == [row]


def test_nobody_sees_kernels_that_are_not_theirs(tmp_path: Path) -> None:
    kernel(tmp_path / "p", "python3", argv=["python"])
    grants = {"ana": {"lab/*": "admin"}, "bob": {"other/*": "viewer"}}
    options = {"PeopleAuthenticator__grants": grants}
    with peopled(tmp_path / "s", {"ana": [], "bob": []}, **options) as server:
        server.api.headers.update(header_of("ana"))
        build_id = completed(server, "secret", tmp_path / "p", "lab")
        for name, expected in (("ana", [build_id]), ("bob", [])):
            with client_of(server, name) as client:
                rows = client.get("kernel/", params={"build": build_id}).json()["data"]
            assert [one["build_id"] for one in rows] == expected


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"argv": []}', '{"argv": "python"}', " " * 70_000, "\xff"])
def test_a_kernel_that_says_nothing_of_use_is_none(tmp_path: Path, text: str) -> None:
    kernel(tmp_path, "good", argv=["python"], display_name=3 * ["x"], language=None)
    kernel(tmp_path, "bad")
    (tmp_path / "share/jupyter/kernels/bad/kernel.json").write_text(text, encoding="latin-1")
    (tmp_path / "share/jupyter/kernels/empty").mkdir()
    found = kernels_in(tmp_path)
    assert found is not None and [one.name for one in found] == ["good"]
    assert kernels_in(tmp_path / "missing") is None
