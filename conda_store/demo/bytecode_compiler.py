"""Compiles modules to bytecode in a fresh interpreter: run as a script, and the function that runs it.

Reads a marshalled list of (name, source) on standard input and writes a marshalled list of code (or None where the
source does not compile, as templates do not). It imports nothing of conda-store, so that it starts in 20 ms.
"""

import marshal
import subprocess
import sys
from pathlib import Path


def compile_sources(sources: list[tuple[str, bytes]]) -> list[bytes | None]:
    """The marshalled code of every (name, source), in order; None where the source does not compile.

    One fresh interpreter for all of them, in this order: what marshal writes depends on which strings and constants the
    process has shared before, so only then are the bytes the same each time.
    """
    command = [sys.executable, "-I", "-S", "-W", "ignore", str(Path(__file__))]
    done = subprocess.run(command, input=marshal.dumps(sources), stdout=subprocess.PIPE, check=True)
    codes: list[bytes | None] = marshal.loads(done.stdout)  # noqa: S302 - our own child wrote it
    return codes


def _code(name: str, source: bytes) -> bytes | None:
    try:
        return marshal.dumps(compile(source, name, "exec", dont_inherit=True, optimize=0))
    except (SyntaxError, ValueError):
        return None


if __name__ == "__main__":
    modules = marshal.load(sys.stdin.buffer)  # noqa: S302 - our own parent wrote it
    sys.stdout.buffer.write(marshal.dumps([_code(name, source) for name, source in modules]))
