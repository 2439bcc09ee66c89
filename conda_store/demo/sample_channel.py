"""Makes a conda channel of real packages from Python wheels and the running Python, in under a minute.

For the demo, the tests and the benchmarks, which must run where no conda channel can be reached.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from hashlib import sha256
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from conda_store.demo.python_package import python_index, write_invented_python, write_python_package
from conda_store.demo.recipes import FIVE, FOREIGN, NEWEST, OLDER, SEVENTY
from conda_store.demo.target import Target, foreign_platform, running_platform
from conda_store.demo.wheel_package import write_wheel_package
from conda_store.demo.wheels import Wheel, download_wheels
from conda_store.demo.whole_directory import make_whole
from conda_store.packages.indexing import index_channel

__all__ = ["FIVE", "SEVENTY", "make_sample_channel"]

FORMAT_VERSION = 2  # raise it when the same recipes give other bytes

Report = Callable[[str], None]


def _silent(_: str) -> None:
    """Report to nobody."""


def make_sample_channel(directory: Path, report: Report = _silent) -> Path:
    """Make the sample channel at `directory`, or leave a complete one of these recipes as it is; return its path.

    The channel appears whole or not at all. `report` gets a line per step. Raises FetchFailed when pip cannot fetch,
    BadInput when `directory` holds something else or this machine cannot make the channel.
    """
    return make_whole(directory, _recipe(), lambda fresh: _make(fresh, report))


def _make(channel: Path, report: Report) -> None:
    here, foreign = Target(running_platform()), Target(foreign_platform())
    for subdir in ("noarch", here.subdir, foreign.subdir):
        (channel / subdir).mkdir()
    with tempfile.TemporaryDirectory(dir=channel.parent) as wheels:
        report("Fetching wheels")
        found = _fetch(Path(wheels), here, foreign)
        report(f"Packing {len(found)} wheels and {here.python_name}")
        _pack(channel, found, here, foreign, report)
    report("Indexing the channel")
    index_channel(channel)


def _fetch(directory: Path, here: Target, foreign: Target) -> list[tuple[Wheel, Target]]:
    """Every wheel once, with the target it is packed for."""
    runs: list[tuple[list[str], Target, str | None]] = [
        (NEWEST, here, None),
        (OLDER, here, None),
        (FOREIGN, foreign, foreign.machine),
    ]
    with ThreadPoolExecutor(len(runs)) as pool:
        fetched = pool.map(lambda n: download_wheels(runs[n][0], directory / str(n), runs[n][2]), range(len(runs)))
        found: dict[str, tuple[Wheel, Target]] = {}
        for (_, target, _), wheels in zip(runs, fetched, strict=True):
            for wheel in wheels:
                found.setdefault(wheel.path.name, (wheel, here if wheel.is_pure else target))
    return list(found.values())


def _pack(channel: Path, found: list[tuple[Wheel, Target]], here: Target, foreign: Target, report: Report) -> None:
    """Write every package, two at a time.

    Threads are enough: compressing, hashing and unpacking release the interpreter, bytecode is made by children.
    """
    extras = _extras_of([wheel for wheel, _ in found])
    large_first = sorted(found, key=lambda pair: -pair[0].path.stat().st_size)
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(write_python_package, here, channel), pool.submit(write_invented_python, foreign, channel)]
        for wheel, target in large_first:
            # A Wheel caches its content: a fresh one lets go of it when it is packed.
            tasks.append(pool.submit(write_wheel_package, Wheel(wheel.path), target, channel, extras))
        try:
            done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown(cancel_futures=True)
        for task in done:
            report(task.result().name)


def _extras_of(wheels: Iterable[Wheel]) -> Callable[[str, str], Iterable[Requirement]]:
    """What the extras of a project add, as its newest wheel says."""
    newest = {wheel.name: wheel for wheel in sorted(wheels, key=lambda wheel: Version(wheel.version))}
    return lambda name, _: newest[name].requirements if name in newest else ()


def _recipe() -> dict[str, object]:
    """What the channel's content depends on, apart from what the package index offers that day."""
    here = Target(running_platform())
    index = python_index(here)
    made_of = [FORMAT_VERSION, here.subdir, index["version"], NEWEST, OLDER, FOREIGN]
    return {"recipe": sha256(json.dumps(made_of).encode()).hexdigest()}
