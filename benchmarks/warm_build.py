"""Item (a): a warm build of a prefix, against bare py-rattler. Whole processes, as a user starts them."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.finding import Finding, Item, seconds
from benchmarks.timing import Comparison, Cost, cost_of, median_wall, take_turns
from benchmarks.workbench import Subject, Workbench

ALLOWED_SECONDS, ALLOWED_SECONDS_LARGE = 0.3, 0.7
_LARGE = 20

METHOD = """\
`conda-store build FILE --prefix DIR` against a process that does `rattler.solve` and `rattler.install` with the same
requirements and channel. Packages and index are fetched before, each program has its own caches, the prefix is a new
directory each time, and none is removed before the end. Both times include starting python and importing. Ours also
checks every path, links all bytecode and writes activation and history; the bare install leaves it to python to compile
modules at their first use."""


def measure(bench: Workbench) -> Item:
    """Both programs on every subject, and how long each needs to start."""
    findings, notes = [], []
    for subject in bench.subjects:
        ours, rival = partial(_build, bench, subject), partial(bare_build, bench, subject)
        for warm_up in (ours, rival):
            warm_up()
        costs = take_turns({"ours": ours, "rival": rival}, bench.rounds)
        findings.append(_finding(subject, costs["ours"], costs["rival"]))
    starts = take_turns({"ours": partial(_start, bench), "rival": _bare_start}, bench.rounds)
    notes.append(
        f"Of each build of ours {seconds(median_wall(starts['ours']))} are the start of python and imports "
        f"(bare py-rattler: {seconds(median_wall(starts['rival']))})."
    )
    return Item("warm-build", "Warm build, prefix only", METHOD, tuple(findings), tuple(notes))


def _finding(subject: Subject, ours: list[Cost], rival: list[Cost]) -> Finding:
    compared = Comparison.by_wall(ours, rival)
    allowed = ALLOWED_SECONDS_LARGE if subject.size > _LARGE else ALLOWED_SECONDS
    return Finding(
        what=f"{subject.size} packages",
        ours=seconds(median_wall(ours)),
        rival=seconds(median_wall(rival)),
        measured=f"{seconds(compared.difference)} above, {1 / compared.ratio:.2f} times as long",
        target=f"at most {allowed} s above",
        met=compared.difference <= allowed,
    )


def _build(bench: Workbench, subject: Subject) -> Cost:
    file = bench.scratch / f"{subject.specification.name}.yaml"
    file.write_text(subject.specification.to_yaml())

    prefix = _new_prefix(bench)
    cost = cost_of(lambda: _run("conda_store", *_options(bench, file, prefix)))
    _check_complete(prefix, subject)
    return cost


def bare_build(bench: Workbench, subject: Subject) -> Cost:
    """What the rival takes, as a whole process."""
    prefix = _new_prefix(bench)
    arguments = (bench.channel.as_uri(), bench.scratch / "rattler", prefix, bench.platform)
    cost = cost_of(lambda: _run("benchmarks.bare_rattler", *arguments, *subject.specification.dependencies))
    _check_complete(prefix, subject)
    return cost


def _new_prefix(bench: Workbench) -> Path:
    """A path for a prefix, which stays: ext4 reuses no inode in the seconds after it was freed and passes over each
    of them, so that making directories took three times as long after a prefix had been removed.
    """
    folder = bench.scratch / "warm-build"
    folder.mkdir(exist_ok=True)
    return folder / f"prefix-{len(list(folder.iterdir()))}"


def _start(bench: Workbench) -> Cost:
    """A build of a file that is not there ends when everything is imported."""
    missing = bench.scratch / "missing.yaml"
    return cost_of(lambda: _run("conda_store", *_options(bench, missing, bench.scratch / "turn"), status=1))


def _bare_start() -> Cost:
    return cost_of(lambda: _run("benchmarks.bare_rattler"))


def _options(bench: Workbench, file: Path, prefix: Path) -> tuple[str | Path, ...]:
    store = bench.workshop.directory
    return ("build", file, "--prefix", prefix, "--channel", bench.channel, "--store", store)


def _run(module: str, *arguments: str | Path, status: int = 0) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != status:
        raise RuntimeError(f"{module} ended with {done.returncode}: {done.stderr}")


def _check_complete(prefix: Path, subject: Subject) -> None:
    found = len(list((prefix / "conda-meta").glob("*.json")))
    if found != subject.size:
        raise RuntimeError(f"{found} packages were installed, not {subject.size}")
