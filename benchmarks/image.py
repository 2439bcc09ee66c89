"""Item (c): an image that nobody asked for before, from layers that are known."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from benchmarks.finding import Finding, Item, seconds
from benchmarks.timing import Cost, cost_of, median_wall, take_turns
from benchmarks.workbench import Subject, Workbench
from conda_store.registry.base import BaseImage

ALLOWED_SECONDS = 0.05

METHOD = """\
Everything that comes after the solve, in a process that runs: reading what is known of the packages, placing and
checking their files, settling who owns what, finding the layers, making the environment's own layer, writing config
and manifest through to the disk. The packages' layers are known; the environment is a new one each time (another name,
so that its own layer, config and manifest are new)."""


def measure(bench: Workbench) -> Item:
    """As many new images as there are rounds, of every subject; one more, uncounted, makes the layers."""
    base = bench.base(bench.workshop.storage)
    findings = []
    for subject in bench.subjects:
        turn = partial(_new_image, bench, subject, base)
        turn()
        costs = take_turns({"ours": turn}, bench.rounds)["ours"]
        findings.append(_finding(subject, costs))
    return Item("image", "Image from known layers", METHOD, tuple(findings))


def _finding(subject: Subject, costs: list[Cost]) -> Finding:
    median = median_wall(costs)
    return Finding(
        what=f"{subject.size} packages",
        ours=seconds(median),
        rival="",
        measured=f"{seconds(median)} ({seconds(min(cost.wall for cost in costs))} at best)",
        target=f"under {seconds(ALLOWED_SECONDS)} after the solve",
        met=median < ALLOWED_SECONDS,
    )


def _new_image(bench: Workbench, subject: Subject, base: BaseImage) -> Cost:
    specification = replace(subject.specification, name=f"new-{time.time_ns()}")
    return cost_of(lambda: bench.image(specification, bench.environment(subject), base))
