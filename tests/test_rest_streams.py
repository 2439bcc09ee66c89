"""Logs, events and downloads: whole, in ranges, resumed, waited for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.builds import states
from conda_store.builds.states import ArtifactState, ArtifactType
from tests.server import Server, running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server"), download_wait_seconds=1.0) as server:
        yield server


def events_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Server-sent events as a browser reads them; comments are left out."""
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line == "" and "data" in event:
            yield {**event, "data": json.loads(event["data"])}
            event = {}
        elif name in ("id", "event", "data"):
            event[name] = value.strip()


def follow(server: Server, build_id: int, last: str | None = None) -> list[dict[str, Any]]:
    """All events until the server ends the stream."""
    headers = {"Last-Event-ID": last} if last else {}
    with server.api.stream("GET", f"build/{build_id}/events/", headers=headers) as answer:
        assert answer.status_code == 200 and answer.headers["content-type"] == "text/event-stream"
        return list(events_of(answer.iter_lines()))


def test_events_come_in_order_and_the_stream_ends_with_the_build(shared: Server) -> None:
    build_id = shared.submit("ordered")
    lease = shared.begin(build_id)
    shared.tell(lease, *(f"line {number}" for number in range(2500)))
    with shared.app.database.write() as session:
        states.fail(session, lease, "no more")
    events = follow(shared, build_id)
    assert [int(event["id"]) for event in events] == list(range(1, len(events) + 1))
    lines = [event["data"]["text"] for event in events if event["event"] == "log"]
    assert lines == [f"line {number}" for number in range(2500)] + ["no more"]
    statuses = [event["data"]["status"] for event in events if event["event"] == "status"]
    assert statuses == ["QUEUED", "BUILDING", "FAILED"]
    rest = follow(shared, build_id, last="2000")
    assert [event["id"] for event in rest] == [event["id"] for event in events[2000:]]
    done = shared.api.get(f"build/{build_id}/events/", headers={"Last-Event-ID": events[-1]["id"]})
    assert (done.status_code, done.content) == (204, b"")
    assert shared.api.get(f"build/{build_id}/events/", headers={"Last-Event-ID": "x"}).status_code == 400


def test_a_line_reaches_many_watchers_in_under_a_second_without_loss_or_repeat(shared: Server) -> None:
    build_id = shared.submit("live")
    lease = shared.begin(build_id)
    count, watchers = 20, 30
    found: list[list[tuple[str, float]]] = [[] for _ in range(watchers)]
    listening = threading.Barrier(watchers + 1)

    def watch(mine: list[tuple[str, float]]) -> None:
        with (
            httpx.Client(timeout=30) as client,
            client.stream("GET", f"{shared.api.base_url}build/{build_id}/events/") as answer,
        ):
            waiting = True
            for event in events_of(answer.iter_lines()):
                if event["event"] == "log":
                    mine.append((event["data"]["text"], time.monotonic()))
                elif event["data"].get("status") == "BUILDING" and waiting:
                    waiting = False
                    listening.wait(30)

    threads = [threading.Thread(target=watch, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    listening.wait(30)
    written = []
    for number in range(count):
        shared.tell(lease, str(number))
        written.append(time.monotonic())
    shared.fail_with(lease, "over")
    for thread in threads:
        thread.join(30)
    for mine in found:
        assert [text for text, _ in mine] == [*map(str, range(count)), "over"]
        assert max(seen - at for (_, seen), at in zip(mine, written, strict=False)) < 1.0


def test_a_watcher_that_leaves_is_forgotten(shared: Server) -> None:
    build_id = shared.submit("leaves")
    watcher = shared.app.service.watcher
    with shared.api.stream("GET", f"build/{build_id}/events/") as answer:
        events = events_of(answer.iter_lines())
        assert next(events)["event"] == "status"
        assert build_id in watcher._feeds
    deadline = time.monotonic() + 5
    while build_id in watcher._feeds and time.monotonic() < deadline:
        shared.api.get("")
    assert build_id not in watcher._feeds


def test_a_client_that_leaves_in_the_middle_is_no_error(shared: Server, caplog: pytest.LogCaptureFixture) -> None:
    live = shared.submit("left")
    lease = shared.begin(live)
    for path in (f"build/{archived(shared, 'cut', [b'x' * 50_000_000])}/archive/", f"build/{live}/events/"):
        with shared.api.stream("GET", path) as answer:
            next(answer.iter_raw())
        shared.tell(lease, "nobody listens")
    shared.fail_with(lease, "over")
    assert len(follow(shared, live)) > 3
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_logs_so_far_and_their_ranges(shared: Server) -> None:
    build_id = shared.submit("logs")
    lease = shared.begin(build_id)
    shared.tell(lease, "0123456789", "ähnlich")
    path = f"build/{build_id}/logs/"
    whole = shared.api.get(path)
    assert whole.text == "0123456789\nähnlich\n" and whole.headers["content-type"] == "text/plain; charset=utf-8"
    part = shared.api.get(path, headers={"Range": "bytes=3-5"})
    assert (part.status_code, part.text) == (206, "345")
    assert part.headers["content-range"] == f"bytes 3-5/{len(whole.content)}"
    assert shared.api.get(path, headers={"Range": "bytes=12-"}).content == whole.content[12:]
    behind = shared.api.get(path, headers={"Range": "bytes=500-"})
    assert behind.status_code == 416 and behind.headers["content-range"] == f"bytes */{len(whole.content)}"
    head = shared.api.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole.content)))
    shared.fail_with(lease, "over")
    assert shared.api.get(path).text.endswith("over\n")


