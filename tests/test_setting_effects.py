"""Settings of the whole deployment do what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.builds.states import ArtifactType
from conda_store.executors.local import LocalExecutor
from tests.jobs import until
from tests.people import client_of, peopled
from tests.server import YAML, Server, running
from tests.test_outcomes import small_disk
from tests.test_rest_streams import follow
from tests.told import Log, told

__all__ = ["told"]

MEGABYTE = 1 << 20


def put(server: Server, **values: Any) -> httpx.Response:
    return server.api.put("setting/", json=values)


def namespace_of(server: Server, build_id: int) -> str:
    found = server.app.service.sites[0].parts.builds.entity(build_id)
    assert found is not None
    return found[0]


def submitted(api: httpx.Client, name: str) -> httpx.Response:
    return api.post("specification/", json={"specification": YAML.format(name=name)})


def test_who_names_no_namespace_and_has_none_builds_in_the_default_one(tmp_path: Path) -> None:
    with running(tmp_path / "s") as server:
        before = submitted(server.api, "one").json()["data"]["build_id"]
        assert namespace_of(server, before) == "default"
        put(server, default_namespace="commons").raise_for_status()
        after = submitted(server.api, "one").json()["data"]["build_id"]
        assert namespace_of(server, after) == "commons"
        assert server.api.get("permission/").json()["data"]["primary_namespace"] == "commons"
        assert 'value="commons"' in server.web.get("create/").text
        put(server, default_namespace=None).raise_for_status()
        assert server.api.get("permission/").json()["data"]["primary_namespace"] == "default"


def test_who_has_a_namespace_builds_there(tmp_path: Path) -> None:
    bindings: dict[str, Any] = {"RoleBindings__admin_users": ["root"]}
    with (
        peopled(tmp_path / "s", {"ana": [], "root": []}, **bindings) as server,
        client_of(server, "ana") as ana,
        client_of(server, "root") as root,
    ):
        root.put("setting/", json={"default_namespace": "commons"}).raise_for_status()
        assert namespace_of(server, submitted(ana, "one").json()["data"]["build_id"]) == "ana"
    bindings["RoleBindings__own_namespace"] = None
    with peopled(tmp_path / "s", {"ana": [], "root": []}, **bindings) as server, client_of(server, "ana") as ana:
        assert ana.get("permission/").json()["data"]["primary_namespace"] == "commons"
        refused = submitted(ana, "one")
        assert refused.status_code == 403  # the setting chooses a place, and gives no right to it


@pytest.mark.parametrize("name", ["default_namespace", "filesystem_namespace"])
def test_a_namespace_that_cannot_be_is_no_value(name: str, tmp_path: Path) -> None:
    with running(tmp_path / "s") as server:
        for value in ("a/b", "conda-store-dynamic", " "):
            refused = put(server, **{name: value})
            assert refused.status_code == 400 and value.strip() in refused.json()["message"]


def test_below_the_threshold_no_build_is_taken(tmp_path: Path) -> None:
    with small_disk(tmp_path / "s", 16) as disk, running(disk) as server:
        first = server.submit("first")
        put(server, storage_threshold=1 << 40).raise_for_status()
        for refused in (submitted(server.api, "second"), server.api.put(f"build/{first}/")):
            assert (refused.status_code, refused.json()["code"]) == (503, "storage_full")
            assert "storage_threshold" in refused.json()["message"] and "Retry-After" in refused.headers
        pulled = httpx.get(f"{server.root}/v2/conda-store-dynamic/python/manifests/latest")
        assert pulled.status_code == 503 and "storage_threshold" in pulled.text
        assert server.web.get("ready").status_code == 200
        server.complete(first, YAML=b"name: first\n")
        put(server, storage_threshold=4 * MEGABYTE).raise_for_status()
        assert submitted(server.api, "second").status_code == 200
        (filler := disk / "filler").write_bytes(b"\0" * 13 * MEGABYTE)
        assert submitted(server.api, "third").status_code == 503
        filler.unlink()
        assert submitted(server.api, "third").status_code == 200


def test_what_waits_below_the_threshold_begins_when_there_is_room(
    tmp_path: Path, sample_channel: Path, told: Log
) -> None:
    options = {"default_channels": [sample_channel.as_uri()], "build_artifacts": []}
    text = "name: {name}\ndependencies: [six]\n"
    with running(tmp_path / "s", **options) as server:
        waiting = server.submit("waits", text=text)
        put(server, storage_threshold=1 << 50).raise_for_status()
    with running(tmp_path / "s", executor_class=LocalExecutor, **options) as server:
        until(lambda: told("Builds wait", "storage_threshold"), 30, lambda: told.text)
        assert server.api.get(f"build/{waiting}/").json()["data"]["status"] == "QUEUED"
        put(server, storage_threshold=0).raise_for_status()
        follow(server, waiting)
        assert server.api.get(f"build/{waiting}/").json()["data"]["status"] == "COMPLETED"


LEFT = {ArtifactType.LOCKFILE: "lockfile/", ArtifactType.YAML: "yaml/", ArtifactType.LOGS: "logs/"}
PACKED = b'{"parts": [], "etag": "\\"x\\""}'


def deleted_build(server: Server) -> int:
    """A build with some artifacts, deleted; its environment goes on with another one."""
    build_id = server.submit("course")
    server.complete(build_id, LOCKFILE=b"{}", LOGS=b"as it was\n", CONDA_PACK=PACKED, SBOM=b"{}")
    server.complete(server.submit("course"))
    assert server.api.delete(f"build/{build_id}/").status_code == 200
    return build_id


def test_a_deleted_build_leaves_what_the_setting_names(tmp_path: Path) -> None:
    with running(tmp_path / "s") as server:
        build_id = deleted_build(server)
        assert server.api.get(f"build/{build_id}/logs/").text == "as it was\n"
        for path in LEFT.values():
            assert server.api.get(f"build/{build_id}/{path}").status_code == 200
        assert server.app.executor.wanted == []  # type: ignore[attr-defined]
        for path in ("", "archive/", "sbom/", "installer/", "docker/", "packages/", "events/"):
            gone = server.api.get(f"build/{build_id}/{path}")
            assert (gone.status_code, gone.json()["code"]) == (404, "build_not_found"), path
        assert "was deleted, and its SBOM with it" in server.api.get(f"build/{build_id}/sbom/").json()["message"]
        put(server, build_artifacts_kept_on_deletion=["CONDA_PACK"]).raise_for_status()
        assert server.api.get(f"build/{build_id}/archive/").status_code == 200
        for path in LEFT.values():
            assert server.api.get(f"build/{build_id}/{path}").status_code == 404
        put(server, build_artifacts_kept_on_deletion=["LOGS", "CONSTRUCTOR_INSTALLER"]).raise_for_status()
        # What was never made is not made now.
        assert server.api.get(f"build/{build_id}/installer/").json()["code"] == "artifact_missing"
        assert server.app.executor.wanted == []  # type: ignore[attr-defined]
        server.api.delete("environment/default/course/").raise_for_status()
        assert server.api.get(f"build/{build_id}/logs/").status_code == 404


def test_only_who_may_read_the_environment_reads_what_a_build_left(tmp_path: Path) -> None:
    people: dict[str, list[str]] = {"ana": [], "ben": []}
    with peopled(tmp_path / "s", people) as server, client_of(server, "ana") as ana, client_of(server, "ben") as ben:
        build_id = submitted(ana, "one").json()["data"]["build_id"]
        server.complete(build_id, LOGS=b"as it was\n")
        ana.delete(f"build/{build_id}/").raise_for_status()
        assert ana.get(f"build/{build_id}/logs/").text == "as it was\n"
        assert ben.get(f"build/{build_id}/logs/").status_code == 403
        assert ana.get("environment/ana/one/logs/").status_code == 404


@pytest.mark.parametrize(("kept", "status"), [([], 404), (["DOCKER_MANIFEST"], 200)])
def test_an_image_that_is_kept_can_still_be_pulled(
    kept: list[str], status: int, tmp_path: Path, sample_channel: Path
) -> None:
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [sample_channel.as_uri()],
        "ImageBuilder__base_image": "scratch",
        "build_artifacts": ["DOCKER_MANIFEST"],
    }
    with running(tmp_path / "s", **options) as server:
        put(server, build_artifacts_kept_on_deletion=kept).raise_for_status()
        build_id = server.submit("one", text="name: {name}\ndependencies: [six]\n")
        follow(server, build_id)
        manifest = f"{server.root}/v2/default/one/manifests/{build_id}"
        assert httpx.get(manifest).status_code == 200
        server.api.delete(f"build/{build_id}/").raise_for_status()
        assert httpx.get(manifest).status_code == status
        assert server.api.get(f"build/{build_id}/docker/").status_code == status
