"""Every limit that an option sets: what goes beyond it is refused over HTTP, with a message that names the option."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from traitlets import TraitError

from conda_store.builds.states import Status
from conda_store.executors.local import LocalExecutor
from conda_store.limits import BuildLimits, OnDemandImages
from tests.server import YAML, Server, running
from tests.test_bad_input import UNBUILDABLE
from tests.test_rest_streams import follow

TOKEN = "let-me-in"  # noqa: S105
DYNAMIC = "/v2/conda-store-dynamic"


def refusal(answer: httpx.Response, status: int, code: str) -> str:
    """What a refusal says, once it is the one that is expected."""
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, "error", code), answer.text
    return str(body["message"])


def post(server: Server, text: str, **more: Any) -> httpx.Response:
    return server.api.post("specification/", json={"specification": text, **more})


def test_the_size_of_what_is_submitted(tmp_path: Path) -> None:
    text, lockfile = YAML.format(name="course"), "version: 1\nmetadata: {}\npackage: []\n"
    options = {
        "BuildLimits__max_specification_bytes": len(text.encode()),
        "BuildLimits__max_lockfile_bytes": len(lockfile) - 1,
    }
    with running(tmp_path, **options) as server:
        assert post(server, text).status_code == 200
        for larger in (text + "#", text[:-1] + "ä"):
            said = refusal(post(server, larger), 400, "specification_invalid")
            assert f"at most {len(text.encode())} are read" in said and "c.BuildLimits.max_specification_bytes" in said
        said = refusal(post(server, lockfile, is_lockfile=True), 400, "specification_invalid")
        assert "The lockfile" in said and "c.BuildLimits.max_lockfile_bytes" in said


def test_the_builds_of_a_namespace_that_wait(tmp_path: Path) -> None:
    with running(tmp_path, BuildLimits__max_queued_builds_per_namespace=2) as server:
        first, second = server.submit("a"), server.submit("b")
        for answer in (post(server, YAML.format(name="c")), server.api.put(f"build/{first}/")):
            said = refusal(answer, 429, "too_many_builds")
            assert "2 builds of the namespace" in said and "c.BuildLimits.max_queued_builds_per_namespace" in said
            assert int(answer.headers["Retry-After"]) > 0
        server.submit("c", namespace="other")
        server.begin(first)
        server.submit("c")
        assert server.api.put(f"build/{second}/cancel/").status_code == 200
        server.submit("d")
        assert server.api.get("build/").json()["count"] == 5


def test_no_limit_is_none(tmp_path: Path) -> None:
    with running(tmp_path, BuildLimits__max_queued_builds_per_namespace=0) as server:
        assert [server.submit(f"e{number}") for number in range(3)] == [1, 2, 3]
    none = BuildLimits(max_build_seconds=0, max_solve_seconds=None, max_packages=0, max_memory_bytes=0).of_builds()
    assert (none.build_seconds, none.solve_seconds, none.packages, none.memory_bytes) == (None,) * 4


@pytest.mark.parametrize(("option", "value"), [("max_specification_bytes", 1 << 40), ("max_build_seconds", -1.0)])
def test_a_limit_that_cannot_be_is_refused(option: str, value: float) -> None:
    with pytest.raises(TraitError, match=option):
        BuildLimits(**{option: value})


@pytest.mark.parametrize(
    ("option", "value", "dependencies", "said"),
    [
        ("max_packages", 2, "[six, markupsafe, click]", "are allowed here"),
        ("max_download_bytes", 1000, "[six]", "would have to be fetched"),
        ("max_solve_seconds", 1e-9, "[six]", "took longer than"),
        ("max_build_seconds", 0.01, "[python, numpy, pandas, scipy]", "took longer than 0.01 seconds"),
        ("max_memory_bytes", 48 << 20, "[python, numpy, pandas]", "memory than"),
    ],
)
def test_a_build_that_needs_too_much_fails_with_the_reason(
    option: str, value: float, dependencies: str, said: str, sample_channel: Path, tmp_path: Path
) -> None:
    limits = {f"BuildLimits__{option}": value}
    with running(tmp_path, **of_workers(sample_channel), **limits) as server:
        build_id = server.submit(text=f"name: {{name}}\ndependencies: {dependencies}\n")
        follow(server, build_id)
        build = server.api.get(f"build/{build_id}/").json()["data"]
        assert build["status"] == Status.FAILED and said in build["status_info"], build["status_info"]
        assert f"c.BuildLimits.{option}" in build["status_info"]
        assert not list((tmp_path / "envs").glob("*/*"))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("max_packages", 1, "1 are allowed here"), ("max_download_bytes", 1000, "would have to be fetched")],
)
def test_an_image_on_demand_has_limits_of_its_own(
    option: str, value: int, said: str, sample_channel: Path, tmp_path: Path
) -> None:
    with running(tmp_path, **of_workers(sample_channel), **{f"OnDemandImages__{option}": value}) as server:
        answer = httpx.get(f"{server.root}/v2/conda-store-dynamic/six/markupsafe/manifests/latest", timeout=120)
        assert answer.status_code == 404 and said in answer.text and f"c.OnDemandImages.{option}" in answer.text
        build_id = server.submit(text="name: {name}\ndependencies: [six, markupsafe]\n")
        follow(server, build_id)
        assert server.api.get(f"build/{build_id}/").json()["data"]["status"] == Status.COMPLETED


def of_workers(channel: Path) -> dict[str, Any]:
    """Options of a server that builds, from this channel."""
    return {
        "executor_class": LocalExecutor,
        "default_channels": [channel.as_uri()],
        "ImageBuilder__base_image": "scratch",
    }


def test_what_cannot_be_built_is_refused_or_fails_with_the_engines_words(sample_channel: Path, tmp_path: Path) -> None:
    with running(tmp_path, **of_workers(sample_channel)) as server:
        for name, source, says in UNBUILDABLE:
            answer = post(server, f"name: broken\n{source}\n")
            if answer.status_code == 200:
                build_id = answer.json()["data"]["build_id"]
                follow(server, build_id)
                build = server.api.get(f"build/{build_id}/").json()["data"]
                assert build["status"] == Status.FAILED, name
                said = build["status_info"]
                assert server.api.get(f"build/{build_id}/logs/").text.endswith(f"{said}\n")
            else:
                assert answer.status_code == 400, answer.text
                said = answer.json()["message"]
                assert all(problem["line"] for problem in answer.json()["errors"])
            assert re.search(says, said, re.DOTALL), said


def test_images_on_demand_can_be_switched_off(tmp_path: Path) -> None:
    with running(tmp_path, OnDemandImages__enabled=False) as server:
        answer = httpx.get(f"{server.root}{DYNAMIC}/numpy/manifests/latest")
        assert answer.status_code == 404 and "c.OnDemandImages" in answer.json()["errors"][0]["message"]
        assert server.api.get("build/").json()["count"] == 0


def test_images_on_demand_that_wait(tmp_path: Path) -> None:
    with running(tmp_path, OnDemandImages__max_pending=1, OnDemandImages__hold_seconds=0.01) as server:
        late = httpx.get(f"{server.root}{DYNAMIC}/numpy/manifests/latest")
        assert late.status_code == 404 and "Pull it again" in late.json()["errors"][0]["message"]
        answer = httpx.get(f"{server.root}{DYNAMIC}/pandas/manifests/latest")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["code"]) == (429, "TOOMANYREQUESTS")
        assert "c.OnDemandImages.max_pending" in error["message"]


@pytest.mark.parametrize(("anonymous", "status"), [(False, 401), (True, 404)])
def test_who_may_ask_for_images_on_demand(anonymous: bool, status: int, tmp_path: Path) -> None:
    options = {"DummyAuthenticator__token": TOKEN, "OnDemandImages__hold_seconds": 0.01}
    with running(tmp_path, OnDemandImages__anonymous=anonymous, **options) as server:
        url = f"{server.root}{DYNAMIC}/numpy/manifests/latest"
        assert httpx.get(url).status_code == status
        assert httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 404
        assert httpx.get(f"{server.root}/v2/private/x/manifests/latest").status_code == 401


def test_on_demand_options_become_settings() -> None:
    settings = OnDemandImages(reuse_seconds=1, failure_seconds=2, hold_seconds=3, max_pending=4).settings()
    assert (settings.reuse_seconds, settings.failure_seconds, settings.hold_seconds, settings.pending) == (1, 2, 3, 4)
