"""Item (p): how long the status takes while a build compresses layers on the same cores."""

from __future__ import annotations

import json
import shutil
from statistics import median

from benchmarks.finding import Finding, Item, seconds
from benchmarks.server import Serving, serving
from benchmarks.workbench import Workbench
from benchmarks.wrk import Answers, answers, named

ALLOWED_SECONDS = 0.1
CONNECTIONS = (1, 16)
_SECONDS = 1

METHOD = """\
wrk (one thread, kept connections) asks a running `conda-store serve` on SQLite for its status (`GET api/v1/`), for a
second from the moment in which a build of the largest environment begins to make its layers, on all cores; none of them
is known, so that all are compressed, and making them takes longer than that second. wrk takes part of the same two
cores."""


def measure(bench: Workbench) -> Item:
    """A build for each number of connections in every round."""
    lines = ('c.CondaStore.build_artifacts = ["DIRECTORY", "DOCKER_MANIFEST"]',)
    with serving(bench, "compressing", *lines) as server:
        text = bench.largest.specification.to_yaml()
        found: dict[int, list[Answers]] = {connections: [] for connections in CONNECTIONS}
        for _ in range(bench.rounds):
            for connections, turns in found.items():
                shutil.rmtree(server.directory / "store/pieces", ignore_errors=True)
                turns.append(_meanwhile(server, text, connections, quick=bench.quick))
    findings = tuple(_finding(connections, turns) for connections, turns in found.items())
    return Item("compressing", "The status while layers are compressed", METHOD, findings)


def _meanwhile(server: Serving, text: str, connections: int, *, quick: bool) -> Answers:
    found: Answers | None = None
    taken = 0.0
    with server.client.stream("GET", f"build/{server.submit(text)}/events/") as told:
        for line in told.raise_for_status().iter_lines():
            event = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            if not event.get("stage", "").startswith("image "):
                continue
            if found is None:
                found = answers(f"{server.url}api/v1/", connections, None, _SECONDS)
            taken = event.get("seconds", taken)
    if found is None or (taken < _SECONDS and not quick):
        raise RuntimeError(f"The layers were made in {taken} seconds: the status was asked for longer than that.")
    return found


def _finding(connections: int, turns: list[Answers]) -> Finding:
    late = median(turn.p99 for turn in turns)
    return Finding(
        what=f"the status, {named(connections)}",
        ours=f"{median(turn.rate for turn in turns):,.0f} requests/s",
        rival="",
        measured=f"p99 {seconds(late)}",
        target=f"p99 under {seconds(ALLOWED_SECONDS)}",
        met=late < ALLOWED_SECONDS,
    )
