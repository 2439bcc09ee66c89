"""Builds on the command line: waited for, followed, canceled, repeated, compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from conda_store.client_commands.options import (
    Subject,
    SubjectType,
    subject,
    timeout,
    wait_for_it,
    with_client,
    with_output,
)
from conda_store.client_commands.printing import announce, print_json, print_rows, say, visible, wait_for

if TYPE_CHECKING:
    from conda_store.client import Changes, Client, Difference


@click.command()
@subject
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until the build has ended.")
@with_output
@with_client
def logs(client: Client, subject: Subject, follow: bool, as_json: bool) -> None:
    """Print the log of a build; as JSON, one object with the key `text` on each line."""
    for line in client.logs(subject.number(client), follow=follow):
        click.echo(json.dumps({"text": line}) if as_json else visible(line))


@click.command()
@subject
@timeout
@with_output
@with_client
def wait(client: Client, subject: Subject, timeout: float | None, as_json: bool) -> None:
    """Wait until a build has ended; the exit status is 1, and the reason printed, unless it is completed.

    The current build of an environment is the first one from its beginning, later ones once they are completed: wait
    for these by their number. After --timeout seconds the exit status is 124.
    """
    wait_for(client, subject.number(client), timeout, as_json)


@click.command()
@subject
@with_output
@with_client
def cancel(client: Client, subject: Subject, as_json: bool) -> None:
    """Cancel a build, whatever stage it is in, with everything that it started."""
    number = subject.number(client)
    client.cancel(number)
    say(f"Build {number} is being canceled.", as_json, build_id=number)


@click.command()
@subject
@wait_for_it
@timeout
@with_output
@with_client
def rebuild(client: Client, subject: Subject, wait: bool, timeout: float | None, as_json: bool) -> None:
    """Build the specification of a build once more, with the packages of today; print the number of the new build."""
    from conda_store.client import Submission

    announce(client, Submission(client.rebuild(subject.number(client))), wait, timeout, as_json)


@click.command()
@click.argument("before", metavar="BUILD|NAMESPACE/NAME[:BUILD]", type=SubjectType())
@click.argument("after", metavar="BUILD|NAMESPACE/NAME[:BUILD]", type=SubjectType())
@with_output
@with_client
def diff(client: Client, before: Subject, after: Subject, as_json: bool) -> None:
    """Tell what the second build has that the first has not, and the other way round.

    Lines begin with + for what came, - for what went, ~ for what became something else.
    """
    found = client.diff(before.number(client), after.number(client))
    if as_json:
        print_json(found)
    else:
        print_rows(_differences(found), ("", "in", "what", "before", "after"))


def _differences(found: Difference) -> Iterator[tuple[str, ...]]:
    for place, changes in (("specification", found.specification), ("package", found.packages)):
        for sign, name, before, after in _signed(changes):
            yield sign, place, name, before, after


def _signed(changes: Changes) -> Iterator[tuple[str, str, str, str]]:
    for name, value in _named(changes.removed):
        yield "-", name, _told(value), ""
    for name, value in _named(changes.added):
        yield "+", name, "", _told(value)
    for name, value in _named(changes.changed):
        before, after = _both(value)
        yield "~", name, before, after


def _named(found: Any) -> Iterator[tuple[str, Any]]:
    """The entries of an object, or of a list of things that may have a name."""
    if isinstance(found, dict):
        yield from ((str(name), value) for name, value in found.items())
        return
    for one in found:
        named = isinstance(one, dict) and "name" in one
        rest = {key: value for key, value in one.items() if key != "name"} if named else {}
        yield (str(one["name"]), rest.get("value", rest)) if named else (_told(one), "")


def _both(value: Any) -> tuple[str, str]:
    if isinstance(value, list | tuple) and len(value) == 2:
        return _told(value[0]), _told(value[1])
    if isinstance(value, dict):
        for old, new in (("before", "after"), ("old", "new"), ("from", "to")):
            if old in value and new in value:
                return _told(value[old]), _told(value[new])
    return "", _told(value)


def _told(value: Any) -> str:
    """A version and build where there are some, else a text, else JSON."""
    if isinstance(value, dict) and "version" in value:
        return " ".join(str(value[key]) for key in ("version", "build") if value.get(key))
    return value if isinstance(value, str) else json.dumps(value)
