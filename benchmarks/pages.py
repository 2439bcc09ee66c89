"""Item (q): the pages of a deployment with ten thousand environments, as a browser asks for them."""

from __future__ import annotations

import secrets
from datetime import timedelta
from statistics import median

import httpx
from sqlalchemy import insert, update

from benchmarks.api_servers import TIMES
from benchmarks.busy_database import BUILDS, ENVIRONMENTS, NAMESPACES, START, fill
from benchmarks.finding import Finding, Item, seconds
from benchmarks.server import serving
from benchmarks.workbench import Workbench
from benchmarks.wrk import answers
from conda_store.db import Database
from conda_store.db.orm import AuditRow, BuildRow

ALLOWED_SECONDS, ALLOWED_BYTES = 0.05, 100_000
_SECONDS = 1
_WAITING = 300

METHOD = f"""\
wrk (one thread, one kept connection, a second a turn) asks `conda-store serve` on SQLite for pages as an administrator
with a token; the database holds {ENVIRONMENTS * TIMES:,} environments and {BUILDS * TIMES:,} builds, of
which {_WAITING} wait, and an entry of the audit trail for each build. The size is that
of the HTML, before any compression."""


def paths(times: int) -> dict[str, str]:
    """What is asked for, in a database of so many times the rows."""
    # The first environment; its builds are as many apart as there are environments.
    environment = "environment/group-001/environment-0001/"
    build = (BUILDS - ENVIRONMENTS) * times + 1
    return {
        "environments": "",
        "environments, the last page": "?page=100000",
        "environments by a part of their name": "?search=environment-09",
        "environments by a package": "?search=package-12",
        "environments, the newest first": "?sort=newest",
        "an environment": environment,
        "its builds": f"{environment}builds/",
        "its editor": f"{environment}edit/",
        "who can see it": f"{environment}access/",
        "a build": f"build/{build}/",
        "a difference": f"build/{build}/diff/{build - ENVIRONMENTS * times}/",
        "a new environment": "create/",
        "namespaces": "namespace/",
        "a namespace": "namespace/group-001/",
        "its settings": "namespace/group-001/settings/",
        "oneself": "user/",
        "who can see all of it": "namespace/group-001/access/",
        "settings of an environment": f"{environment}settings/",
        "settings of the deployment": "admin/settings/",
        "the queue": "admin/",
        "what is stored": "admin/storage/",
        "the audit trail": "admin/audit/",
        "the audit trail of an action": "admin/audit/?action=build.submitted&since=2026-01-01",
        "the configuration": "admin/configuration/",
        "a deletion": f"build/{build}/delete/",
        "the documentation": "docs/operations/",
        "the REST API": "docs/api/",
    }


def measure(bench: Workbench) -> Item:
    """Every page, in turns."""
    times = 1 if bench.quick else TIMES
    url = f"sqlite:///{bench.scratch}/pages.sqlite"
    database = Database(url)
    database.create_or_upgrade()
    fill(database, times)
    _fill_trail(database, times)
    token = secrets.token_hex(16)
    headers = {"Authorization": f"Bearer {token}"}
    pages = paths(times)
    found: dict[str, list[float]] = {what: [] for what in pages}
    with serving(bench, "pages", f"c.CondaStore.database_url = {url!r}", token=token) as server:
        # Only now: the server looks for what waits when it starts, and when something is submitted.
        _fill_queue(database)
        sizes = {what: _size(f"{server.url}{path}", headers) for what, path in pages.items()}
        for _ in range(bench.rounds):
            for what, path in pages.items():
                found[what].append(answers(f"{server.url}{path}", 1, headers, _SECONDS).median)
    database.close()
    findings = tuple(_finding(what, turns, sizes[what]) for what, turns in found.items())
    return Item("pages", f"Pages with {ENVIRONMENTS * times:,} environments", METHOD, findings)


def _fill_trail(database: Database, times: int) -> None:
    """An entry for each build."""
    details = {"sha256": "0" * 64, "by": "session", "name": "data", "is_lockfile": False}
    entries = [
        {
            "time": START + timedelta(minutes=number),
            "actor": f"person-{number % 100:02}@example.org",
            "address": "192.0.2.1",
            "action": "build.submitted",
            "namespace": f"group-{number % (NAMESPACES * times) + 1:03}",
            "environment": f"environment-{number % (ENVIRONMENTS * times) + 1:04}",
            "build_id": number,
            "details": details,
        }
        for number in range(1, BUILDS * times + 1)
    ]
    with database.write() as session:
        session.execute(insert(AuditRow), entries)


def _fill_queue(database: Database) -> None:
    """A few hundred builds that wait."""
    with database.write() as session:
        session.execute(update(BuildRow).where(BuildRow.id <= _WAITING).values(status="QUEUED"))


def _size(url: str, headers: dict[str, str]) -> int:
    return len(httpx.get(url, headers=headers, timeout=60).raise_for_status().content)


def _finding(what: str, turns: list[float], size: int) -> Finding:
    half = median(turns)
    return Finding(
        what=what,
        ours=f"{seconds(half)}, {size / 1000:.1f} kB",
        rival="",
        measured=f"{seconds(half)} at the median, {size / 1000:.1f} kB",
        target=f"under {seconds(ALLOWED_SECONDS)} and {ALLOWED_BYTES / 1000:.0f} kB",
        met=half < ALLOWED_SECONDS and size < ALLOWED_BYTES,
    )
