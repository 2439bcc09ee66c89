"""Settings of the deployment, of namespaces and of environments: which level counts, and for what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.builds.job import run_job
from conda_store.builds.states import Status
from conda_store.builds.workshop import Workshop
from conda_store.db.orm import SettingRow, TagRow
from conda_store.demo.base_image import make_base_image
from conda_store.pieces.bytecode import machine_platform
from conda_store.storage.base import blob_key
from tests.conftest import CACHE
from tests.jobs import Bench
from tests.server import Server, running

SEVERAL = ["linux-64", "linux-aarch64"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("settings"), build_artifacts=["YAML"]) as server:
        server.submit("course", "default")
        server.submit("other", "default")
        server.submit("course", "ours")
        yield server


def shown(server: Server, path: str, own: bool = False) -> dict[str, Any]:
    answer = server.api.get(f"setting/{path}", params={"own": "true"} if own else {})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


def change(server: Server, path: str, **values: Any) -> httpx.Response:
    return server.api.put(f"setting/{path}", json=values)


def test_the_nearest_level_counts(server: Server) -> None:
    assert shown(server, "") == shown(server, "default/course/")
    assert shown(server, "")["build_artifacts"] == ["YAML"]
    assert change(server, "", conda_solve_platforms=["linux-64"]).json()["message"] == "global settings updated"
    assert change(server, "default/", conda_solve_platforms=SEVERAL).json()["message"] == "default settings updated"
    change(server, "default/course/", build_artifacts=[])
    for path, platforms, artifacts in (
        ("default/course/", SEVERAL, []),
        ("default/other/", SEVERAL, ["YAML"]),
        ("ours/course/", ["linux-64"], ["YAML"]),
    ):
        counting = {"conda_solve_platforms": platforms, "build_artifacts": artifacts, "image": {}}
        assert shown(server, path).items() >= counting.items()
    assert shown(server, "default/course/", own=True) == {"build_artifacts": []}
    assert shown(server, "ours/", own=True) == {}


def test_what_images_are_told_merges_key_by_key(tmp_path: Path) -> None:
    with running(tmp_path, ImageBuilder__user="2000", ImageBuilder__labels={"a": "deployment"}) as server:
        server.submit("course")
        change(server, "default/", image={"environment": {"A": "1", "B": "1"}, "labels": {"b": "namespace"}})
        change(server, "default/course/", image={"user": "3000", "environment": {"B": "2"}, "command": "jupyter lab"})
        assert shown(server, "")["image"] == {"user": "2000", "labels": {"a": "deployment"}}
        assert shown(server, "default/course/")["image"] == {
            "user": "3000",
            "environment": {"A": "1", "B": "2"},
            "command": ["jupyter", "lab"],
            "labels": {"a": "deployment", "b": "namespace"},
        }
        refused = change(server, "default/", image={"usr": "1", "working_dir": "here"})
        assert refused.status_code == 400
        assert {one["path"] for one in refused.json()["errors"]} == {"image.usr", "image.working_dir"}


#: http-api.md, "Settings".
DEPLOYMENT = {
    "default_namespace": "default",
    "filesystem_namespace": "filesystem",
    "default_uid": None,
    "default_gid": None,
    "default_permissions": None,
    "storage_threshold": 0,
    "conda_command": "rattler",
    "conda_platforms": ["noarch", machine_platform()],
    "conda_max_solve_time": 300,
    "conda_indexed_channels": ["conda-forge"],
    "build_artifacts_kept_on_deletion": ["LOGS", "LOCKFILE", "YAML"],
}
EVERYWHERE = {
    "conda_solve_platforms": [],
    "conda_channel_alias": "https://conda.anaconda.org",
    "conda_default_channels": ["conda-forge"],
    "conda_allowed_channels": [],
    "conda_default_packages": [],
    "conda_required_packages": [],
    "conda_included_packages": [],
    "pypi_default_packages": [],
    "pypi_required_packages": [],
    "pypi_included_packages": [],
    "build_artifacts": ["LOCKFILE", "YAML", "CONDA_PACK", "DOCKER_MANIFEST"],
}


def test_every_setting_that_clients_know_is_there_with_its_type(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.submit("course")
        for path in ("", "default/", "default/course/"):
            assert shown(server, path).items() >= (DEPLOYMENT | EVERYWHERE).items()
        # What a client read it may write as it is.
        assert change(server, "", **shown(server, "")).json()["message"] == "global settings updated"
        for path in ("default/", "default/course/"):
            assert change(server, path, **EVERYWHERE).status_code == 200
            for name, value in DEPLOYMENT.items():
                answer = change(server, path, **{name: value})
                assert answer.status_code == 400 and f"Invalid setting keys {{'{name}'}}" in answer.json()["message"]
        assert change(server, "", conda_command="mamba").status_code == 200
        assert shown(server, "default/")["conda_command"] == "mamba"


def test_null_takes_a_setting_back(server: Server) -> None:
    change(server, "ours/", conda_solve_platforms=SEVERAL, build_artifacts=["LOCKFILE"])
    change(server, "ours/", conda_solve_platforms=None)
    assert shown(server, "ours/", own=True) == {"build_artifacts": ["LOCKFILE"]}
    change(server, "ours/", build_artifacts=None)
    assert shown(server, "ours/", own=True) == {}


def test_images_on_demand_have_settings_before_there_is_any(server: Server) -> None:
    assert change(server, "conda-store-dynamic/", conda_solve_platforms=SEVERAL).status_code == 200
    assert shown(server, "conda-store-dynamic/", own=True) == {"conda_solve_platforms": SEVERAL}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"no_such": 1, "conda_solve_platforms": []}, "Invalid setting keys {'no_such'}"),
        ({"conda_solve_platforms": ["linux64"]}, "did you mean 'linux-64'?"),
        ({"conda_solve_platforms": "linux-64"}, "conda_solve_platforms"),
        ({"build_artifacts": ["EVERYTHING"]}, "build_artifacts.0"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(server: Server, values: dict[str, Any], words: str) -> None:
    before = shown(server, "default/other/")
    answer = change(server, "default/other/", **values)
    # The message says it all: some clients show nothing else.
    assert answer.status_code == 400 and words in answer.json()["message"]
    assert shown(server, "default/other/") == before
    assert server.api.put("setting/", json=[1]).status_code == 400


def test_what_is_not_there_has_no_settings(server: Server) -> None:
    assert server.api.get("setting/nowhere/").status_code == 404
    assert change(server, "default/nothing/", build_artifacts=[]).status_code == 404


def test_who_may_not_change_them_may_not(tmp_path: Path) -> None:
    with running(tmp_path, DummyAuthenticator__token="secret") as server:  # noqa: S106
        for path in ("", "default/"):
            assert server.api.get(f"setting/{path}").status_code == 403
            assert change(server, path, build_artifacts=[]).status_code == 403


def test_platforms_can_be_asked_for_with_the_request(server: Server) -> None:
    build_id = server.submit("asked", platforms=SEVERAL)
    specification = server.api.get(f"build/{build_id}/").json()["data"]["specification"]
    assert specification["spec"]["platforms"] == SEVERAL
    assert "linux-aarch64" in server.api.get(f"build/{build_id}/yaml/").text
    refused = server.api.post(
        "specification/", json={"specification": "name: x\ndependencies: [python]", "platforms": ["beos"]}
    )
    assert refused.status_code == 400 and "Unknown platform 'beos'" in refused.json()["message"]


@pytest.fixture
def bench(tmp_path: Path, workshop: Workshop, sample_channel: Path, base_image: str) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench", workshop.directory, sample_channel, base_image)
    yield made
    made.database.close()


def set_for(bench: Bench, build_id: int, name: str, value: Any, *, environment: bool) -> None:
    row = bench.build(build_id).environment
    with bench.database.write() as session:
        ids = {"namespace_id": row.namespace_id, "environment_id": row.id if environment else 0}
        session.add(SettingRow(**ids, name=name, value=value))


def blob_of(bench: Bench, digest: str) -> dict[str, Any]:
    return dict(json.loads(bench.storage.get(blob_key(digest))))


def image_of(bench: Bench, build_id: int) -> dict[str, Any]:
    """The manifest or index of a build."""
    with bench.database.read() as session:
        return blob_of(bench, session.query(TagRow).filter_by(tag=str(build_id)).one().digest)


def platforms_of(bench: Bench, build_id: int) -> list[str]:
    """The platforms of a build's image: those of its index, or of the one manifest."""
    document = image_of(bench, build_id)
    if "manifests" in document:
        return [one["platform"]["architecture"] for one in document["manifests"]]
    return [blob_of(bench, document["config"]["digest"])["architecture"]]


