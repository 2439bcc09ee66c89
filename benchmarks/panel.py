"""The item `panel`: how soon JupyterLab's panel shows the environments of a busy deployment, seen from the browser."""

from __future__ import annotations

import gzip
import secrets
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.busy_database import BUILDS, ENVIRONMENTS, fill
from benchmarks.finding import Finding, Item, seconds
from benchmarks.server import serving
from benchmarks.workbench import Workbench
from conda_store.db import Database
from tests.jupyter_labs import Lab, LabVisitor, running_lab
from tests.visitors import chromium

ALLOWED_SECONDS, ALLOWED_BYTES = 0.3, 300_000
_BUNDLE = Path(__file__).parent.parent / "conda_store_labextension/static/static"
_ICON = ".jp-SideBar [data-id='conda-store-panel']"

METHOD = f"""\
A real JupyterLab in Chromium, its panel in front of `conda-store serve` on SQLite with {ENVIRONMENTS:,} environments
and {BUILDS:,} builds, all of which the caller may see. The clock is the browser's: from the press on the panel's icon,
or, where the panel is open when JupyterLab is loaded, from when it asks for the environments, to the frame after the
first rows can be seen. Each round loads JupyterLab anew. The size is that of all scripts of the panel, each compressed
by gzip."""

#: `shown` is when rows could be seen first, on the page's own clock; `pressed` when a mouse button went down last.
_WATCH = """
performance.setResourceTimingBufferSize(5000);
addEventListener("pointerdown", () => (window.pressed = performance.now()), {capture: true});
window.shown = new Promise(resolve => {
    const seen = () => document.querySelector(".jp-CondaStore-environmentButton")?.checkVisibility();
    const look = () => requestAnimationFrame(() => seen() ? requestAnimationFrame(resolve) : look());
    look();
});
"""
_SINCE_PRESS = "async () => (await window.shown) - window.pressed"
_SINCE_REQUEST = """async () => {
    const shown = await window.shown;
    return shown - performance.getEntriesByType("resource").find(one => one.name.includes("/overview/")).startTime;
}"""


def measure(bench: Workbench) -> Item:
    """Press, and load with the panel open, in turns."""
    url = f"sqlite:///{bench.scratch}/panel.sqlite"
    database = Database(url)
    database.create_or_upgrade()
    fill(database)
    database.close()
    token = secrets.token_hex(16)
    with (
        serving(bench, "panel", f"c.CondaStore.database_url = {url!r}", token=token) as server,
        running_lab(bench.scratch / "lab", server.url, token) as lab,
        chromium() as browser,
    ):
        turns = [_turn(browser, lab) for _ in range(bench.rounds)]
    pressed, loaded = zip(*turns, strict=True)
    findings = (
        _timed("from the press on its icon to its rows", pressed),
        _timed("open when JupyterLab is loaded, from its request to its rows", loaded),
        _sized("scripts, compressed"),
    )
    return Item("panel", f"JupyterLab's panel with {ENVIRONMENTS:,} environments", METHOD, findings)


def _turn(browser: Any, lab: Lab) -> tuple[float, float]:
    """Seconds after the press, and after the request."""
    visitor = LabVisitor(browser, lab.url, "/")
    page = visitor.page
    try:
        page.add_init_script(_WATCH)
        with page.expect_response("**/conda-store/api/v1/overview/**"):
            visitor.enter(lab, "lab?reset")
        with page.expect_response(lambda answer: "workspaces" in answer.url and answer.request.method == "PUT"):
            page.click(_ICON)
            pressed = page.evaluate(_SINCE_PRESS)
        page.goto(f"{lab.url}/lab")
        visitor.settle()
        return pressed / 1000, page.evaluate(_SINCE_REQUEST) / 1000
    finally:
        visitor.context.close()


def _timed(what: str, turns: tuple[float, ...]) -> Finding:
    half = median(turns)
    return Finding(
        what=what,
        ours=seconds(half),
        rival="",
        measured=f"{seconds(half)} at the median, {seconds(max(turns))} at most",
        target=f"under {seconds(ALLOWED_SECONDS)}",
        met=half < ALLOWED_SECONDS,
    )


def _sized(what: str) -> Finding:
    size = sum(len(gzip.compress(path.read_bytes())) for path in _BUNDLE.glob("*.js"))
    said = f"{size / 1000:.1f} kB"
    return Finding(what, said, "", said, f"under {ALLOWED_BYTES / 1000:.0f} kB", size < ALLOWED_BYTES)
