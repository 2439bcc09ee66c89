"""Item (h): how many small requests one process answers."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks.finding import Finding, Item
from benchmarks.server import serving
from benchmarks.workbench import Workbench
from benchmarks.wrk import named, requests_per_second

CONNECTIONS = (1, 16)

METHOD = """\
wrk (one thread, kept connections, three seconds a turn) asks a running `conda-store serve` on SQLite: for its state
(`GET health`), its version (`GET api/v1/`) and one build with specification and artifacts (`GET api/v1/build/1/`). Who
calls and what they may is decided for every request. One server process; wrk takes part of the same two cores."""


def measure(bench: Workbench) -> Item:
    """Each path at one and at sixteen connections; there is no rival and no target."""
    findings = []
    with serving(bench, "requests") as server:
        build_id, _ = server.build(bench.subjects[0].specification.to_yaml())
        paths = {"state": "health", "version": "api/v1/", "one build": f"api/v1/build/{build_id}/"}
        for what, path in paths.items():
            for connections in CONNECTIONS:
                ask = partial(requests_per_second, f"{server.url}{path}", connections, quick=bench.quick)
                found = [ask() for _ in range(bench.rounds)]
                findings.append(Finding(f"{what}, {named(connections)}", f"{median(found):,.0f} requests/s", "", ""))
    return Item("requests", "Small requests", METHOD, tuple(findings))
