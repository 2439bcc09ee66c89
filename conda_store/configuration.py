"""A Python file of options: read into an application, or written with every option and its help."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from traitlets import TraitError
from traitlets.config import Application
from traitlets.config.loader import PyFileConfigLoader

from conda_store.errors import BadInput

Part = TypeVar("Part")


def read_configuration(app: Application, path: Path) -> None:
    """Let `app` have the options in `path`, except where its command line says otherwise. Raises `BadInput`."""
    command_line = copy.deepcopy(app.config)
    try:
        app.update_config(PyFileConfigLoader(path.name, str(path.parent.absolute())).load_config())
        app.update_config(command_line)
    except Exception as error:
        # It is Python, so it can raise anything; to serve without it could mean to serve without its token.
        raise BadInput(f"The configuration {path} cannot be used: {type(error).__name__}: {error}") from error


def write_configuration(app: Application, path: Path) -> None:
    """Write a file with every option of `app`. Raises `BadInput` rather than replace one."""
    if path.exists():
        raise BadInput(f"{path} exists already: remove it, or name another file with --config.")
    path.write_text(app.generate_config_file())
    print(f"Wrote {path}")


def made(kind: Callable[..., Part], app: Application) -> Part:
    """A part of `app`, with the options of its class. Raises `BadInput` naming an option that cannot be."""
    try:
        return kind(parent=app)
    except TraitError as error:
        raise BadInput(f"An option has a value that it cannot have. {error}") from error
