"""A pull of an image that is not made yet is held until it is, or until it is known why there will be none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from conda_store.executors.local import LocalExecutor
from tests.server import Server, running

SMALL = "name: {name}\ndependencies: [markupsafe, python]\n"


@pytest.fixture(scope="module")
def server(sample_channel: Path, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    channel = sample_channel.absolute().as_uri()
    with running(
        tmp_path_factory.mktemp("waiting"),
        executor_class=LocalExecutor,
        default_channels=[channel],
        allowed_channels=[channel],
        ImageBuilder__base_image=base_image,
    ) as made:
        yield made


def manifest(server: Server, name: str) -> httpx.Response:
    """What a client that pulls `name` hears."""
    return httpx.get(f"{server.root}/v2/{name}", timeout=120)


def test_a_pull_right_after_the_submission_is_held_until_the_image_is_there(server: Server) -> None:
    build_id = server.submit("early", text=SMALL)
    answer = manifest(server, "default/early/manifests/latest")
    assert answer.status_code == 200, answer.text
    by_number = manifest(server, f"default/early/manifests/{build_id}")
    assert by_number.headers["Docker-Content-Digest"] == answer.headers["Docker-Content-Digest"]
    assert server.api.get(f"build/{build_id}/").json()["data"]["status"] == "COMPLETED"


def test_a_pull_of_what_cannot_be_built_hears_why(server: Server) -> None:
    server.submit("never", text="name: {name}\ndependencies: [nunpy, python]\n")
    answer = manifest(server, "default/never/manifests/latest")
    assert answer.status_code == 404
    (error,) = answer.json()["errors"]
    assert error["code"] == "MANIFEST_UNKNOWN"
    assert "Did you mean 'numpy'" in error["message"]


@pytest.mark.parametrize("name", ["default/nobody/manifests/latest", "default/early/manifests/no-such-tag"])
def test_a_pull_of_what_nobody_makes_is_answered_at_once(server: Server, name: str) -> None:
    server.submit("early", text=SMALL)
    answer = httpx.get(f"{server.root}/v2/{name}", timeout=5)
    assert answer.status_code == 404
