"""What a crash of the machine or a hand can do to a file of a store."""

from __future__ import annotations

from collections.abc import Callable

from conda_store.storage.local import LocalStorage

#: What can become of a file.
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda data: None,
    "empty": lambda data: b"",
    "truncated": lambda data: data[:-7],
}


def damage(storage: LocalStorage, key: str, how: str) -> None:
    """Let something become of a stored file."""
    path = storage.root / key
    left = DAMAGES[how](path.read_bytes())
    path.unlink()
    if left is not None:
        path.write_bytes(left)
