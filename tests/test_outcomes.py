"""What becomes of requests when there are very many, or when the disk is full or read-only: each outcome is stated."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.executors.local import LocalExecutor
from tests.conftest import need
from tests.jobs import StallingChannel, is_alive, look_around, until, workers
from tests.server import YAML, Server, running
from tests.test_rest_streams import follow

AT_ONCE = 200


async def post_at_once(server: Server, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    """Send each body over a connection of its own, all at the same time."""
    limits = httpx.Limits(max_connections=len(bodies))
    async with httpx.AsyncClient(base_url=server.api.base_url, limits=limits, timeout=60) as client:
        return await asyncio.gather(*(client.post("specification/", json=body) for body in bodies))


def ids_of(answers: list[httpx.Response]) -> list[int]:
    assert {answer.status_code for answer in answers} == {200}, {answer.text for answer in answers}
    return sorted(answer.json()["data"]["build_id"] for answer in answers)


def test_two_hundred_submissions_at_once_are_two_hundred_builds(database_url: str, tmp_path: Path) -> None:
    with running(tmp_path / "s", database_url=database_url) as server:
        bodies = [{"specification": YAML.format(name=f"env{number}")} for number in range(AT_ONCE)]
        found = ids_of(asyncio.run(post_at_once(server, bodies)))
        assert len(set(found)) == AT_ONCE
        assert server.api.get("environment/", params={"size": 1, "page": 1}).json()["count"] == AT_ONCE
        assert {server.api.get(f"build/{number}/").json()["data"]["status"] for number in found[:3]} == {"QUEUED"}


@pytest.mark.parametrize("times", [2, AT_ONCE])
def test_one_name_submitted_many_times_at_once_is_one_environment(
    times: int, database_url: str, tmp_path: Path
) -> None:
    with running(tmp_path / "s", database_url=database_url) as server:
        body = {"specification": YAML.format(name="same"), "namespace": "new"}
        found = ids_of(asyncio.run(post_at_once(server, [body] * times)))
        assert len(set(found)) == times
        environments = server.api.get("environment/").json()
        assert [one["name"] for one in environments["data"]] == ["same"]
        assert environments["data"][0]["current_build_id"] == found[0]
        assert server.api.get("build/", params={"size": 1, "page": 1}).json()["count"] == times


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own at `place`, held in memory; mounting takes root."""
    place.mkdir(parents=True)
    need("mount")
    if os.geteuid() != 0:
        message = "mounting a small file system takes root"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    """Change a file system that is mounted."""
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def fill(place: Path) -> Path:
    """Leave no byte free; removing the file that is returned makes room again."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    stream.write(b"\0" * size)
            except OSError:
                continue
    return filler


def test_on_a_full_disk_a_submission_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path / "s", 16) as disk, running(disk) as server:
        before = server.submit("before")
        server.complete(before, YAML=b"name: before\n")
        filler = fill(disk)
        refused = server.api.post("specification/", json={"specification": YAML.format(name="x" * 60)})
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_full")
        assert str(disk) in refused.json()["message"]
        assert server.api.get(f"build/{before}/yaml/").status_code == 200
        assert server.api.get(f"build/{before}/").json()["data"]["status"] == "COMPLETED"
        ready = server.web.get("ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "storage_full")
        filler.unlink()
        assert server.web.get("ready").status_code == 200
        after = server.submit("after")
        assert after > before
        assert server.api.get("environment/").json()["count"] == 2


def test_a_build_that_fills_the_disk_fails_with_the_reason_and_succeeds_when_there_is_room(
    tmp_path: Path, sample_channel: Path
) -> None:
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [sample_channel.as_uri()],
        "ImageBuilder__base_image": "scratch",
    }
    with small_disk(tmp_path / "s", 24) as disk, running(disk, **options) as server:
        build_id = server.submit("big", text="name: {name}\ndependencies: [python, six]\n")
        follow(server, build_id)
        build = server.api.get(f"build/{build_id}/").json()["data"]
        assert build["status"] == "FAILED" and "No space left on device" in build["status_info"], build["status_info"]
        assert not list((disk / "envs").glob("*/*"))
        assert "No space left" in server.api.get(f"build/{build_id}/logs/").text
        remount(disk, "size=2g")
        again = server.api.put(f"build/{build_id}/").json()["data"]["build_id"]
        follow(server, again)
        assert server.api.get(f"build/{again}/").json()["data"]["status"] == "COMPLETED"
        assert (disk / "environments/default/big/bin/python").exists()


def test_a_build_on_a_disk_without_any_room_ends_when_there_is_some(tmp_path: Path, sample_channel: Path) -> None:
    look_around()
    channel = StallingChannel(sample_channel, "repodata")
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [channel.url],
        "LocalExecutor__workers": 1,
        "ImageBuilder__base_image": "scratch",
    }
    try:
        with small_disk(tmp_path / "s", 500) as disk, running(disk, **options) as server:
            build_id = server.submit("big", text="name: {name}\ndependencies: [markupsafe, python]\n")
            assert channel.reached.wait(60)
            building = workers()
            filler = fill(disk)
            channel.go.set()
            until(lambda: building and not any(map(is_alive, building)))
            assert server.web.get("ready").status_code == 503
            filler.unlink()
            follow(server, build_id)
            build = server.api.get(f"build/{build_id}/").json()["data"]
            # Where not even the reason could be written, the build begins again by itself.
            assert build["status"] == "COMPLETED" or "full" in build["status_info"], build
            assert server.api.put(f"build/{build_id}/").status_code == 200
    finally:
        channel.close()


def test_with_a_read_only_store_submissions_are_refused_and_what_is_there_is_served(
    tmp_path: Path, sample_channel: Path
) -> None:
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [sample_channel.as_uri()],
        "ImageBuilder__base_image": "scratch",
    }
    text = "name: {name}\ndependencies: [six, python]\n"
    with small_disk(tmp_path / "s/store", 2000) as store, running(tmp_path / "s", **options) as server:
        follow(server, server.submit("before", text=text))
        remount(store, "ro")
        refused = server.api.post("specification/", json={"specification": text.format(name="after")})
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_read_only")
        assert str(store) in refused.json()["message"] and "Read-only file system" in refused.json()["message"]
        for path in ("lockfile/", "yaml/", "archive/"):
            assert server.api.get(f"environment/default/before/{path}").status_code == 200
        assert httpx.get(f"{server.root}/v2/default/before/manifests/latest").status_code == 200
        remount(store, "rw")
        after = server.submit("after", text=text)
        follow(server, after)
        assert server.api.get(f"build/{after}/").json()["data"]["status"] == "COMPLETED"


def test_a_server_does_not_start_in_a_read_only_directory(tmp_path: Path) -> None:
    with small_disk(tmp_path / "s", 4) as disk:
        remount(disk, "ro")
        command = [sys.executable, "-m", "conda_store", "serve", "--port=0", f"--directory={disk / 'data'}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert str(disk / "data") in done.stderr and "Read-only file system" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
