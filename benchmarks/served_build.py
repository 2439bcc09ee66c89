"""Item (f): a warm build through the server, from the request to COMPLETED and to its last artifact."""

from __future__ import annotations

from statistics import median

from benchmarks.finding import Finding, Item, seconds
from benchmarks.server import Serving, Waited, serving
from benchmarks.timing import Comparison, Cost, median_wall, take_turns
from benchmarks.warm_build import bare_build
from benchmarks.workbench import Subject, Workbench

ALLOWED_SECONDS, ALLOWED_SECONDS_LARGE, ALLOWED_SECONDS_OF_ARTIFACTS = 0.7, 1.2, 0.3
_LARGE = 20

METHOD = """\
A running `conda-store serve` (SQLite, local files, one worker) is sent `POST specification/`; it is done when the
stream of the build's events says COMPLETED: the prefix is installed and current. The rival is a process that does
`rattler.solve` and `rattler.install`, start and imports included. Packages and index were fetched before, and the
image's layers and archive's members made. The second line of each size counts on to the last artifact: lockfile, YAML,
archive, image and log."""


def measure(bench: Workbench) -> Item:
    """Every subject, in turns with bare py-rattler."""
    findings = []
    with serving(bench, "served-build") as server:
        for subject in bench.subjects:
            findings += _measured(bench, server, subject)
    return Item("served-build", "Warm build through the server", METHOD, tuple(findings))


def _measured(bench: Workbench, server: Serving, subject: Subject) -> list[Finding]:
    text = subject.specification.to_yaml()
    waited: list[Waited] = []

    def ours() -> Cost:
        waited.append(server.build(text)[1])
        return Cost(waited[-1].completed, 0.0)

    ours()
    bare_build(bench, subject)
    waited.clear()
    costs = take_turns({"ours": ours, "rival": lambda: bare_build(bench, subject)}, bench.rounds)
    above = Comparison.by_wall(costs["ours"], costs["rival"]).difference
    more = median(one.whole - one.completed for one in waited)
    allowed = ALLOWED_SECONDS_LARGE if subject.size > _LARGE else ALLOWED_SECONDS
    return [
        Finding(
            what=f"{subject.size} packages, to COMPLETED",
            ours=seconds(median_wall(costs["ours"])),
            rival=seconds(median_wall(costs["rival"])),
            measured=f"{seconds(above)} above",
            target=f"at most {allowed} s above",
            met=above <= allowed,
        ),
        Finding(
            what=f"{subject.size} packages, to the last artifact",
            ours=seconds(median(one.whole for one in waited)),
            rival="",
            measured=f"{seconds(more)} after COMPLETED",
            target=f"at most {ALLOWED_SECONDS_OF_ARTIFACTS} s after",
            met=more <= ALLOWED_SECONDS_OF_ARTIFACTS,
        ),
    ]
