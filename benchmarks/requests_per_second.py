"""Item (h): how many small requests one process answers."""

from __future__ import annotations

import re
from statistics import median

from benchmarks.finding import Finding, Item
from benchmarks.server import Serving, output_of, program, serving
from benchmarks.workbench import Workbench

CONNECTIONS = (1, 16)
_SECONDS = 3

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
                found = [_rate(server, path, connections, bench.quick) for _ in range(bench.rounds)]
                name = f"{what}, {connections} connection{'s' if connections > 1 else ''}"
                findings.append(Finding(name, f"{median(found):,.0f} requests/s", "", ""))
    return Item("requests", "Small requests", METHOD, tuple(findings))


def _rate(server: Serving, path: str, connections: int, quick: bool) -> float:
    duration = f"-d{1 if quick else _SECONDS}s"
    said = output_of([program("wrk", "wrk"), "-t1", f"-c{connections}", duration, f"{server.url}{path}"])
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors", said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if failed or rate is None:
        raise RuntimeError(f"wrk at {path}: {said}")
    return float(rate[1])
