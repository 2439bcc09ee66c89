"""Jupyter kernels in a prefix, as its `share/jupyter/kernels` says, or as its packages let expect. No Jupyter here.

Format: jupyter_client, "Kernel specs".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_LARGEST_BYTES = 64 * 1024
_LONGEST = 200


class KernelSpecification(NamedTuple):
    """A kernel: the name of its directory, what people call it, and its language."""

    name: str
    display_name: str
    language: str


#: By package, for prefixes that cannot be looked at.
KNOWN: Mapping[str, KernelSpecification] = {
    "ipykernel": KernelSpecification("python3", "Python 3", "python"),
    "r-irkernel": KernelSpecification("ir", "R", "R"),
    "xeus-python": KernelSpecification("xpython", "Python (xeus)", "python"),
    "xeus-r": KernelSpecification("xr", "R (xeus)", "R"),
    "xeus-sql": KernelSpecification("xsql", "SQL", "sql"),
    "xeus-cling": KernelSpecification("xcpp17", "C++17", "C++17"),
    "xeus-cpp": KernelSpecification("xcpp20", "C++20", "C++20"),
    "xeus-lua": KernelSpecification("xlua", "Lua", "lua"),
    "bash_kernel": KernelSpecification("bash", "Bash", "bash"),
}


def kernels_in(prefix: Path) -> tuple[KernelSpecification, ...] | None:
    """The kernels in a prefix, by name; None when there is no such prefix here."""
    if not (prefix / "conda-meta").is_dir():
        return None
    found = (_read(path) for path in sorted(prefix.glob("share/jupyter/kernels/*/kernel.json")))
    return tuple(one for one in found if one is not None)


def _read(path: Path) -> KernelSpecification | None:
    """What a file says; None for one that says nothing of use, which is not the server's to complain about."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
            return None
        said = json.loads(path.read_bytes())
        name, argv = path.parent.name, said["argv"]
        if not isinstance(argv, list) or not argv:
            return None
        shown = str(said.get("display_name") or name)[:_LONGEST]
        return KernelSpecification(name, shown, str(said.get("language") or "")[:_LONGEST])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
