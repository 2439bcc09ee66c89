"""Item (i): the memory of a server that has nothing to do, its worker included."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from benchmarks.finding import Finding, Item, megabytes
from benchmarks.server import serving
from benchmarks.workbench import Workbench

ALLOWED_BYTES = 200e6
# The server, the tracker of resources, the one that forks, the worker.
_PROCESSES = 4

METHOD = """\
The proportional set size (`Pss` in `/proc/<pid>/smaps_rollup`: of a page that n processes share each counts 1/n) of all
processes of a `conda-store serve` with one worker, after a build: the server, Python's tracker of resources, the
process that workers are forked from, and the worker that waits for the next build. Adding up resident sizes instead
would count twice what the worker shares with the process it was forked from."""


def measure(bench: Workbench) -> Item:
    """Once: nothing of it depends on the time of day."""
    with serving(bench, "memory") as server:
        server.build(bench.subjects[0].specification.to_yaml())
        processes = _standing(psutil.Process(server.process.pid))
        found = [(_pss(process.pid), process.memory_info().rss) for process in processes]
    proportional, resident = (sum(column) for column in zip(*found, strict=True))
    finding = Finding(
        what=f"{len(found)} processes, idle",
        ours=megabytes(proportional),
        rival="",
        measured=f"{megabytes(proportional)} (resident sizes added up: {megabytes(resident)})",
        target=f"below {megabytes(ALLOWED_BYTES)}",
        met=proportional < ALLOWED_BYTES,
    )
    each = ", ".join(megabytes(one) for one, _ in found)
    return Item("memory", "Idle memory", METHOD, (finding,), (f"Each, the server first: {each}.",))


def _standing(server: psutil.Process) -> list[psutil.Process]:
    """All processes, once the next worker is among them and for a second none came or went."""
    seen: list[psutil.Process] = []
    while len(seen) < _PROCESSES or seen != [server, *server.children(recursive=True)]:
        seen = [server, *server.children(recursive=True)]
        time.sleep(1)
    return seen


def _pss(pid: int) -> int:
    """Bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no Pss")
