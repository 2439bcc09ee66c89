"""A Python file of options: read into an application, or written with every option and its help."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from traitlets import Bool, TraitError, Unicode, default
from traitlets.config import Application
from traitlets.config.loader import PyFileConfigLoader

from conda_store.errors import BadInput
from conda_store.option_names import misspelt_options
from conda_store.secret_options import HIDDEN, hidden_names

Part = TypeVar("Part")

CONFIG_FILE = "conda_store_config.py"


class ConfiguredApplication(Application):
    """An application whose options may stand in a file."""

    flags = {  # noqa: RUF012  traitlets declares them so
        "generate-config": (
            {"ConfiguredApplication": {"generate_config": True}},
            "Write a file with every option and its help to the path of --config, and end.",
        ),
    }

    config_file = Unicode(
        CONFIG_FILE,
        help="Path of the Python file with options. Only the default one may be missing.",
    ).tag(config=True)
    generate_config = Bool(False, help="Write the file of --config and end, instead of serving.").tag(config=True)

    @default("log_level")
    def _log_level(self) -> str:
        return "INFO"

    def initialize(self, argv: list[str] | None = None) -> None:
        """Read the command line, then the file of `--config`; the command line wins.

        Raises `BadInput` for a file that was named and is missing, that cannot be run, or that misspells an option.
        """
        super().initialize(argv)
        path = Path(self.config_file)
        if not self.generate_config and (path.exists() or self.config_file != CONFIG_FILE):
            self._read_configuration(path)
        # Without what was meant it would do something else than its file says: serve without a password, for instance.
        if faults := list(misspelt_options((type(self), *self.classes), self.config)):
            raise BadInput(" ".join(faults))

    def start_show_config(self) -> None:
        """Print what is configured, but no secret (traits with the tag `secret`)."""
        kinds = [type(self), *self.classes]
        for options in self.config.values():
            for name in hidden_names(kinds, options):
                options[name] = HIDDEN
        super().start_show_config()

    def write_configuration(self) -> None:
        """Write a file with every option and its help. Raises `BadInput` rather than replace one."""
        path = Path(self.config_file)
        if path.exists():
            raise BadInput(f"{path} exists already: remove it, or name another file with --config.")
        path.write_text(self.generate_config_file())
        print(f"Wrote {path}")

    def _read_configuration(self, path: Path) -> None:
        command_line = copy.deepcopy(self.cli_config)
        try:
            self.update_config(PyFileConfigLoader(path.name, str(path.parent.absolute())).load_config())
            self.update_config(command_line)
        except Exception as error:
            # It is Python, so it can raise anything; to serve without it could mean to serve without its token.
            raise BadInput(f"The configuration {path} cannot be used: {type(error).__name__}: {error}") from error


def made(kind: Callable[..., Part], app: Application) -> Part:
    """A part of `app`, with the options of its class. Raises `BadInput` naming an option that cannot be."""
    try:
        return kind(parent=app)
    except TraitError as error:
        raise BadInput(f"An option has a value that it cannot have. {error}") from error
