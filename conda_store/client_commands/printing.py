"""How answers look: tables in a terminal, lines of cells between tabs in a pipe, JSON for programs, and progress."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from conda_store.client import Client, Event, Submission
    from conda_store.client.download import Report


def print_json(value: Any) -> None:
    """A value as JSON; dataclasses as objects, times in ISO 8601."""
    click.echo(json.dumps(value, indent=2, default=plain))


def plain(value: Any) -> Any:
    """What JSON has no form for."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_rows(rows: Iterable[Sequence[object]], heading: Sequence[str] = ()) -> None:
    """Rows as a table in a terminal, with a heading; elsewhere as lines, each printed as it comes."""
    cells = ([visible("" if cell is None else str(cell)) for cell in row] for row in rows)
    if not sys.stdout.isatty():
        for row in cells:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heading, box=None, show_header=bool(heading), header_style="bold", pad_edge=False)
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


def say(text: str, as_json: bool, **values: Any) -> None:
    """What was done, for people beside the output, or as JSON."""
    if as_json:
        print_json(values)
    else:
        click.echo(text, err=True)


def visible(text: str) -> str:
    """A text on one line, without characters that would command a terminal: others may have written it."""
    spaced = " ".join(text.splitlines()).replace("\t", " ")
    return "".join("\ufffd" if unicodedata.category(one) in ("Cc", "Cf") else one for one in spaced)


def moment(time: datetime | None) -> str:
    """A time for people; nothing for none."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else ""


def size(count: int) -> str:
    """A number of bytes for people."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} bytes"


def announce(client: Client, made: Submission, wait: bool, timeout: float | None, as_json: bool) -> None:
    """Tell of a build that begins, and with `wait` of its end."""
    for warning in made.warnings:
        click.echo(f"Warning: {visible(str(warning))}", err=True)
    if wait and as_json:
        wait_for(client, made.build_id, timeout, as_json)
    elif as_json:
        print_json(made)
    else:
        click.echo(made.build_id)
        if wait:
            wait_for(client, made.build_id, timeout, as_json)
        elif sys.stdout.isatty():
            click.echo(f"Follow it: conda-store logs -f {made.build_id}", err=True)


def wait_for(client: Client, build_id: int, timeout: float | None, as_json: bool) -> None:
    """Wait for the end of a build and tell it. Raises `BuildFailed` unless it is COMPLETED."""
    with _status(build_id) as told:
        build = client.wait(build_id, timeout, on_event=told)
    if as_json:
        print_json(build)
    build.check_completed()
    if not as_json:
        click.echo(f"Build {build_id} is {build.status}.", err=True)


@contextmanager
def _status(build_id: int) -> Iterator[Callable[[Event], None] | None]:
    """In a terminal a line that says what a build is doing, fed with its events; elsewhere None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(f"Build {build_id}") as line:

        def tell(event: Event) -> None:
            said = event.data.get("stage") or event.data.get("status")
            if said:
                line.update(Text(f"Build {build_id}: {visible(str(said))}"))

        yield tell


@contextmanager
def transfer(name: str) -> Iterator[Report | None]:
    """In a terminal a bar for a download; elsewhere None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
