"""The secret that signs sessions and forms: a file that only the server's user can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from conda_store.errors import StorageFull

_BYTES = 32


def ensure_secret(path: Path) -> bytes:
    """The bytes in `path`; file and directory are made when there are none. Raises `StorageFull` when that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        found = path.read_bytes()
    except OSError as error:
        raise StorageFull(f"The secret {path} cannot be read or made: {error.strerror}.") from error
    if len(found) < _BYTES:
        raise StorageFull(f"The secret {path} is damaged: remove it, and everybody signs in again.")
    return found


def _make(path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_BYTES))
    # Of two servers that start at once the first one's stays.
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
