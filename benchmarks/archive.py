"""Item (b): the portable archive, from the first byte to the last, against the conda-pack library."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import conda_pack

from benchmarks.finding import Finding, Item, megabytes, seconds
from benchmarks.timing import Comparison, Cost, cost_of, median_wall, take_turns
from benchmarks.workbench import Subject, Workbench
from conda_store.builds.archive import Archive, ArchiveMaker
from conda_store.builds.environment import Environment
from conda_store.pieces.compression import GZIP
from conda_store.storage.base import Storage
from conda_store.storage.local import LocalStorage

TIMES_FASTER = 30

METHOD = """\
Our archive of a settled environment written to a file, against `conda_pack.pack()` on the installed prefix with its
own defaults (gzip by zlib at level 4, one thread; it cannot use igzip). *Pieces known*: every package's member was made
before, for whichever environment. *Pieces unknown*: an empty storage, every member is made, written through to the
disk and named by its digest. Both archives hold the same bytecode, which is made before."""


def measure(bench: Workbench) -> Item:
    """Known, unknown and conda-pack take turns on every subject."""
    findings, notes = [], []
    for subject in bench.subjects:
        environment = bench.environment(subject)
        prefix = bench.prefix(subject, environment, "prefixes")
        sizes: dict[str, int] = {}
        costs = take_turns(
            {
                "known": partial(_known, bench, subject, environment, sizes),
                "unknown": partial(_unknown, bench, subject, environment),
                "rival": partial(_conda_pack, bench, prefix, sizes),
            },
            bench.rounds,
        )
        findings += _findings(subject, costs)
        notes.append(
            f"{subject.size} packages: our archive has {megabytes(sizes['ours'])}, "
            f"conda-pack's {megabytes(sizes['rival'])}."
        )
    return Item("archive", "Archive, first to last byte", METHOD, tuple(findings), tuple(notes))


def _findings(subject: Subject, costs: dict[str, list[Cost]]) -> list[Finding]:
    targets = {"known": (TIMES_FASTER, f"at least {TIMES_FASTER} times faster"), "unknown": (1, "no slower")}
    found = []
    for name, (target, words) in targets.items():
        compared = Comparison.by_wall(costs[name], costs["rival"])
        found.append(
            Finding(
                what=f"{subject.size} packages, pieces {name}",
                ours=seconds(median_wall(costs[name])),
                rival=seconds(median_wall(costs["rival"])),
                measured=f"{compared.ratio:.1f} times faster, {seconds(-compared.difference)} less",
                target=words,
                met=compared.ratio >= target,
            )
        )
    return found


def make_archive(subject: Subject, environment: Environment, storage: Storage) -> Archive:
    """The subject's gzip archive, as a list of blobs in `storage`."""
    return ArchiveMaker(storage, GZIP).make(
        subject.specification,
        environment.ownership,
        environment.python,
        environment.origins,
        runnable=environment.runnable,
        compile_shared=lambda: environment.bytecode,
    )


def _known(bench: Workbench, subject: Subject, environment: Environment, sizes: dict[str, int]) -> Cost:
    storage = bench.workshop.storage
    make_archive(subject, environment, storage)

    def write(path: Path) -> None:
        archive = make_archive(subject, environment, storage)
        archive.write(storage, path)
        sizes["ours"] = archive.size

    return bench.cost_in_new_place(write)


def _unknown(bench: Workbench, subject: Subject, environment: Environment) -> Cost:
    path = bench.scratch / "unknown.tar.gz"

    def write(directory: Path) -> None:
        storage = LocalStorage(directory)
        make_archive(subject, environment, storage).write(storage, path)

    cost = bench.cost_in_new_place(write)
    path.unlink()
    return cost


def pack(prefix: Path, path: Path) -> None:
    """An archive of `prefix` at `path`, by conda-pack with its defaults."""
    conda_pack.pack(prefix=str(prefix), output=str(path))  # type: ignore[no-untyped-call]


def _conda_pack(bench: Workbench, prefix: Path, sizes: dict[str, int]) -> Cost:
    path = bench.scratch / "conda-pack.tar.gz"
    cost = cost_of(lambda: pack(prefix, path))
    sizes["rival"] = path.stat().st_size
    path.unlink()
    return cost
