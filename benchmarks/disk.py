"""Item (e): what environments cost on the disk. Blocks, each file once however many names it has."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from benchmarks.archive import make_archive, pack
from benchmarks.finding import Finding, Item, megabytes
from benchmarks.workbench import Subject, Workbench
from conda_store.builds.workshop import Workshop
from conda_store.registry.base import SCRATCH, BaseImage

ENVIRONMENTS = 10

PREFIXES = "disk-prefixes"

METHOD = """\
Blocks on the disk of a new store and of the prefixes made from it, hard links counted once. Each environment has
everything: an installed prefix, an archive ready to be streamed, and an image without a base. The environments differ
in one small package each. *Made separately* are the same prefix with nothing else, the file that conda-pack makes of
it, and the image's layers as files; a package cache is not counted there, since it shares its files with the prefix."""


def measure(bench: Workbench) -> Item:
    """One environment, nine more, and the three things that the one would be without pieces."""
    workshop = bench.new_workshop("disk")
    places = [workshop.directory, bench.scratch / PREFIXES]
    first, *others = _subjects(bench)
    separate = _make_everything(bench, workshop, first)
    one = disk_usage(places)
    separate += _prefix_and_archive(bench, bench.scratch / PREFIXES / first.specification.name)
    for subject in others:
        _make_everything(bench, workshop, subject)
    return _item(len(others) + 1, first.size, one, disk_usage(places), separate)


def _item(count: int, packages: int, one: int, all_of_them: int, separate: int) -> Item:
    findings = (
        Finding(
            what=f"{count} environments of {packages} packages against one",
            ours=megabytes(all_of_them),
            rival=f"{megabytes(one)} (ours, one)",
            measured=f"{all_of_them / one:.2f} times one, not {count} times",
        ),
        Finding(
            what="one environment, everything, against made separately",
            ours=megabytes(one),
            rival=megabytes(separate),
            measured=f"{one / separate:.2f} times the rival's",
        ),
    )
    each = megabytes((all_of_them - one) / (count - 1))
    return Item("disk", "Disk", METHOD, findings, (f"Each further environment adds {each}.",))


def disk_usage(roots: Iterable[Path]) -> int:
    """Bytes of the blocks of everything below `roots`, each file once."""
    blocks: dict[tuple[int, int], int] = {}
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in ("", *names):
                status = os.lstat(os.path.join(folder, name))  # noqa: PTH118  hundreds of thousands of files
                blocks[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(blocks.values())


def _subjects(bench: Workbench) -> list[Subject]:
    """The largest subject with one more package, for each of several packages that need nothing new."""
    base = bench.largest
    names = {package.name for package in base.lock.conda}
    records = json.loads((bench.channel / "noarch/repodata.json").read_bytes())["packages.conda"].values()
    further = sorted(
        {record["name"] for record in records if {text.split()[0] for text in record["depends"]} <= names} - names
    )
    count = 2 if bench.quick else ENVIRONMENTS
    dependencies = base.specification.dependencies
    found = [bench.solve(f"{base.specification.name}-{name}", [*dependencies, name]) for name in further]
    return [subject for subject in found if subject.size == base.size + 1][:count]


def _make_everything(bench: Workbench, workshop: Workshop, subject: Subject) -> int:
    """Prefix, archive and image; returns the bytes of the image's layers."""
    environment = bench.environment(subject, workshop)
    bench.prefix(subject, environment, PREFIXES)
    make_archive(subject, environment, workshop.storage)
    image = bench.image(subject.specification, environment, BaseImage(SCRATCH, bench.platform))
    return image.size


def _prefix_and_archive(bench: Workbench, prefix: Path) -> int:
    archive = bench.scratch / "separate.tar.gz"
    pack(prefix, archive)
    size = disk_usage([prefix]) + archive.stat().st_size
    archive.unlink()
    return size
