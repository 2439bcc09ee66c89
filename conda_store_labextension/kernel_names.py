"""How an environment is called as a kernel: `conda-store-<namespace>-<environment>[-<kernel>][-build-<number>]`.

Jupyter allows letters, digits and `._-` in the name of a kernel and takes capitals for small letters. So every byte
of a part that is no small letter, digit or dot becomes `_hh` (hex), the hyphen too, which stands between parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PREFIX = "conda-store-"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789.")
_BUILD = "build"
_PART = re.compile(r"(?:[a-z0-9.]|_[0-9a-f]{2})+")
_MOST_DIGITS = 10


@dataclass(frozen=True)
class KernelName:
    """What a name says. `kernel` is "" for the first kernel of an environment, `build` 0 for its current build."""

    namespace: str
    environment: str
    kernel: str = ""
    build: int = 0

    def __str__(self) -> str:
        parts = [self.namespace, self.environment, *([self.kernel] if self.kernel else [])]
        pinned = [_BUILD, str(self.build)] if self.build else []
        return _PREFIX + "-".join([*map(_escaped, parts), *pinned])

    @property
    def subject(self) -> str:
        """The environment, as people write it."""
        return f"{self.namespace}/{self.environment}"


def find_kernel_name(text: str) -> KernelName | None:
    """What a name says; None for one that is none of ours."""
    if not text.lower().startswith(_PREFIX):
        return None
    parts = text.lower().removeprefix(_PREFIX).split("-")
    build = 0
    if len(parts) >= 4 and parts[-2] == _BUILD and _is_number(parts[-1]):
        build, parts = int(parts[-1]), parts[:-2]
    if not 2 <= len(parts) <= 3 or not all(_PART.fullmatch(one) for one in parts):
        return None
    try:
        namespace, environment, *kernel = map(_plain, parts)
    except UnicodeDecodeError:
        return None
    return KernelName(namespace, environment, "".join(kernel), build)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and not text.startswith("0") and len(text) <= _MOST_DIGITS


def _escaped(text: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in text.encode())


def _plain(text: str) -> str:
    found = re.sub(rb"_([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text.encode())
    return found.decode()
