"""What a build left, on its way to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from conda_store.client_commands.options import Subject, subject, with_client, with_output
from conda_store.client_commands.printing import print_json, transfer

if TYPE_CHECKING:
    from conda_store.client import Client

_FILE_NAMES = {
    "yaml": "environment.yaml",
    "lockfile": "conda-lock.yml",
    "archive": "{name}.tar.gz",
    "logs": "{name}.log",
    "installer": "{name}.sh",
    "sbom": "{name}.spdx.json",
}


@click.command()
@subject
@click.argument("artifact", type=click.Choice(list(_FILE_NAMES)))
@click.option(
    "-o",
    "--output-filename",
    "file",
    type=click.Path(path_type=Path),
    help="Write to this file, or under its usual name into this directory. Default: the working directory.",
)
@with_output
@with_client
def download(client: Client, subject: Subject, artifact: str, file: Path | None, as_json: bool) -> None:
    """Download what a build left, or the current build of an environment; print the path.

    What is not made yet is waited for, and a transfer that breaks off is resumed. The file appears whole or not at all.
    """
    number = subject.number(client)
    name = subject.environment[1] if subject.environment else f"build-{number}"
    path = file or Path()
    if path.is_dir():
        path /= _FILE_NAMES[artifact].format(name=name)
    with transfer(path.name) as report:
        client.download(number, artifact, path, report)
    if as_json:
        print_json({"build_id": number, "artifact": artifact, "path": str(path), "size": path.stat().st_size})
    else:
        click.echo(path)
