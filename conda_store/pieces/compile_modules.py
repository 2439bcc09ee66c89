"""Runs inside the *environment's* python, alone and isolated: compiles the modules named on standard input.

Standard input is JSON: a list of `[source, name, output]`. `source` is read, compiled as a file called `name`
(relative to the prefix: the importer puts the real path into tracebacks), and written to `output` as an
unchecked hash-based pyc (PEP 552). A module that is not valid for this python is passed over, as conda does.
Imports nothing of conda-store; any python from 3.7 on runs it.
"""

import _imp
import importlib.util
import json
import marshal
import sys
import warnings
from pathlib import Path

UNCHECKED_HASH = (1).to_bytes(4, "little")


def pyc_bytes(source: bytes, name: str) -> bytes:
    """A pyc file for the bytes of a module: magic, flags, source hash, marshalled code."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    raw_magic = int.from_bytes(importlib.util.MAGIC_NUMBER, "little")
    return importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + _imp.source_hash(raw_magic, source) + marshal.dumps(code)


def main() -> None:
    """Compile what standard input names, in its order."""
    warnings.simplefilter("ignore")
    for source, name, output in json.load(sys.stdin):
        with Path(source).open("rb") as stream:
            text = stream.read()
        try:
            pyc = pyc_bytes(text, name)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            continue
        with Path(output).open("wb") as stream:
            stream.write(pyc)


main()
