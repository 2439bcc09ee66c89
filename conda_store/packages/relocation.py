"""Putting a prefix where a package has its placeholder, with rattler's results.

Text files: every occurrence. Binary files: within each zero-terminated string that holds the placeholder, padded
with zeros so that nothing behind it moves (conda's `file_mode: binary`).
"""

from __future__ import annotations

import re

from conda_store.errors import BadInput
from conda_store.packages.contents import PlacedFile

# Linux's longest shebang is 127 bytes before 5.1; rattler writes the two-line form beyond it.
LONGEST_SHEBANG = 127
_SHEBANG = re.compile(rb"^#![ ]*(/(?:\\ |[^ \n\r\t])*)([^\n]*)")


def relocate(file: PlacedFile, prefix: str) -> bytes:
    """The bytes of `file` as they stand in a prefix at `prefix`.

    Raises `BadInput` where a binary has no room for the prefix.
    """
    data = file.read()
    if file.placeholder is None:
        return data
    old, new = file.placeholder.encode(), prefix.encode()
    if file.file_mode == "binary":
        return _relocate_binary(data, old, new, file.target)
    return _long_shebang(data.replace(old, new))


def portable_script(data: bytes, placeholder: str) -> bytes | None:
    """A script in `bin/` whose only placeholder is in its shebang, with `#!/usr/bin/env NAME` instead; else None.

    So conda-pack writes it: such a script works anywhere without `conda-unpack`.
    """
    old = placeholder.encode()
    match = _SHEBANG.match(data)
    if match is None or data.count(old) != 1 or not match.group(1).startswith(old):
        return None
    name = match.group(1).rsplit(b"/", 1)[-1]
    return b"#!/usr/bin/env " + name + match.group(2) + data[match.end() :]


def _relocate_binary(data: bytes, old: bytes, new: bytes, target: str) -> bytes:
    if len(new) > len(old):
        raise BadInput(
            f"{target}: the prefix {new.decode(errors='replace')} is {len(new)} bytes long, "
            f"the file has room for {len(old)}. Choose a shorter path."
        )
    parts: list[bytes] = []
    position = 0
    while (found := data.find(old, position)) >= 0:
        end = data.find(b"\0", found)
        end = len(data) if end < 0 else end
        text = data[found:end].replace(old, new)
        parts += [data[position:found], text, b"\0" * (end - found - len(text))]
        position = end
    return b"".join([*parts, data[position:]])


def _long_shebang(data: bytes) -> bytes:
    first, newline, rest = data.partition(b"\n")
    match = _SHEBANG.match(first)
    if match is None or b"/bin/python" not in first or len(first) <= LONGEST_SHEBANG:
        return data
    return b"#!/bin/sh\n'''exec' \"%b\"%b \"$0\" \"$@\" #'''" % (match.group(1), match.group(2)) + newline + rest
