"""Item (j): what a hundred people who follow a build cost the server, and its workers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median

import httpx
import psutil

from benchmarks.finding import Finding, Item, seconds
from benchmarks.server import Serving, serving
from benchmarks.workbench import Workbench

WATCHERS = 100
ALLOWED_CORES, ALLOWED_SECONDS = 0.25, 0.05
_BUILDS = 6

METHOD = """\
Builds of the smallest environment run one after another, in turns without watchers and with a hundred clients that
each follow every event of every build to its end. Counted is the processor time of the server's own process for each
second of the clock, and that of the workers (as the process that forks them adds it up) for each build. The watchers
run in a process of their own and take part of the same two cores."""


@dataclass(frozen=True)
class Load:
    """Cores that the server used while builds ran, and seconds of a processor that a worker needed for each build."""

    cores: float
    seconds: float


def measure(bench: Workbench) -> Item:
    """What watchers add."""
    with serving(bench, "watchers") as server:
        text = bench.subjects[0].specification.to_yaml()
        server.build(text)
        rounds = [(_load(server, text, 0), _load(server, text, WATCHERS)) for _ in range(bench.rounds)]
    more = median(watched.cores - alone.cores for alone, watched in rounds)
    longer = median(watched.seconds - alone.seconds for alone, watched in rounds)
    findings = (
        Finding(
            what="the server, cores in use",
            ours=f"{median(watched.cores for _, watched in rounds):.2f}",
            rival="",
            measured=f"{more:.2f} more than without watchers",
            target=f"below {ALLOWED_CORES}",
            met=more < ALLOWED_CORES,
        ),
        Finding(
            what="a worker, processor time of a build",
            ours=seconds(median(watched.seconds for _, watched in rounds)),
            rival="",
            measured=f"{seconds(longer)} more than without watchers",
            target=f"nothing (below {seconds(ALLOWED_SECONDS)})",
            met=longer < ALLOWED_SECONDS,
        ),
    )
    return Item("watchers", f"{WATCHERS} watchers", METHOD, findings)


def _load(server: Serving, text: str, watchers: int) -> Load:
    process = psutil.Process(server.process.pid)
    forker = next(child for child in process.children() if "forkserver" in " ".join(child.cmdline()))
    before, started = (_own(process), _of_children(forker)), time.perf_counter()
    asyncio.run(_builds(server, text, watchers))
    cores = (_own(process) - before[0]) / (time.perf_counter() - started)
    return Load(cores, (_of_children(forker) - before[1]) / _BUILDS)


async def _builds(server: Serving, text: str, watchers: int) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.client.base_url, timeout=300, limits=limits) as client:
        for _ in range(_BUILDS):
            build_id = await asyncio.to_thread(server.submit, text)
            followed = await asyncio.gather(*(_follow(client, build_id) for _ in range(max(watchers, 1))))
            if len(set(followed)) != 1:
                raise RuntimeError(f"Watchers of one build saw different things: {set(followed)}")


async def _follow(client: httpx.AsyncClient, build_id: int) -> int:
    """How many events there were."""
    async with client.stream("GET", f"build/{build_id}/events/") as answer:
        return len([line async for line in answer.raise_for_status().aiter_lines() if line.startswith("id: ")])


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _of_children(process: psutil.Process) -> float:
    """Seconds of processors of all children that have ended."""
    times = process.cpu_times()
    return float(times.children_user + times.children_system)