def test_settings_choose_the_platforms_and_artifacts_of_a_build(bench: Bench, base_image: str) -> None:
    foreign = make_base_image(CACHE / "base-image-aarch64", "linux-aarch64")
    bases = {"linux-64": base_image, "linux-aarch64": f"oci:{foreign}"}
    settings = bench.having(base_images=bases, platforms=("linux-64",))
    source = "dependencies: [pytz]\n"
    single = bench.submit(source)
    run_job(settings, single)
    assert platforms_of(bench, single) == ["amd64"]
    set_for(bench, single, "conda_solve_platforms", SEVERAL, environment=False)
    several = bench.submit(source)
    run_job(settings, several)
    assert bench.build(several).status == Status.COMPLETED, bench.log(several)
    assert platforms_of(bench, several) == ["amd64", "arm64"]
    # What the specification itself says comes before all settings.
    own = bench.submit("dependencies: [pytz]\nplatforms: [linux-64]\n")
    run_job(settings, own)
    assert platforms_of(bench, own) == ["amd64"]
    set_for(bench, single, "build_artifacts", ["YAML"], environment=True)
    few = bench.submit(source)
    run_job(settings, few)
    assert bench.artifacts(few).keys() == {"DIRECTORY", "LOGS", "YAML"}


def test_settings_tell_images_what_the_specification_does_not(bench: Bench) -> None:
    first = bench.submit("dependencies: [pytz]\nimage: {working_dir: /own}\n")
    set_for(bench, first, "image", {"environment": {"TZ": "UTC"}, "working_dir": "/theirs"}, environment=True)
    set_for(bench, first, "build_artifacts", ["DOCKER_MANIFEST"], environment=False)
    run_job(bench.settings, first)
    config = blob_of(bench, image_of(bench, first)["config"]["digest"])["config"]
    assert config["WorkingDir"] == "/own" and "TZ=UTC" in config["Env"]
