"""The page `docs/performance.md`, whole: a table for each item, with target and verdict, and how to get it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.finding import Finding, Item

_HEAD = """\
# Performance

This page is written by `make bench` and by nothing else. Everything was measured in one run of {rounds} rounds, on
{date}.
"""

_HOW_TO_READ = """\
## How to read it

Contestants took turns (A B A B …), so that whatever else the machine did met all alike. *Ours* and *rival* are medians
over the rounds. *Measured* is what the target speaks of: the median of the ratios or differences of each round's pair,
which need not be the ratio or difference of the two medians. A verdict says only whether the target was met on this
machine in this run; a line without a target is there to be known.

The packages are real ones, made from wheels (`conda-store sample-channel`). `make bench` runs everything and writes
this page anew; `python -m benchmarks --only ITEM` runs one item and writes nothing.
"""


def render(items: Sequence[Item], machine: Mapping[str, str], *, rounds: int, date: str) -> str:
    """The page as Markdown."""
    facts = "\n".join(f"| {name} | {_cell(text)} |" for name, text in machine.items())
    parts = [
        _HEAD.format(rounds=rounds, date=date),
        f"{_summary(items)}\n",
        _HOW_TO_READ,
        f"## The machine\n\n| | |\n|---|---|\n{facts}\n",
        *map(render_item, items),
    ]
    return "\n".join(parts)


def render_item(item: Item) -> str:
    """The section of one item."""
    rows = [
        "| | ours | rival | measured | target | verdict |",
        "|---|---|---|---|---|---|",
        *map(_row, item.findings),
    ]
    parts = [f"## {item.title}", item.method, "\n".join(rows) if item.findings else "", *item.notes]
    parts.append(f"Again: `python -m benchmarks --only {item.key}`")
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(finding: Finding) -> str:
    verdict = {True: "met", False: "**not met**", None: ""}[finding.met]
    cells = (finding.what, finding.ours, finding.rival, finding.measured, finding.target, verdict)
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _summary(items: Sequence[Item]) -> str:
    verdicts = [finding for item in items for finding in item.findings if finding.met is not None]
    missed = [f"{item.title} ({finding.what})" for item in items for finding in item.findings if finding.met is False]
    met = len(verdicts) - len(missed)
    return f"Targets met: {met} of {len(verdicts)}." + (f" Not met: {'; '.join(missed)}." if missed else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
