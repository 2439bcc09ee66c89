"""A command in an environment of the server, fetched once: `run`, and scripts whose first line names it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conda_store.client_commands.options import Subject, subject, with_client
from conda_store.client_commands.printing import transfer
from conda_store.errors import BadInput, CondaStoreError

if TYPE_CHECKING:
    from conda_store.client import Client

# As docker run, env and timeout tell: what failed is not the command but the way to it.
_OWN_FAILURE = 125
# The first line of a script, and those that follow it.
_FIRST = re.compile(r"#!.*\bconda-store\s*")
_NEXT = re.compile(r"#!\s*conda-store\s+run\s+(.*)")
# sh has none of the words by which bin/activate finds out where it lies.
_SCRIPT = '. "$1/bin/activate"; shift; exec -- "$@"'


@click.command(context_settings={"allow_interspersed_args": False})
@subject
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[--] [COMMAND...]")
@click.option("--refresh", is_flag=True, help="Fetch the archive anew, and remove what is unpacked of it.")
@click.option("--no-cache", is_flag=True, hidden=True, help="The older word for --refresh.")
@click.option("--artifact", type=click.Choice(["archive"]), hidden=True, help="There is no choice any more.")
@with_client
def run(
    client: Client, subject: Subject, command: tuple[str, ...], refresh: bool, no_cache: bool, artifact: str | None
) -> None:
    """Execute COMMAND (default: python) in an environment, which is fetched and unpacked when it is not here yet.

    Signals and the exit status are the command's own; 125 says that it was not reached, 126 and 127 that it cannot be
    executed or is not there. Environments are kept in XDG_CACHE_HOME (~/.cache) below conda-store/run. When the server
    is away, a build that is named by its number is taken from there.
    """
    try:
        prefix = _prefix(client, subject, refresh or no_cache)
    except CondaStoreError as error:
        error.exit_status = _OWN_FAILURE
        raise
    client.close()
    words = command[1:] if command[:1] == ("--",) else command
    execute(prefix, words or ("python",))


def execute(prefix: Path, command: Sequence[str]) -> None:
    """Become a command in the activated environment at `prefix`."""
    shell = shutil.which("bash")
    if shell is None:
        error = BadInput("Environments are activated by bash, and there is none on PATH: install it.")
        error.exit_status = _OWN_FAILURE
        raise error
    # Another environment that is active would be left by scripts of its own, which may be gone.
    environ = {name: value for name, value in os.environ.items() if name != "CONDA_PREFIX"}
    sys.stdout.flush()
    sys.stderr.flush()
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # python ignores these, and the command would inherit that
        signal.signal(ignored, signal.SIG_DFL)
    os.execve(shell, ["bash", "-c", _SCRIPT, "conda-store", str(prefix), *command], environ)  # noqa: S606


def script_arguments(arguments: Sequence[str]) -> list[str] | None:
    """The words of a command line for a script that begins with `#!/usr/bin/env conda-store`; None for all else.

    Lines `#! conda-store run NAMESPACE/NAME -- COMMAND` in the script say what runs it, as in conda-store 2025.2.
    """
    if not arguments:
        return None
    try:
        with Path(arguments[0]).open(encoding="utf-8", errors="replace") as script:
            if not _FIRST.fullmatch(script.readline(1024).rstrip("\n")):
                return None
            words = [
                word for line in script if (found := _NEXT.fullmatch(line.strip())) for word in shlex.split(found[1])
            ]
    except OSError:
        return None
    except ValueError as error:
        raise BadInput(f"{arguments[0]}: a line '#! conda-store run' has a quote that does not end.") from error
    if not words:
        raise BadInput(f"{arguments[0]} says nowhere what runs it: add '#! conda-store run NAMESPACE/NAME -- COMMAND'.")
    return ["run", *words, *arguments]


def _prefix(client: Client, subject: Subject, refresh: bool) -> Path:
    from conda_store.client import ServerBusy, ServerUnreachable
    from conda_store.client.cache import EnvironmentCache

    cache = EnvironmentCache(client.url)
    name = "/".join(subject.environment) if subject.environment else None
    try:
        number = subject.number(client)
        tag = client.archive_tag(number)
    except (ServerUnreachable, ServerBusy) as error:
        found = cache.recall(subject.build_id, name) if subject.build_id and not refresh else None
        if found is None:
            raise
        click.echo(f"Build {subject.build_id} is taken from the cache: {error}", err=True)
        return found

    def fetch(path: Path) -> None:
        with transfer(name or f"build {number}") as report:
            client.download(number, "archive", path, report)

    prefix = cache.ensure(tag, fetch, refresh=refresh)
    cache.remember(number, name, tag)
    return prefix
