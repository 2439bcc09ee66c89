"""What namespaces hold, which packages there are, how builds differ, and the page that shows the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conda_store.builds.recording import channel_ids, insert_new, record_build_packages
from conda_store.db.orm import PackageRow
from tests.server import Server, running

VERSIONS = ("1.9", "1.10", "2025b", "1.1.1w")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("lists")) as server:
        yield server


def has(server: Server, build_id: int, **versions: str) -> None:
    """Let a build have packages."""
    with server.app.database.write() as session:
        channels = channel_ids(session, {"https://conda.example.org/ours", "https://conda.example.org/theirs"})
        rows = [
            {"channel_id": channel, "name": name, "version": version, "build": "py_0", "sha256": f"{name} {version}"}
            for name, version in versions.items()
            for channel in channels.values()
        ]
        insert_new(session, PackageRow, [row | {"summary": ""} for row in rows])
        wanted = {(row["name"], row["version"]) for row in rows}
        ours = session.query(PackageRow).filter_by(channel_id=channels["https://conda.example.org/ours"])
        record_build_packages(session, build_id, [row.id for row in ours if (row.name, row.version) in wanted])


def found(server: Server, path: str, **params: Any) -> dict[str, Any]:
    answer = server.api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_usage_counts_what_the_caller_may_read(server: Server) -> None:
    build_id = server.submit("first", "usage")
    server.complete(build_id)
    server.submit("first", "usage")
    server.submit("second", "usage")
    assert found(server, "usage")["data"]["usage"] == {"num_environments": 2, "num_builds": 3, "storage": 1000}


def test_versions_sort_as_versions_and_pages_lose_none(server: Server) -> None:
    for version in VERSIONS:
        has(server, server.submit("many"), **{"sorted": version})
    asked = {"exact": "sorted", "channel": "ours", "sort_by": "version"}
    rows = found(server, "package/", **asked)
    assert [row["version"] for row in rows["data"]] == ["1.1.1w", "1.9", "1.10", "2025b"]
    pages = [found(server, "package/", **asked, page=n, size=3, order="desc") for n in (1, 2, 3)]
    assert [[row["version"] for row in page["data"]] for page in pages] == [["2025b", "1.10", "1.9"], ["1.1.1w"], []]
    assert {(page["size"], page["count"]) for page in pages} == {(3, 4)}
    assert set(rows["data"][0]) == {"id", "channel", "name", "version", "license", "summary", "build", "sha256"}
    assert found(server, "package/", exact="sorted")["count"] == 8
    assert found(server, "package/", search="ORTE", distinct_on=["name", "channel"])["count"] == 2
    assert (
        found(server, "package/", search="orte", distinct_on="nonsense", sort_by="password", build="py")["count"] == 8
    )
    assert found(server, "package/", exact="sort")["data"] == []
    assert [found(server, "package/", search="sort", exact=word)["count"] for word in ("true", "false")] == [0, 8]
    assert found(server, "package/", search="sorted", exact="true", distinct_on="version")["count"] == 4
    channels = found(server, "channel/", order="desc")["data"]
    assert [one["name"].rpartition("/")[2] for one in channels] == ["theirs", "ours"]
    assert not channels[0]["last_update"].endswith("Z")


def test_the_difference_of_two_builds(server: Server) -> None:
    text = "name: {{name}}\nchannels: [conda-forge]\ndependencies: [{}]\nvariables: {{{{A: '{}'}}}}\n"
    one = server.submit(
        "differs", text=text.format("python 3.11.*, numpy, pip: [flask<3]".replace("pip: ", "pip: "), 1)
    )
    other = server.submit("differs", text=text.format("python 3.12.*, scipy", 2))
    has(server, one, python="3.11.1", numpy="1.26")
    has(server, other, python="3.12.1", scipy="1.15")
    data = found(server, f"build/{one}/diff/{other}")["data"]
    assert data["specification"] == {
        "added": [{"name": "dependencies.scipy", "value": "scipy"}],
        "removed": [{"name": "dependencies.numpy", "value": "numpy"}, {"name": "pip.flask", "value": "flask<3"}],
        "changed": [
            {"name": "dependencies.python", "before": "python 3.11.*", "after": "python 3.12.*"},
            {"name": "variables.A", "before": "1", "after": "2"},
        ],
    }
    ours = {"build": "py_0", "channel": "https://conda.example.org/ours"}
    assert data["packages"] == {
        "added": [{"name": "scipy", "version": "1.15", **ours}],
        "removed": [{"name": "numpy", "version": "1.26", **ours}],
        "changed": [
            {"name": "python", "before": {"version": "3.11.1", **ours}, "after": {"version": "3.12.1", **ours}}
        ],
    }
    same = found(server, f"build/{one}/diff/{one}/")["data"]
    assert [part for half in same.values() for part in half.values()] == [[]] * 6
    assert server.api.get(f"build/{one}/diff/999/").json()["code"] == "build_not_found"
    assert server.api.get(f"build/{one}/diff/{2**40}/").status_code == 400


def test_the_difference_takes_the_right_on_both_builds(server: Server) -> None:
    mine, theirs = server.submit("diff", "mine"), server.submit("diff", "theirs")
    made = server.api.post("token/", json={"role_bindings": {"mine/*": ["viewer"]}}).json()["data"]
    headers = {"Authorization": f"Bearer {made['token']}"}
    for path, status in (((mine, mine), 200), ((mine, theirs), 403), ((theirs, mine), 403), ((mine, 10**6), 403)):
        answer = server.api.get(f"build/{path[0]}/diff/{path[1]}/", headers=headers)
        assert answer.status_code == status, path


def test_jwt_narrows_a_list_to_what_a_token_sees(server: Server) -> None:
    server.submit("jwt", "narrow")
    server.submit("jwt", "wide")
    made = server.api.post("token/", json={"role_bindings": {"narrow/*": ["viewer"]}}).json()["data"]
    seen = found(server, "environment/", name="jwt", jwt=made["token"])["data"]
    assert [row["namespace"]["name"] for row in seen] == ["narrow"]
    assert found(server, "environment/", name="jwt")["count"] == 2
    wrong = server.api.get("environment/", params={"jwt": "nonsense"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "credentials_invalid")


def test_the_page_of_the_api_shows_every_path_and_asks_no_other_server(server: Server) -> None:
    page = server.web.get("docs/api/")
    assert page.status_code == 200 and "//" not in page.text.replace("://", "").replace("https:", "")
    for path, verbs in server.web.get("api/openapi.json").json()["paths"].items():
        assert f"<code>{path}</code>" in page.text
        assert all(f'id="{verb["operationId"]}"' in page.text for verb in verbs.values())


def test_a_path_for_everybody_is_for_everybody(tmp_path: Path) -> None:
    with running(tmp_path, DummyAuthenticator__token="secret") as closed:  # noqa: S106
        for path in ("channel/", "package/", "usage/"):
            assert closed.api.get(path).status_code == 200, path
        assert closed.api.get("specification/", params={"conda": "python"}).status_code == 403


def test_who_asks_again_for_everything_hears_when_nothing_has_changed(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        build_id = server.submit("one")
        answer = server.api.get("overview/")
        (row,) = answer.json()["data"]["environments"]
        assert (row["name"], row["build_id"], row["newest_id"]) == ("one", build_id, build_id)
        again = {"If-None-Match": answer.headers["ETag"]}
        unchanged = server.api.get("overview/", headers=again)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        second = server.submit("one", text="name: one\ndependencies: [two]\n")
        (row,) = server.api.get("overview/", headers=again).json()["data"]["environments"]
        assert (row["build_id"], row["newest_id"], row["newest_status"]) == (build_id, second, "QUEUED")
