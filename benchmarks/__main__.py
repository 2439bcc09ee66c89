"""`python -m benchmarks`: run the measurements; a full run writes `docs/performance.md`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks import (
    api_requests,
    archive,
    compressing,
    disk,
    downloads,
    image,
    layers,
    memory,
    on_demand,
    pages,
    panel,
    registry_blobs,
    registry_manifests,
    registry_memory,
    requests_per_second,
    served_build,
    warm_build,
    watchers,
)
from benchmarks.finding import Item
from benchmarks.machine import describe_machine
from benchmarks.report import render, render_item
from benchmarks.workbench import Workbench

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/performance.md"
ITEMS: Mapping[str, Callable[[Workbench], Item]] = {
    "warm-build": warm_build.measure,
    "archive": archive.measure,
    "image": image.measure,
    "layers": layers.measure,
    "disk": disk.measure,
    "served-build": served_build.measure,
    "downloads": downloads.measure,
    "requests": requests_per_second.measure,
    "api-requests": api_requests.measure,
    "compressing": compressing.measure,
    "pages": pages.measure,
    "panel": panel.measure,
    "memory": memory.measure,
    "watchers": watchers.measure,
    "registry-manifests": registry_manifests.measure,
    "registry-blobs": registry_blobs.measure,
    "registry-memory": registry_memory.measure,
    "on-demand": on_demand.measure,
}


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Turns of each contestant.")
@click.option("--quick", is_flag=True, help="One round on a small environment, to see that everything runs.")
@click.option("--only", "chosen", type=click.Choice(list(ITEMS)), multiple=True, help="This item; may be repeated.")
def main(rounds: int, quick: bool, chosen: Sequence[str]) -> None:
    """Measure against the named rivals. Only a run of everything, without --quick, writes docs/performance.md."""
    machine = describe_machine()
    rounds = 1 if quick else rounds
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=cache) as scratch:
        bench = Workbench(cache, Path(scratch), rounds=rounds, quick=quick, report=_say)
        items = [_measure(name, bench) for name in chosen or ITEMS]
    if not quick and not chosen:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(render(items, machine, rounds=rounds, date=f"{datetime.now(UTC):%Y-%m-%d}"))
        _say(f"Written: {PAGE.relative_to(ROOT)}")


def _measure(name: str, bench: Workbench) -> Item:
    _say(f"Measuring {name}")
    item = ITEMS[name](bench)
    click.echo(render_item(item))
    return item


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    status = 0
    try:
        main.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    sys.stdout.flush()
    sys.stderr.flush()
    # rattler's threads can crash an interpreter that takes its time to end.
    os._exit(status)
