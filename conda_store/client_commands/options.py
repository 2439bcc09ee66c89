"""What the commands have in common: which server and as whom, what they speak of, and how they answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from conda_store.client import Client


@dataclass(frozen=True)
class Subject:
    """`BUILD`, `NAMESPACE/NAME` (its current build) or `NAMESPACE/NAME:BUILD`."""

    environment: tuple[str, str] | None
    build_id: int | None

    def number(self, client: Client) -> int:
        """The number of the build that is meant. Raises what the server says when there is none."""
        if self.environment is not None:
            return client.build_number(*self.environment, self.build_id)
        assert self.build_id is not None  # noqa: S101  one of both is there
        return self.build_id


class SubjectType(click.ParamType):  # type: ignore[type-arg]  # click before 8.5 has no arguments
    """Reads a `Subject`; of an environment alone with `builds=False`, and never the number alone with `bare=False`."""

    def __init__(self, *, builds: bool = True, bare: bool = True) -> None:
        self.builds, self.bare = builds, bare
        self.name = "BUILD|NAMESPACE/NAME[:BUILD]" if builds and bare else "NAMESPACE/NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Subject:
        """A word of the command line."""
        if isinstance(value, Subject):
            return value
        if self.builds and self.bare and _is_number(value):
            return Subject(None, int(value))
        environment, colon, number = value.partition(":")
        namespace, _, name = environment.partition("/")
        if not (namespace and name) or "/" in name or (colon and not (self.builds and _is_number(number))):
            wanted = f"write {'NAMESPACE/NAME[:BUILD]' if self.builds else 'NAMESPACE/NAME'}"
            self.fail(f"{value!r} is not the name of an environment: {wanted}.", param, ctx)
        return Subject((namespace, name), int(number) if colon else None)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text[:12]) > 0 and len(text) <= 10


ENVIRONMENT = SubjectType(builds=False)
subject = click.argument("subject", metavar="BUILD|NAMESPACE/NAME[:BUILD]", type=SubjectType())
environment = click.argument("environment", metavar="NAMESPACE/NAME", type=ENVIRONMENT)
server = click.option(
    "--url",
    envvar="CONDA_STORE_URL",
    show_envvar=True,
    default="http://localhost:5000",
    show_default=True,
    help="Address of the server, with its prefix.",
)
wait_for_it = click.option(
    "--wait", is_flag=True, help="Return when the build has ended; the exit status is 1 unless it is completed."
)
timeout = click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Give up after so many seconds; the build goes on."
)
yes = click.option("-y", "--yes", is_flag=True, help="Do it without asking whether you are sure.")


def with_client(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first argument is a `Client` of the server that the options or the environment name."""

    @server
    @click.option(
        "--token",
        envvar="CONDA_STORE_TOKEN",
        show_envvar=True,
        help="Token that says who asks, instead of the one that `login` keeps; better in the variable, where other "
        "users cannot see it.",
    )
    @wraps(command)
    def connected(*, url: str, token: str | None, **options: Any) -> None:
        from conda_store.client import Client
        from conda_store.client.credentials import Credentials

        with Client(url, token or Credentials().find(url)) as client:
            command(client, **options)

    return connected


def with_output(command: Callable[..., None]) -> Callable[..., None]:
    """A command that is told `as_json`."""

    @click.option(
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="What to print: a table for people (in a pipe, lines with tabs), or JSON for programs.",
    )
    @click.option("--json", "json_too", is_flag=True, hidden=True, help="The same as --output json.")
    @wraps(command)
    def chosen(*arguments: Any, output: str, json_too: bool, **options: Any) -> None:
        command(*arguments, as_json=json_too or output == "json", **options)

    return chosen


def sure(question: str, yes: bool) -> None:
    """Ask for a yes; aborts at a no, and where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody can be asked here: say so with --yes.")
    click.confirm(question, abort=True, err=True)
