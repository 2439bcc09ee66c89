"""Prints docs/configuration.md, the reference of all options: `make docs` keeps what it prints."""

from __future__ import annotations

import inspect

from traitlets.config import Configurable

from conda_store.app import CondaStore
from conda_store_labextension.connection import CondaStoreConnection
from conda_store_labextension.kernels import CondaStoreKernelSpecManager

HEAD = """# Configuration

<!-- Written by `make docs` from the options themselves: change their help instead of this file. -->

`conda-store serve --generate-config` writes `conda_store_config.py`, a Python file with every option as a comment;
`--config` names another file. An option is set there (`c.CondaStore.port = 8000`) or on the command line
(`--CondaStore.port=8000`), which wins. Those of `CondaStore` that are asked for most have a short form: {short}.
A name that no option has but one is much like is taken for a mistake: the server names both and does not start.

What happens when a limit is reached stands in [operations.md](operations.md).
"""

JUPYTER = """## In a Jupyter server

The classes below are options of the Jupyter servers of those who use conda-store ([jupyterlab.md](jupyterlab.md)). They
stand in `jupyter_server_config.py`, not in the file of `conda-store serve`.
"""


def reference() -> str:
    """The document."""
    short = ", ".join(f"`--{name}`" for name in sorted(CondaStore.aliases))
    kinds: list[type[Configurable]] = [CondaStore, *CondaStore.classes]
    in_jupyter: list[type[Configurable]] = [CondaStoreConnection, CondaStoreKernelSpecManager]
    return "\n".join([HEAD.format(short=short), *map(section, kinds), JUPYTER, *map(section, in_jupyter)])


def section(kind: type[Configurable]) -> str:
    """The options of one class, with their help and default; what is computed says so in its help."""
    lines = [f"## {kind.__name__}", "", inspect.getdoc(kind) or ""]
    computed = kind._trait_default_generators
    for name, trait in sorted(kind.class_own_traits(config=True).items()):
        lines += ["", f"### `c.{kind.__name__}.{name}`", "", " ".join(trait.help.split())]
        if name not in computed:
            lines += ["", f"Default: `{trait.default_value_repr()}`"]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(reference(), end="")
