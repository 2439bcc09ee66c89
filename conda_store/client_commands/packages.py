"""Packages on the command line: searched in the server's channels, and solved there without a build."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conda_store.client_commands.environments import read_text
from conda_store.client_commands.options import with_client, with_output
from conda_store.client_commands.printing import print_json, print_rows, size
from conda_store.errors import BadInput

if TYPE_CHECKING:
    from conda_store.client import Client


@click.command()
@click.argument("text", required=False)
@click.option("--exact", help="Only packages with exactly this name, instead of a part of it.")
@click.option("--build", help="Only packages with this text in their build string.")
@click.option("--channel", help="Only packages of this channel, by its name or URL.")
@click.option(
    "--distinct-on",
    type=click.Choice(["name", "version", "channel"]),
    multiple=True,
    help="One row for each of these instead of one for each package; may be repeated.",
)
@click.option("--limit", type=click.IntRange(1), help="Stop after so many packages.")
@with_output
@with_client
def search(
    client: Client,
    text: str | None,
    exact: str | None,
    build: str | None,
    channel: str | None,
    distinct_on: tuple[str, ...],
    limit: int | None,
    as_json: bool,
) -> None:
    """Search the channels that the server knows for packages with TEXT in their name."""
    found = islice(client.packages(text, exact=exact, build=build, channel=channel, distinct_on=distinct_on), limit)
    if as_json:
        print_json(list(found))
        return
    rows = ((one.name, one.version, one.build, one.channel, one.license, one.summary) for one in found)
    print_rows(rows, ("name", "version", "build", "channel", "licence", "summary"))


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--conda", multiple=True, metavar="SPEC", help="Solve for this package, such as 'numpy>2', too.")
@click.option("--pip", multiple=True, metavar="REQUIREMENT", help="Solve for this one from PyPI, too.")
@click.option("--channel", "channels", multiple=True, help="Use this channel, before those of the file.")
@click.option("--namespace", help="Solve FILE as it would be built there: under its rules, with its credentials.")
@with_output
@with_client
def solve(
    client: Client,
    file: Path | None,
    conda: tuple[str, ...],
    pip: tuple[str, ...],
    channels: tuple[str, ...],
    namespace: str | None,
    as_json: bool,
) -> None:
    """Tell which packages FILE, an environment.yaml, would be solved to today, without building anything.

    With - as FILE it is read from standard input.
    """
    if namespace is None:
        found = client.solve(*_wanted(file, (conda, pip, channels)))
    elif file is None or conda or pip or channels:
        raise click.UsageError("--namespace takes a FILE alone: write all that shall be solved into it.")
    else:
        found = client.solve_file(_decoded(file), namespace)
    if as_json:
        print_json(found)
        return
    rows = ((one.name, one.version, one.build, one.channel, size(one.size)) for one in found)
    print_rows(rows, ("name", "version", "build", "channel", "size"))
    click.echo(f"{len(found)} packages, {size(sum(one.size for one in found))}", err=True)


def _wanted(file: Path | None, given: tuple[tuple[str, ...], ...]) -> list[list[str]]:
    """conda's and pip's requirements and the channels, those of the command line first."""
    asked = _requirements(file) if file else ([], [], [])
    wanted = [[*more, *found] for more, found in zip(given, asked, strict=True)]
    if not (wanted[0] or wanted[1]):
        raise click.UsageError("Nothing to solve: name a FILE with dependencies, or some with --conda.")
    return wanted


def _decoded(file: Path) -> str:
    try:
        return read_text(file).decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not text in UTF-8.") from error


def _requirements(file: Path) -> tuple[list[str], list[str], list[str]]:
    """conda's and pip's requirements and the channels of a specification; the server checks what they say."""
    import yaml

    try:
        data = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} is no YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, Mapping):
        raise BadInput(f"{file} is no specification: it holds no mapping with dependencies.")
    dependencies = _list(data, "dependencies", file)
    conda = [str(one) for one in dependencies if not isinstance(one, Mapping)]
    pip = [str(two) for one in dependencies if isinstance(one, Mapping) for two in _list(one, "pip", file)]
    return conda, pip, [str(one) for one in _list(data, "channels", file)]


def _list(data: Mapping[Any, Any], name: str, file: Path) -> list[Any]:
    found = data.get(name) or []
    if not isinstance(found, list):
        raise BadInput(f"{file}: {name} is no list.")
    return found
