"""Solving on request takes no longer than it may, leaves no process, and outlives a killed one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.jobs import StallingChannel, look_around, until, workers
from tests.server import running
from tests.test_solve_requests import solve


@pytest.fixture
def stalling(tmp_path: Path) -> Iterator[StallingChannel]:
    """A channel that never answers."""
    look_around()
    channel = StallingChannel(tmp_path, "repodata")
    yield channel
    channel.close()
    assert workers() == []


def of(channel: StallingChannel, seconds: float) -> dict[str, Any]:
    """Options of a server that solves with this channel only."""
    return {
        "default_channels": [channel.url],
        "allowed_channels": [channel.url],
        "BuildLimits__max_solve_seconds": seconds,
    }


def test_a_solve_is_bounded_in_time_and_two_run_at_once(tmp_path: Path, stalling: StallingChannel) -> None:
    with running(tmp_path / "server", **of(stalling, 1.0)) as server, ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda name: solve(server, conda=name), "abc"))
    for answer in answers:
        assert answer.status_code == 400 and "longer than 1 seconds" in answer.json()["message"], answer.text


def killed_all() -> bool:
    """Kill every worker there is."""
    for process in workers():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return True


def test_a_solve_whose_process_is_killed_is_tried_again_once(tmp_path: Path, stalling: StallingChannel) -> None:
    with running(tmp_path / "server", **of(stalling, 60.0)) as server:
        found: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: found.append(solve(server, conda="a")))
        asking.start()
        assert stalling.reached.wait(60)
        until(lambda: killed_all() and not asking.is_alive())
    assert (found[0].status_code, found[0].json()["code"]) == (503, "solver_lost")
