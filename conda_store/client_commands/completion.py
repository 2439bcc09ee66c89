"""Completion of commands and options by the shell: click's own, printed for the shell that asks."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what SHELL has to read so that it completes commands and options.

    bash: eval "$(conda-store completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc; fish: conda-store completion
    fish > ~/.config/fish/completions/conda-store.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click cannot complete in {shell}.")
    click.echo(kind(context.find_root().command, {}, "conda-store", "_CONDA_STORE_COMPLETE").source())