def archived(server: Server, name: str, parts: list[bytes]) -> int:
    build_id = server.submit(name)
    listing = {"etag": '"abc"', "parts": [[server.storage.put_blob(part), len(part)] for part in parts]}
    server.complete(build_id, CONDA_PACK=json.dumps(listing).encode())
    return build_id


def test_an_archive_is_its_parts_one_after_another_from_any_byte(shared: Server) -> None:
    parts = [b"a" * 700_000, b"", b"b" * 3, b"c" * 600_001]
    build_id, whole = archived(shared, "archive", parts), b"".join(parts)
    path = f"build/{build_id}/archive/"
    answer = shared.api.get(path)
    assert answer.content == whole and answer.headers["etag"] == '"abc"'
    assert answer.headers["content-length"] == str(len(whole)) and answer.headers["accept-ranges"] == "bytes"
    assert f'archive-{build_id}.tar.gz"' in answer.headers["content-disposition"]
    for start, stop in ((0, 1), (699_999, 700_004), (700_000, 700_003), (5, 1_300_004), (1_300_003, 1_300_004)):
        part = shared.api.get(path, headers={"Range": f"bytes={start}-{stop - 1}"})
        assert (part.status_code, part.content) == (206, whole[start:stop])
    known = shared.api.get(path, headers={"If-None-Match": '"abc"'})
    assert (known.status_code, known.content) == (304, b"")
    several = shared.api.get(path, headers={"Range": "bytes=699999-700003,-2,9999999-"})
    boundary = several.headers["content-type"].removeprefix("multipart/byteranges; boundary=").encode()
    bodies = [part.partition(b"\r\n\r\n")[2] for part in several.content.split(b"\r\n--" + boundary)[1:-1]]
    assert (several.status_code, bodies) == (206, [whole[699_999:700_004], whole[-2:]])
    beyond = shared.api.get(path, headers={"Range": "bytes=1300004-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    assert beyond.headers["content-range"] == "bytes */1300004"
    other = shared.api.get(path, headers={"Range": "bytes=1-2", "If-Range": '"other"'})
    assert (other.status_code, len(other.content)) == (200, len(whole))
    assert shared.api.get("environment/default/archive/archive/").content == whole


def test_a_download_waits_for_what_is_being_made(shared: Server) -> None:
    build_id = shared.submit("waits")
    lease = shared.begin(build_id)
    late = shared.api.get(f"build/{build_id}/lockfile/")
    assert late.status_code == 503 and late.json()["code"] == "not_ready_yet" and late.headers["retry-after"]
    with shared.app.database.write() as session:
        states.complete(session, lease)
        states.set_artifact(session, lease, ArtifactType.LOCKFILE, ArtifactState.MAKING)
    timer = threading.Timer(0.3, shared.leave, (lease, ArtifactType.LOCKFILE, b'{"version": 1}'))
    timer.start()
    answer = shared.api.get(f"build/{build_id}/lockfile/")
    timer.join()
    assert (answer.status_code, answer.content) == (200, b'{"version": 1}')
    assert answer.headers["content-type"] == "application/json"


def test_a_failed_artifact_says_why_and_a_missing_one_is_asked_for(shared: Server) -> None:
    build_id = shared.submit("lacking")
    shared.complete(build_id)
    assert shared.api.get(f"build/{build_id}/sbom/").json()["code"] == "artifact_missing"
    shared.api.get(f"build/{build_id}/archive/")
    assert (build_id, ArtifactType.CONDA_PACK) in shared.app.executor.wanted


def test_a_real_build_from_yaml_to_every_download(tmp_path: Path, sample_channel: Path) -> None:
    from conda_store.executors.local import LocalExecutor

    options = {
        "executor_class": LocalExecutor,
        "default_channels": [sample_channel.as_uri()],
        "ImageBuilder__base_image": "scratch",
    }
    with running(tmp_path / "s", **options) as server:
        text = "name: {name}\ndependencies: [python, requests]\n"
        build_id = server.submit("real", text=text)
        events = follow(server, build_id)
        build = server.api.get(f"build/{build_id}/").json()["data"]
        assert build["status"] == "COMPLETED", build["status_info"]
        kinds = {artifact["artifact_type"] for artifact in build["build_artifacts"]}
        assert kinds >= {"DIRECTORY", "LOCKFILE", "CONDA_PACK", "DOCKER_MANIFEST", "YAML", "LOGS"}, events[-20:]
        assert {event["event"] for event in events} == {"status", "progress", "log", "artifact"}
        packages = server.api.get(f"build/{build_id}/packages/", params={"search": "req"}).json()
        assert "requests" in [package["name"] for package in packages["data"]]
        assert server.api.get("environment/", params={"packages": ["python", "requests"]}).json()["count"] == 1
        lock = server.api.get("environment/default/real/lockfile/").json()
        assert lock["version"] == 1 and "requests" in [package["name"] for package in lock["package"]]
        image = server.api.get(f"build/{build_id}/docker/", headers={"Accept": "application/json"}).json()["data"]
        repository, _, tag = image["image"].partition("/")[2].rpartition(":")
        manifest = httpx.get(f"{server.root}/v2/{repository}/manifests/{tag}")
        assert manifest.status_code == 200 and manifest.headers["docker-content-digest"] == image["digest"]
        archive = tmp_path / "real.tar.gz"
        archive.write_bytes(server.api.get("environment/default/real/archive/").content)
        check_archive(archive, tmp_path / "unpacked")
        assert (tmp_path / "s" / "environments" / "default" / "real" / "bin" / "python").exists()


def check_archive(archive: Path, target: Path) -> None:
    import subprocess
    import tarfile

    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="tar")
    subprocess.run([target / "bin" / "python", target / "bin" / "conda-unpack"], check=True, timeout=120)
    subprocess.run([target / "bin" / "python", "-c", "import requests"], check=True, timeout=60)
