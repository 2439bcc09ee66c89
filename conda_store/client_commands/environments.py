"""Environments on the command line: made, listed, shown, rolled back, deleted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conda_store.client_commands.options import (
    Subject,
    environment,
    subject,
    sure,
    timeout,
    wait_for_it,
    with_client,
    with_output,
    yes,
)
from conda_store.client_commands.printing import announce, moment, print_json, print_rows, say
from conda_store.errors import BadInput

if TYPE_CHECKING:
    from conda_store.client import Build, Client, Environment


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--namespace", help="Namespace of the environment; default: your own.")
@click.option("--name", help="Name of the environment, for a file that gives none.")
@click.option("--platform", "platforms", multiple=True, help="Build for this platform; repeat it for several.")
@wait_for_it
@timeout
@with_output
@with_client
def create(
    client: Client,
    file: Path,
    namespace: str | None,
    name: str | None,
    platforms: tuple[str, ...],
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Let the server build FILE, an environment.yaml or a conda-lock.yml, and print the number of the build.

    With - as FILE it is read from standard input. An environment that exists gets a new build.
    """
    made = client.submit(read_text(file), namespace, environment_name=name, platforms=platforms)
    announce(client, made, wait, timeout, as_json)


@click.command("list")
@click.option("--namespace", help="Only environments of this namespace.")
@click.option("--search", help="Only environments with this text in either name.")
@click.option("--status", help="Only environments whose current build has this status, such as COMPLETED.")
@click.option("--package", "packages", multiple=True, help="Only environments with this package; may be repeated.")
@with_output
@with_client
def list_environments(
    client: Client,
    namespace: str | None,
    search: str | None,
    status: str | None,
    packages: tuple[str, ...],
    as_json: bool,
) -> None:
    """List environments: name, number of the current build, description."""
    found = client.environments(namespace, search=search, status=status, packages=packages)
    if as_json:
        print_json(list(found))
        return
    rows = ((f"{one.namespace}/{one.name}", one.current_build_id, one.description) for one in found)
    print_rows(rows, ("environment", "build", "description"))


@click.command()
@subject
@click.option("--builds", is_flag=True, help="List all builds of the environment instead, oldest first.")
@with_output
@with_client
def show(client: Client, subject: Subject, builds: bool, as_json: bool) -> None:
    """Show an environment with its current build, or one build, and what that left."""
    if builds:
        _show_builds(client, subject, as_json)
        return
    found = client.environment(*subject.environment) if subject.environment else None
    if found is None or subject.build_id is not None:
        build = client.build(subject.number(client))
    else:
        build = found.current_build or client.build(found.current_build_id)
    if as_json:
        print_json(found if found is not None and subject.build_id is None else build)
    else:
        print_rows(_description(found, build, client))


@click.command()
@environment
@click.argument("build_id", metavar="BUILD", type=click.IntRange(1))
@with_output
@with_client
def rollback(client: Client, environment: Subject, build_id: int, as_json: bool) -> None:
    """Make BUILD, an older one of the environment, its current build again.

    `conda-store show NAMESPACE/NAME --builds` lists them. It has to be completed.
    """
    assert environment.environment is not None  # noqa: S101
    client.change_environment(*environment.environment, build_id=build_id)
    name = "/".join(environment.environment)
    say(f"Build {build_id} is the current one of {name}.", as_json, environment=name, build_id=build_id)


@click.command()
@subject
@yes
@with_output
@with_client
def delete(client: Client, subject: Subject, yes: bool, as_json: bool) -> None:
    """Delete an environment with all of its builds, or one build with what it left.

    A build that is named with its environment has to be one of it, and has to have ended.
    """
    if subject.environment is not None and subject.build_id is None:
        name = "/".join(subject.environment)
        sure(f"Delete {name} with all of its builds?", yes)
        client.delete_environment(*subject.environment)
        say(f"{name} is deleted.", as_json, deleted=name)
        return
    number = subject.number(client)
    sure(f"Delete build {number}?", yes)
    client.delete_build(number)
    say(f"Build {number} is deleted.", as_json, deleted=number)


def read_text(file: Path) -> bytes:
    """The bytes of a file, or of standard input for -."""
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error


def _show_builds(client: Client, subject: Subject, as_json: bool) -> None:
    if subject.environment is None or subject.build_id is not None:
        raise click.UsageError("--builds is for an environment: write NAMESPACE/NAME.")
    environment = client.environment(*subject.environment)
    found = client.builds(environment_id=environment.id)
    if as_json:
        print_json(list(found))
        return
    current = environment.current_build_id
    rows = (
        (one.id, one.status, moment(one.scheduled_on), "current" if one.id == current else one.status_info)
        for one in found
    )
    print_rows(rows, ("build", "status", "scheduled", "note"))


def _description(environment: Environment | None, build: Build, client: Client) -> list[tuple[str, object]]:
    """What `show` tells, as (what, value)."""
    rows: list[tuple[str, object]] = []
    if environment is not None:
        rows += [("environment", f"{environment.namespace}/{environment.name}")]
        rows += [("description", environment.description)]
    rows += [
        ("build", build.id),
        ("status", build.status),
        ("reason", build.status_info or ""),
        ("size", f"{build.size} bytes"),
        ("scheduled", moment(build.scheduled_on)),
        ("ended", moment(build.ended_on)),
    ]
    for one in build.artifacts or ():
        rows.append((one.artifact_type, f"{one.state}: {one.reason}" if one.reason else one.state))
        if one.artifact_type == "DOCKER_MANIFEST" and one.state == "READY":
            rows.append(("image", client.image(build.id)))
    return [(what, value) for what, value in rows if value != ""]
