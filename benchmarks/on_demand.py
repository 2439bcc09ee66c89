"""Item (n): an image on demand whose packages and layers are known, from the request to the manifest."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from statistics import median

from benchmarks.finding import Finding, Item, seconds
from benchmarks.server import Serving, serving
from benchmarks.workbench import Subject, Workbench
from conda_store.registry.names import DYNAMIC, LATEST

ALLOWED_SECONDS = 0.15

METHOD = """\
`GET /v2/conda-store-dynamic/<package>/<package>/…/manifests/latest` of a running `conda-store serve` (SQLite, local
files, two workers as by default), each time under a name that nobody asked for before (a condition differs, the
solution does not): the request is held until the image can be pulled. All packages are in the store and their layers
made, since a build of the same packages came before. Requests follow one another at once. Taken off is the solve alone,
as the build itself times it (its stage `solve`); everything else counts: queue, worker, check, image, publication and
how the request hears of it."""


@dataclass(frozen=True)
class Answered:
    """Seconds from a request to its manifest, and those of them that the solve took."""

    whole: float
    solve: float


def measure(bench: Workbench) -> Item:
    """As many new names as there are rounds for every subject, after an uncounted one."""
    findings, notes = [], []
    with serving(bench, "on-demand", "c.LocalExecutor.workers = 2", token=secrets.token_hex(16)) as server:
        for subject in bench.subjects:
            server.build(subject.specification.to_yaml())
            answers = [_ask(server, _name(subject, number)) for number in range(bench.rounds + 1)][1:]
            findings.append(_finding(subject, answers))
            solve = seconds(median(one.solve for one in answers))
            notes.append(f"{subject.size} packages: the solve, which is taken off, took {solve}.")
    return Item("on-demand", "Image on demand, all layers known", METHOD, tuple(findings), tuple(notes))


def _finding(subject: Subject, answers: list[Answered]) -> Finding:
    above = [one.whole - one.solve for one in answers]
    return Finding(
        what=f"{subject.size} packages",
        ours=seconds(median(one.whole for one in answers)),
        rival="",
        measured=f"{seconds(median(above))} over the solve ({seconds(min(above))} at best)",
        target=f"under {seconds(ALLOWED_SECONDS)} over the solve",
        met=median(above) < ALLOWED_SECONDS,
    )


def _name(subject: Subject, number: int) -> str:
    """A new name for the same packages: every version of python is above the one that is named."""
    return "/".join([DYNAMIC, *subject.specification.dependencies, f"python.gt.0.{number}"])


def _ask(server: Serving, name: str) -> Answered:
    started = time.perf_counter()
    server.manifest(name, LATEST)
    whole = time.perf_counter() - started
    tags = server.client.get(f"{server.url}v2/{name}/tags/list").raise_for_status().json()["tags"]
    events = server.events(int(next(tag for tag in tags if tag.isdigit())))
    solve = next(event["seconds"] for event in events if event.get("stage") == "solve" and "seconds" in event)
    return Answered(whole, float(solve))
