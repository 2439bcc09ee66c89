"""The layer on top of an image's packages: what belongs to the environment as a whole.

Its own files (`pieces/environment.py`), the entry point, a home for the user, and the outcome of every path that
several packages bring wherever the order of the layers would give another one. Format: OCI image-spec 1.1, layer.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import cache

from conda_store.packages.contents import Contents, Python
from conda_store.packages.ownership import Ownership
from conda_store.pieces.environment import environment_files
from conda_store.pieces.layer import PREFIX, CompiledSet, in_image, package_entries
from conda_store.pieces.tar import Entry, directory_entries, file_entry
from conda_store.specification import Specification

FORMAT_VERSION = 2
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


def environment_entries(specification: Specification, home_owner: int = USER_ID) -> list[Entry]:
    """The layer's entries that do not depend on the packages; the home belongs to the user with that number."""
    files = environment_files(specification)
    entries = [file_entry(in_image(target), 0o644, 0, data) for target, data in files.items()]
    entries.append(file_entry(ENTRY_POINT[1:], 0o755, 0, _ENTRY_POINT.encode()))
    prompt = f"PS1={shlex.quote(f'({specification.name}) ')}'\\w\\$ '\n"
    entries.append(file_entry(f"{SUPPORT[1:]}/bashrc", 0o644, 0, prompt.encode()))
    entries += directory_entries([entry.path for entry in entries], 0)
    home = Entry(HOME[1:], 0o755, 0, directory=True, owner=home_owner)
    return [*entries, home, Entry("home", 0o755, 0, directory=True)]


def restated_entries(
    ownership: Ownership, layers: Sequence[Sequence[Contents]], python: Python | None, compiled: CompiledSet
) -> list[Entry]:
    """Shared paths once more, where the layers below give another outcome: the winner's file, or a whiteout.

    A whiteout stands for bytecode that a loser has and the winner of its module has not.
    """
    position = {package.key: number for number, package in enumerate(p for layer in layers for p in layer)}
    packages = {package.key: package for package in ownership.order}

    @cache
    def entries_of(key: str) -> dict[str, Entry]:
        return {entry.path: entry for entry in package_entries(packages[key], python, compiled)}

    restated = {}
    for target, keys in ownership.shared.items():
        path, winner = in_image(target), keys[-1]
        if entry := entries_of(winner).get(path):
            if max(keys, key=lambda key: position[key]) != winner:
                restated[path] = entry
        elif any(path in entries_of(key) for key in keys):
            folder, _, name = path.rpartition("/")
            restated[path] = file_entry(f"{folder}/.wh.{name}", 0o644, 0, b"")
    return [*restated.values(), *directory_entries(restated, 0)]
