"""Solving on request: what is answered, and in whose words what cannot be solved is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.jobs import look_around, workers
from tests.server import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sample_channel: Path) -> Iterator[Server]:
    look_around()
    channel = sample_channel.as_uri()
    options = {"default_channels": [channel], "allowed_channels": [channel]}
    with running(tmp_path_factory.mktemp("solves"), **options) as server:
        yield server
    assert workers() == []


def solve(server: Server, **params: Any) -> httpx.Response:
    return server.api.get("specification", params=params, timeout=120)


def test_a_solve_answers_with_the_bare_object(server: Server, sample_channel: Path) -> None:
    answer = solve(server, conda=["python=3.11", "numpy"])
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"solve"}
    rows = {row["name"]: row for row in answer.json()["solve"]}
    assert {"python", "numpy"} <= rows.keys() and rows["python"]["version"].startswith("3.11")
    assert all(type(row["size"]) is int and row["size"] > 0 and len(row["sha256"]) == 64 for row in rows.values())
    (channel,) = server.api.get("channel/").json()["data"]
    assert channel["name"] == sample_channel.as_uri()
    assert {row["channel_id"] for row in rows.values()} == {channel["id"]}
    assert server.api.get("build/").json()["count"] == server.api.get("environment/").json()["count"] == 0


def test_channel_and_channels_mean_the_same(server: Server, sample_channel: Path) -> None:
    found = [solve(server, **{name: sample_channel.as_uri()}, conda="pytz").json() for name in ("channel", "channels")]
    assert found[0] == found[1] and [row["name"] for row in found[0]["solve"]] == ["python", "pytz"]
    assert solve(server).status_code == 400


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"conda": ["numpy", "no-such-thing"]}, "solve_failed", "no-such-thing"),
        ({"conda": ["flask 3.0.*", "flask 3.1.*"]}, "solve_failed", "flask"),
        ({"conda": "numpy >>"}, "specification_invalid", "numpy >>"),
        ({"conda": "numpy", "channel": "https://elsewhere.example.org/x"}, "specification_invalid", "not allowed"),
        ({"conda": "elsewhere::numpy"}, "specification_invalid", "not allowed"),
        ({"conda": "numpy", "pip": "x @ file:///etc/passwd"}, "specification_invalid", "x @ file"),
        ({"conda": "numpy", "platform": "beos"}, "specification_invalid", "beos"),
    ],
)
def test_what_cannot_be_solved_is_the_callers_to_hear(
    server: Server, params: dict[str, Any], code: str, words: str
) -> None:
    answer = solve(server, **params)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert words in answer.json()["message"] and "line 1" not in answer.json()["message"]
