"""Item (d): layers made for the first time, against tar and igzip over the same files. Counted by processor time."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.finding import Finding, Item, seconds
from benchmarks.timing import Comparison, Cost, cost_of, median_processor, median_wall, take_turns
from benchmarks.workbench import Workbench
from conda_store.builds.environment import Environment
from conda_store.packages.contents import Contents
from conda_store.pieces.compression import GZIP
from conda_store.pieces.layer import PREFIX, LayerMaker, package_entries
from conda_store.storage.local import LocalStorage

BYTES = 300_000_000

METHOD = """\
One layer for each of the largest packages that make up 300 MB together, with their bytecode, made into an empty
storage, against `tar -cf - --null -T LIST | igzip -2 > FILE` over the same files in an installed prefix; igzip is the
same compressor at the same level. Figures are bytes of files by seconds of processors (user and system, all threads),
so that the number of cores does not matter. Ours also takes two sha256 of each layer (raw and compressed) and writes
every blob through to the disk. The files are in the page cache for all."""


def measure(bench: Workbench) -> Item:
    """Ours on all cores, ours one layer after the other, and the rival."""
    if shutil.which("igzip") is None:
        return Item("layers", _TITLE, METHOD, (), ("Not measured: igzip is not installed (`make system-packages`).",))
    subject = bench.largest
    environment = bench.environment(subject)
    packages = _largest(environment.ownership.order)
    prefix = bench.prefix(subject, environment, "prefixes")
    listing = bench.scratch / "layers.list"
    listing.write_text("\0".join(_names(environment, packages)))
    size = _size(prefix, listing)
    costs = take_turns(
        {
            "all cores": lambda: _ours(bench, environment, [packages]),
            "one thread": lambda: _ours(bench, environment, [[package] for package in packages]),
            "rival": lambda: _tar_igzip(bench, prefix, listing),
            "digests": lambda: cost_of(lambda: hashlib.sha256(bytes(size))),
        },
        bench.rounds,
    )
    return _item(size, len(packages), costs)


_TITLE = "Layers made cold, per core"


def _item(size: int, packages: int, costs: dict[str, list[Cost]]) -> Item:
    rival = costs["rival"]
    findings = []
    for name in ("all cores", "one thread"):
        compared = Comparison.by_processor(costs[name], rival)
        findings.append(
            Finding(
                what=f"{packages} layers, {size / 1e6:.0f} MB, {name}",
                ours=_rate(size, costs[name]),
                rival=_rate(size, rival),
                measured=f"{compared.ratio:.2f} times the rival's rate per core",
            )
        )
    walls = ", ".join(f"{name} {seconds(median_wall(costs[name]))}" for name in ("all cores", "one thread", "rival"))
    share = median_processor(costs["digests"]) / median_processor(costs["one thread"])
    notes = (
        f"Of our processor time {share:.0%} go to the digest of the raw layers alone, which the rival does not make.",
        f"On the wall clock: {walls} (tar and igzip run side by side).",
    )
    return Item("layers", _TITLE, METHOD, tuple(findings), notes)


def _rate(size: int, costs: Sequence[Cost]) -> str:
    return f"{size / 1e6 / median_processor(costs):.0f} MB/s"


def _largest(packages: Sequence[Contents]) -> list[Contents]:
    """The largest packages, as many as have `BYTES` together."""
    chosen: list[Contents] = []
    for package in sorted(packages, key=lambda package: -package.size):
        if sum(other.size for other in chosen) < BYTES:
            chosen.append(package)
    return chosen


def _names(environment: Environment, packages: Sequence[Contents]) -> list[str]:
    """The files of the layers, as they are called in a prefix."""
    compiled = environment.compiled(PREFIX)
    entries = (entry for package in packages for entry in package_entries(package, environment.python, compiled))
    return sorted(entry.path.removeprefix(f"{PREFIX[1:]}/") for entry in entries)


def _size(prefix: Path, listing: Path) -> int:
    names = listing.read_text().split("\0")
    return sum((prefix / name).lstat().st_size for name in names if not (prefix / name).is_symlink())


def _ours(bench: Workbench, environment: Environment, batches: Sequence[Sequence[Contents]]) -> Cost:
    compiled = environment.compiled(PREFIX)

    def make(directory: Path) -> None:
        maker = LayerMaker(LocalStorage(directory), GZIP)
        for batch in batches:
            maker.make([(package,) for package in batch], environment.python, compiled)

    return bench.cost_in_new_place(make)


def _tar_igzip(bench: Workbench, prefix: Path, listing: Path) -> Cost:
    def pipe(target: Path) -> None:
        command = ["tar", "-C", str(prefix), "-cf", "-", "--null", "-T", str(listing)]
        with target.open("wb") as out, subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
            subprocess.run(["igzip", "-2"], stdin=tar.stdout, stdout=out, check=True)
        if tar.returncode:
            raise RuntimeError(f"tar ended with {tar.returncode}")

    return bench.cost_in_new_place(pipe)
