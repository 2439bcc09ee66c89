"""The rival of a warm build: solve and install with py-rattler, and nothing else.

A process of its own: `python -m benchmarks.bare_rattler CHANNEL CACHE TARGET SUBDIR [REQUIREMENT …]`; without
requirements it ends when everything is imported.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import rattler
from rattler import Gateway, Subdir, VirtualPackage


async def solve_and_install(channel: str, cache: Path, target: str, subdir: str, requirements: list[str]) -> None:
    """Into the new directory `target`; what was fetched before is in `cache`."""
    records = await rattler.solve(
        [channel],
        requirements,
        gateway=Gateway(cache_dir=cache / "repodata"),
        platforms=[Subdir(subdir), Subdir("noarch")],
        virtual_packages=[found.into_generic() for found in VirtualPackage.detect()],
    )
    await rattler.install(records, target, cache_dir=cache / "packages", show_progress=False)


if __name__ == "__main__":
    if sys.argv[5:]:
        channel, cache, target, subdir, *requirements = sys.argv[1:]
        asyncio.run(solve_and_install(channel, Path(cache), target, subdir, requirements))
    # As conda-store itself does: rattler's threads can crash an interpreter that takes its time to end.
    os._exit(0)
