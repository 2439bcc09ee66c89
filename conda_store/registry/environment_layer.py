"""The layer on top of an image's packages: what belongs to the environment as a whole.

Its own files (`pieces/environment.py`), the entry point, a home for the user, and the outcome of every path that
several packages bring wherever the order of the layers would give another one. Format: OCI image-spec 1.1, layer.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from conda_store.packages.contents import Contents, Python, is_module
from conda_store.packages.ownership import Ownership, file_at
from conda_store.pieces.bytecode import pyc_target
from conda_store.pieces.environment import environment_files
from conda_store.pieces.layer import PREFIX, CompiledSet, in_image, winner_entries
from conda_store.pieces.tar import Entry, directory_entries, file_entry
from conda_store.specification import Specification

FORMAT_VERSION = 1
SUPPORT = "/opt/conda-store"
ENTRY_POINT = f"{SUPPORT}/entrypoint"
HOME = "/home/conda"
USER_ID = 1000

_ENTRY_POINT = f"""\
#!/bin/sh
# Runs a command, or a shell when there is none, in the activated environment.
if [ -z "$BASH_VERSION" ] && [ -x /bin/bash ]; then exec /bin/bash "$0" "$@"; fi
for script in {PREFIX}/etc/conda/activate.d/*.sh; do
    if [ -e "$script" ]; then . "$script"; fi
done
unset script
if [ $# -gt 0 ]; then exec "$@"; fi
if [ -n "$BASH_VERSION" ]; then exec /bin/bash --rcfile {SUPPORT}/bashrc; fi
exec /bin/sh
"""


def environment_entries(
    specification: Specification, ownership: Ownership, layers: Sequence[Sequence[Contents]], python: Python | None
) -> tuple[list[Entry], list[tuple[Contents, str]]]:
    """The layer's entries, and (package, path) of winners that have to stand here again (`restated_entries`)."""
    files = environment_files(specification)
    entries = [file_entry(in_image(target), 0o644, 0, data) for target, data in files.items()]
    entries.append(file_entry(ENTRY_POINT[1:], 0o755, 0, _ENTRY_POINT.encode()))
    prompt = f"PS1={shlex.quote(f'({specification.name}) ')}'\\w\\$ '\n"
    entries.append(file_entry(f"{SUPPORT[1:]}/bashrc", 0o644, 0, prompt.encode()))
    entries += directory_entries([entry.path for entry in entries], 0)
    entries += [Entry(HOME[1:], 0o755, 0, directory=True, owner=USER_ID), Entry("home", 0o755, 0, directory=True)]
    return entries, _overruled(ownership, layers)


def restated_entries(
    winners: Sequence[tuple[Contents, str]], ownership: Ownership, python: Python | None, compiled: CompiledSet
) -> list[Entry]:
    """Winners' files with their bytecode, and whiteouts of bytecode that was made for a loser only."""
    entries: dict[str, Entry] = {}
    for package, path in winners:
        for entry in winner_entries(package, file_at(package, path), python, compiled):
            entries[entry.path] = entry
    if python is not None and compiled.runnable:
        for path in filter(is_module, ownership.shared):
            if _only_loser_compiled(path, ownership, python, compiled.shared):
                folder, _, name = in_image(pyc_target(path, python)).rpartition("/")
                whiteout = f"{folder}/.wh.{name}"
                entries[whiteout] = file_entry(whiteout, 0o644, 0, b"")
    return [*entries.values(), *directory_entries(entries, 0)]


def _overruled(ownership: Ownership, layers: Sequence[Sequence[Contents]]) -> list[tuple[Contents, str]]:
    """Winners of shared paths that the order of layers would not let win."""
    position = {package.key: number for number, package in enumerate(p for layer in layers for p in layer)}
    packages = {package.key: package for package in ownership.order}
    return [
        (packages[keys[-1]], path)
        for path, keys in ownership.shared.items()
        if max(keys, key=lambda key: position[key]) != keys[-1]
    ]


def _only_loser_compiled(path: str, ownership: Ownership, python: Python, shared: Mapping[str, object]) -> bool:
    pyc = pyc_target(path, python)

    def compiled(key: str) -> bool:
        return any(target == pyc for target, _ in getattr(shared.get(key), "files", ()))

    *losers, winner = ownership.shared[path]
    return not compiled(winner) and any(map(compiled, losers))
