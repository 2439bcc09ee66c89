"""Item (o): what the API answers of a busy deployment, on both databases, beside the field's own server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from benchmarks.api_servers import RIVAL, TIMES, Contestant, contestants
from benchmarks.busy_database import BUILDS, ENVIRONMENTS, PACKAGES_PER_BUILD
from benchmarks.finding import Finding, Item, seconds
from benchmarks.workbench import Workbench
from benchmarks.wrk import Answers, answers, named

ALLOWED_SECONDS, ALLOWED_GROWTH = 0.015, 1.2
CONNECTIONS = (1, 16)
PAGE = "a page of 100 environments"
_PATHS = {
    "the status": "",
    PAGE: "environment/?page=1&size=100",
    "one environment": "environment/group-001/environment-0951/",
    "one build": f"build/{BUILDS - 49}/",
    "a build's packages": f"build/{BUILDS - 49}/packages/",
}
# Longer for the rival's pages, so that several come.
_SECONDS, _SECONDS_OF_PAGES = 1, 3

METHOD = f"""\
wrk (one thread, kept connections, a second a turn) asks servers whose databases hold {ENVIRONMENTS:,} environments in
50 namespaces and {BUILDS:,} builds, each with six artifacts and {PACKAGES_PER_BUILD} packages: `conda-store serve` on
SQLite and on PostgreSQL, and {RIVAL} on SQLite with the same rows. A token of an
administrator comes with every request, and who that is and what they may see is decided each time by all. All have one
server process; wrk takes part of the same two cores. p99 is the time in which 99 of a hundred answers came, the median
of the rounds. Servers with {TIMES} times as many environments and builds took their turns in the same rounds. The rival
has no figure for pages at 16 connections: it answers all sixteen together, after many seconds."""

#: What is asked, at how many connections, of whom.
Key = tuple[str, int, Contestant]


def measure(bench: Workbench) -> Item:
    """Every path at one and at sixteen connections, of everybody."""
    found: dict[Key, list[Answers]] = {}
    with contestants(bench) as (servers, missing):
        for _ in range(bench.rounds):
            for key in turns_of(servers, CONNECTIONS[:1] if bench.quick else CONNECTIONS):
                found.setdefault(key, []).append(_turn(*key))
    title = f"The API with {ENVIRONMENTS:,} environments"
    return Item("api-requests", title, METHOD, tuple(findings_of(found)), tuple(missing))


def turns_of(servers: Sequence[Contestant], numbers: Sequence[int]) -> Iterator[Key]:
    """What is asked of whom in a round, at so many connections."""
    for what in _PATHS:
        for connections in numbers:
            for server in servers:
                if server.environments > ENVIRONMENTS and (what, connections) != (PAGE, 1):
                    continue
                if not server.database and what == PAGE and connections > 1:
                    continue
                yield what, connections, server


def _turn(what: str, connections: int, server: Contestant) -> Answers:
    duration = _SECONDS_OF_PAGES if what == PAGE and not server.database else _SECONDS
    headers = {"Authorization": f"Bearer {server.token}"}
    return answers(f"{server.url}{_PATHS[what]}", connections, headers, duration)


def findings_of(found: Mapping[Key, list[Answers]]) -> list[Finding]:
    """A line for every path, database and number of connections, and then how the cost of a page grows."""
    return [*_lines(found), *_growth(found)]


def _lines(found: Mapping[Key, list[Answers]]) -> Iterator[Finding]:
    for (what, connections, server), ours in found.items():
        if server.environments > ENVIRONMENTS or not server.database:
            continue
        rival = next((turns for key, turns in found.items() if _is_rival(key, what, connections)), None)
        line = Finding(
            what=f"{what}, {server.database}, {named(connections)}",
            ours=_shown(ours),
            rival=_shown(rival) if rival else "",
            measured=_times(ours, rival) if rival else "",
        )
        if (what, connections) == (PAGE, 1):
            line = _with_target(line, ours)
        yield line


def _with_target(line: Finding, ours: Sequence[Answers]) -> Finding:
    half = median(turn.median for turn in ours)
    measured = ", ".join(filter(None, (f"{seconds(half)} at the median", line.measured)))
    target = f"under {seconds(ALLOWED_SECONDS)} at the median"
    return replace(line, measured=measured, target=target, met=half < ALLOWED_SECONDS)


def _growth(found: Mapping[Key, list[Answers]]) -> Iterator[Finding]:
    for (what, connections, server), larger in found.items():
        if server.environments > ENVIRONMENTS:
            smaller = found[_smaller(found, what, connections, server)]
            growth = median(one.median / other.median for one, other in zip(larger, smaller, strict=True))
            yield Finding(
                what=f"{what}, {server.database}, {server.environments:,} environments",
                ours=_shown(larger),
                rival="",
                measured=f"{growth:.2f} times the median with {ENVIRONMENTS:,}",
                target=f"at most {ALLOWED_GROWTH:g} times",
                met=growth <= ALLOWED_GROWTH,
            )


def _smaller(found: Mapping[Key, object], what: str, connections: int, server: Contestant) -> Key:
    same = (what, connections, server.database, ENVIRONMENTS)
    return next(key for key in found if (*key[:2], key[2].database, key[2].environments) == same)


def _is_rival(key: Key, what: str, connections: int) -> bool:
    return key[:2] == (what, connections) and not key[2].database


def _shown(turns: Sequence[Answers]) -> str:
    rate, late = median(turn.rate for turn in turns), median(turn.p99 for turn in turns)
    return f"{rate:,.0f} requests/s, p99 {seconds(late)}"


def _times(ours: Sequence[Answers], rival: Sequence[Answers]) -> str:
    ratio = median(one.rate / other.rate for one, other in zip(ours, rival, strict=True))
    return f"{ratio:.1f} times the rival's rate"
