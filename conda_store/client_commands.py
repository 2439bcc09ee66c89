"""The commands that speak to a server: each asks `Client` one thing and prints the answer.

In a terminal answers are tables; in a pipe they are lines of cells between tabs, without a heading. Only click is
imported here: `conda-store --help` needs neither httpx nor rich.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conda_store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conda_store.client import Build, Client, Environment
    from conda_store.client_download import Report
    from conda_store.client_events import Event

_FILE_NAMES = {
    "yaml": "environment.yaml",
    "lockfile": "conda-lock.yml",
    "archive": "{name}.tar.gz",
    "logs": "{name}.log",
    "installer": "{name}.sh",
    "sbom": "{name}.spdx.json",
}
_build_id = click.argument("build_id", metavar="BUILD", type=click.IntRange(1))
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts instead of a table.")
_timeout = click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Give up after so many seconds; the build goes on."
)


def with_client(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first argument is a `Client` of the server that the options or the environment name."""

    @click.option(
        "--url",
        envvar="CONDA_STORE_URL",
        show_envvar=True,
        default="http://localhost:5000",
        show_default=True,
        help="Address of the server, with its prefix.",
    )
    @click.option(
        "--token",
        envvar="CONDA_STORE_TOKEN",
        show_envvar=True,
        help="Token that says who asks; better in the variable, where other users cannot see it.",
    )
    @wraps(command)
    def connected(*, url: str, token: str | None, **options: Any) -> None:
        from conda_store.client import Client

        with Client(url, token) as client:
            command(client, **options)

    return connected


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--namespace", help="Namespace of the environment; default: your own.")
@click.option("--name", help="Name of the environment, for a file that gives none.")
@click.option("--platform", "platforms", multiple=True, help="Build for this platform; repeat it for several.")
@click.option(
    "--wait", is_flag=True, help="Return when the build has ended; the exit status is 1 unless it is completed."
)
@_timeout
@with_client
def create(
    client: Client,
    file: Path,
    namespace: str | None,
    name: str | None,
    platforms: tuple[str, ...],
    wait: bool,
    timeout: float | None,
) -> None:
    """Let the server build FILE, an environment.yaml or a conda-lock.yml, and print the number of the build.

    With - as FILE it is read from standard input.
    """
    try:
        source = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
    build_id = client.create(source, namespace, environment_name=name, platforms=platforms)
    click.echo(build_id)
    if wait:
        _wait(client, build_id, timeout)
    elif sys.stdout.isatty():
        click.echo(f"Follow it: conda-store logs -f {build_id}", err=True)


@click.command("list")
@click.option("--namespace", help="Only environments of this namespace.")
@click.option("--search", help="Only environments with this text in either name.")
@_as_json
@with_client
def list_environments(client: Client, namespace: str | None, search: str | None, as_json: bool) -> None:
    """List environments: name, number of the current build, description."""
    found = client.environments(namespace=namespace, search=search)
    if as_json:
        _print_json([asdict(one) for one in found])
        return
    rows = [(f"{one.namespace}/{one.name}", one.current_build_id, one.description) for one in found]
    _print_rows(rows, ("environment", "build", "description"))


@click.command()
@click.argument("environment", metavar="NAMESPACE/NAME")
@_as_json
@with_client
def show(client: Client, environment: str, as_json: bool) -> None:
    """Show an environment, its current build and what that left."""
    found = client.environment(*_names(environment))
    if as_json:
        _print_json(asdict(found))
    else:
        build = found.current_build or client.build(found.current_build_id)
        _print_rows(_description(found, build, client))


@click.command()
@_build_id
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until the build has ended.")
@with_client
def logs(client: Client, build_id: int, follow: bool) -> None:
    """Print the log of BUILD."""
    for line in client.logs(build_id, follow=follow):
        click.echo(_visible(line))


@click.command()
@_build_id
@_timeout
@with_client
def wait(client: Client, build_id: int, timeout: float | None) -> None:
    """Wait until BUILD has ended; the exit status is 1, and the reason printed, unless it is completed."""
    _wait(client, build_id, timeout)


@click.command()
@_build_id
@with_client
def cancel(client: Client, build_id: int) -> None:
    """Cancel BUILD, whatever stage it is in, with everything that it started."""
    client.cancel(build_id)
    click.echo(f"Build {build_id} is being canceled.", err=True)


@click.command()
@click.argument("subject", metavar="BUILD|NAMESPACE/NAME")
@click.argument("artifact", type=click.Choice(list(_FILE_NAMES)))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this file, or under its usual name into this directory. Default: the working directory.",
)
@with_client
def download(client: Client, subject: str, artifact: str, output: Path | None) -> None:
    """Download what a build left, or the current build of an environment; print the path.

    What is not made yet is waited for, and a transfer that breaks off is resumed. The file appears whole or not at all.
    """
    chosen = int(subject) if subject.isascii() and subject.isdigit() else _names(subject)
    name = f"build-{chosen}" if isinstance(chosen, int) else chosen[1]
    path = output or Path()
    if path.is_dir():
        path /= _FILE_NAMES[artifact].format(name=name)
    with _transfer(path.name) as report:
        client.download(chosen, artifact, path, report)
    click.echo(path)


COMMANDS = (create, list_environments, show, logs, wait, cancel, download)


def _wait(client: Client, build_id: int, timeout: float | None) -> None:
    with _status(build_id) as told:
        build = client.wait(build_id, timeout, on_event=told)
    build.check_completed()
    click.echo(f"Build {build_id} is {build.status}.", err=True)


def _names(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise click.UsageError(f"{text!r} is not the name of an environment: write NAMESPACE/NAME.")
    return namespace, name


def _description(environment: Environment, build: Build, client: Client) -> list[tuple[str, object]]:
    """What `show` tells, as (what, value)."""
    rows: list[tuple[str, object]] = [
        ("environment", f"{environment.namespace}/{environment.name}"),
        ("description", environment.description),
        ("build", build.id),
        ("status", build.status),
        ("reason", build.status_info or ""),
        ("size", f"{build.size} bytes"),
        ("scheduled", f"{build.scheduled_on:%Y-%m-%d %H:%M:%S} UTC"),
        ("ended", f"{build.ended_on:%Y-%m-%d %H:%M:%S} UTC" if build.ended_on else ""),
    ]
    for one in build.artifacts or ():
        rows.append((one.artifact_type, f"{one.state}: {one.reason}" if one.reason else one.state))
        if one.artifact_type == "DOCKER_MANIFEST" and one.state == "READY":
            rows.append(("image", client.image(build.id)))
    return [(what, value) for what, value in rows if value != ""]


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=lambda time: time.isoformat()))


def _print_rows(rows: Iterable[Sequence[object]], heading: Sequence[str] = ()) -> None:
    cells = [[_visible(str(cell)) for cell in row] for row in rows]
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


def _visible(text: str) -> str:
    """A text on one line, without characters that would command a terminal: others may have written it."""
    spaced = " ".join(text.splitlines()).replace("\t", " ")
    return "".join("\ufffd" if unicodedata.category(one) in ("Cc", "Cf") else one for one in spaced)


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
                line.update(Text(f"Build {build_id}: {_visible(str(said))}"))

        yield tell


@contextmanager
def _transfer(name: str) -> Iterator[Report | None]:
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
