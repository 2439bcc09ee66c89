"""Credentials of a channel and of a package index that were used, or did not fit, are found nowhere afterwards."""

from __future__ import annotations

import base64
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conda_store.executors.local import LocalExecutor
from tests.credential_traces import arguments_of_all, every_answer, text_of, text_of_answers
from tests.invented import InventedChannel, add_python, text_file
from tests.jobs import until
from tests.private_channel import WatchedServer, basic, watched
from tests.private_index import PrivateIndex, serving
from tests.server import Server, running

CHANNEL, INDEX = (f"canary{secrets.token_hex(12)}" for _ in range(2))
BOTH = "name: {name}\ndependencies: [a, python, {{pip: [tiny]}}]\n"


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[WatchedServer]:
    made = InventedChannel(tmp_path / "channel")
    made.add("a", [text_file("share/a")])
    add_python(made)
    with watched(made.directory, basic("ana", CHANNEL)) as server:
        yield server


@contextmanager
def started(
    tmp_path: Path, channel: WatchedServer, index: PrivateIndex, base_image: str, place: str
) -> Iterator[Server]:
    """A server that has both credentials from `place`."""
    said = {
        channel.url: {"kind": "basic", "user": "ana", "secret": CHANNEL},
        index.url: {"kind": "basic", "user": "ben", "secret": INDEX},
    }
    options: dict[str, Any] = {"ChannelCredentials__channels": said} if place == "configuration" else {}
    options["EnvironmentPolicy__settings"] = {"pip_policy": {"index_urls": [index.url]}}
    options |= {"default_channels": [channel.url], "allowed_channels": [channel.url]}
    image = {"ImageBuilder__base_image": base_image}
    with running(tmp_path / "server", executor_class=LocalExecutor, **options, **image) as server:
        server.api.post("namespace/default/")
        if place == "namespace":
            for url, one in said.items():
                answer = server.api.put("namespace/default/channel-credential/", json={"channel": url, **one})
                assert answer.status_code == 200 and one["secret"] not in answer.text
        yield server


def status(server: Server, build_id: int) -> dict[str, Any]:
    return dict(server.api.get(f"build/{build_id}/").json()["data"])


def ended(server: Server, build_id: int) -> str:
    until(lambda: status(server, build_id)["status"] in ("COMPLETED", "FAILED", "CANCELED"), 90)
    return str(status(server, build_id)["status"])


def log(server: Server, build_id: int) -> str:
    return server.api.get(f"build/{build_id}/logs/").text


def traces(tmp_path: Path, server: Server, name: str, build_id: int, caplog: pytest.LogCaptureFixture) -> str:
    answers = every_answer(server, name, build_id)
    assert not [one.url for one in answers if one.status_code >= 500]
    dump = "\n".join(sqlite3.connect(server.app.database_url.removeprefix("sqlite:///")).iterdump())
    return text_of_answers(answers) + dump + caplog.text + text_of(tmp_path / "server")


def spellings() -> list[str]:
    pairs = [f"ana:{CHANNEL}", f"ben:{INDEX}"]
    return [CHANNEL, INDEX, *(base64.b64encode(pair.encode()).decode() for pair in pairs)]


@pytest.mark.parametrize("place", ["namespace", "configuration"])
def test_a_canary_is_nowhere(
    tmp_path: Path, channel: WatchedServer, base_image: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    caplog.set_level("DEBUG")
    with (
        serving(tmp_path / "index", wanted=basic("ben", INDEX), look=lambda: seen.append(arguments_of_all())) as index,
        started(tmp_path, channel, index, base_image, place) as server,
    ):
        index.add("tiny")
        build_id = server.submit("course", text=BOTH)
        assert ended(server, build_id) == "COMPLETED", log(server, build_id)
        until(lambda: len(status(server, build_id)["build_artifacts"]) >= 5, 90)
        everything = traces(tmp_path, server, "course", build_id, caplog) + "".join(seen)
    assert not [one for one in spellings() if one in everything]
    assert any("pip\0compile" in one for one in seen), "uv was looked at while it ran"
    assert channel.url in everything and f"{index.root}/files/tiny-1.0-py3-none-any.whl" in everything
    assert all(given for _, given in index.requests) and any(given for _, given in channel.requests)


FAILING = {
    "channel's password": ({}, "name: {name}\ndependencies: [a]\n", "refuses access"),
    "index's password": ({"wanted": "Basic other"}, BOTH, "refuses access"),
    "index forbids": ({"wanted": "Basic other", "refusal": 403}, BOTH, "refuses access"),
    "no such conda package": ({}, "name: {name}\ndependencies: [nothing]\n", "nothing"),
    "no such wheel": ({}, "name: {name}\ndependencies: [python, {{pip: [nothing]}}]\n", "no package named 'nothing'"),
    "no such version": ({}, "name: {name}\ndependencies: [python, {{pip: ['tiny==9']}}]\n", "tiny"),
    "a redirect elsewhere": ({"redirect": "http://192.0.2.1"}, BOTH, "not below an allowed"),
}


@pytest.mark.parametrize("fault", FAILING)
def test_a_canary_is_nowhere_when_a_build_fails(
    tmp_path: Path, channel: WatchedServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    options, text, words = FAILING[fault]
    caplog.set_level("DEBUG")
    if fault == "channel's password":
        channel.wanted = "Basic other"
    with (
        serving(tmp_path / "index", **{"wanted": basic("ben", INDEX), **options}) as index,
        started(tmp_path, channel, index, "scratch", "namespace") as server,
    ):
        index.add("tiny")
        build_id = server.submit("course", text=text)
        assert ended(server, build_id) == "FAILED"
        assert words in log(server, build_id)
        everything = traces(tmp_path, server, "course", build_id, caplog)
    assert not [one for one in spellings() if one in everything]
    assert any(given for _, given in [*index.requests, *channel.requests])


def test_a_canary_is_nowhere_when_a_build_is_canceled_while_an_index_is_silent(
    tmp_path: Path, channel: WatchedServer, caplog: pytest.LogCaptureFixture
) -> None:
    held = threading.Event()
    with (
        serving(tmp_path / "index", wanted=basic("ben", INDEX), held=held) as index,
        started(tmp_path, channel, index, "scratch", "namespace") as server,
    ):
        build_id = server.submit("course", text=BOTH)
        until(lambda: bool(index.requests), 90)
        seen = arguments_of_all()
        assert server.api.put(f"build/{build_id}/cancel/").status_code == 200
        assert ended(server, build_id) == "CANCELED"
        everything = traces(tmp_path, server, "course", build_id, caplog) + seen
    assert "pip\0compile" in seen and not [one for one in spellings() if one in everything]
