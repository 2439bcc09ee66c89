"""A specification on its way through an editor, as often as the server refuses it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conda_store.client_commands.options import Subject, environment, timeout, wait_for_it, with_client, with_output
from conda_store.client_commands.printing import announce
from conda_store.errors import BadInput, CondaStoreError, Problem

if TYPE_CHECKING:
    from conda_store.client import Client, Submission

# Begins the lines that say what the server refused; they are taken out before the text is sent again.
_MARK = "#! refused: "


@click.command()
@environment
@wait_for_it
@timeout
@with_output
@with_client
def edit(client: Client, environment: Subject, wait: bool, timeout: float | None, as_json: bool) -> None:
    """Open the specification of an environment in your editor (VISUAL, EDITOR), and build it when it was changed.

    What the server refuses comes back into the editor, each problem below its line. Leave the text as it is to give up.
    Another `name:` makes another environment.
    """
    assert environment.environment is not None  # noqa: S101
    namespace, name = environment.environment
    text = client.specification_text(namespace, name)
    made = _edited(client, namespace, text)
    if made is None:
        click.echo("Nothing was changed, and nothing is built.", err=True)
    else:
        announce(client, made, wait, timeout, as_json)


def _edited(client: Client, namespace: str, original: str) -> Submission | None:
    """The build of the edited text; None when it is the original. Raises the refusal when the author gives up."""
    shown, refused = original, None
    while True:
        written = click.edit(shown, extension=".yaml", require_save=False)
        text = without_marks(written if written is not None else shown)
        if text == original or not text.strip():
            return None
        if refused is not None and text == without_marks(shown):
            raise _kept(refused, text)
        try:
            return client.submit(text, namespace, is_lockfile=False)
        except BadInput as error:
            shown, refused = with_marks(text, error), error
        except CondaStoreError as error:
            raise _kept(error, text) from error


def with_marks(text: str, error: CondaStoreError) -> str:
    """A text with what was refused: each problem below its line, what has none on top."""
    lines = text.splitlines()
    problems: Sequence[Problem] = error.problems or [Problem(error.message)]
    for one in sorted(problems, key=lambda one: one.line or 0, reverse=True):
        place = min(one.line or 0, len(lines))
        lines[place:place] = [_MARK + line for line in str(one).splitlines()]
    return "\n".join(lines) + "\n"


def without_marks(text: str) -> str:
    """A text as its author wrote it."""
    if _MARK not in text:
        return text
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(_MARK))


def _kept(error: CondaStoreError, text: str) -> CondaStoreError:
    """The same error, which also says where the work of the author is."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="conda-store-", suffix=".yaml", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    click.echo(f"Your text is kept in {Path(file.name)}", err=True)
    return error
