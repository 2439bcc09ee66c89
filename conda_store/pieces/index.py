"""The index of pieces: what is known under a piece's key, so that it is not made again.

A record is a small JSON document in the storage at `pieces/<kind>/<ab>/<key>.json`. It is written after the
bytes that it names, so it never names what is not there. What a crash of the machine or a hand did since then is
seen when a piece is looked for: one whose record cannot be read, or whose blob has another length, is not known.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from conda_store.storage.base import KeyInvalid, NotStored, Storage


@dataclass(frozen=True)
class Piece:
    """Compressed bytes in the storage and what they are.

    `digest` (`sha256:<hex>`) and `size` (bytes) are of the compressed blob, `diff_id` (`sha256:<hex>`) and
    `raw_size` of the tar inside.
    """

    digest: str
    size: int
    diff_id: str
    raw_size: int


def piece_key(*parts: str) -> str:
    """One key for everything that a piece's bytes depend on (hex)."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class PieceIndex:
    """Finds and remembers pieces of one kind (`layer`, `member`)."""

    def __init__(self, storage: Storage, kind: str) -> None:
        self.storage = storage
        self.kind = kind

    def find(self, key: str) -> Piece | None:
        """The piece under `key`, if it is known and its blob still there and whole."""
        try:
            name = self._name(key)
            piece = Piece(**json.loads(self.storage.get(name)))
            return piece if self.storage.use(name) and self.storage.use_blob(piece.digest, piece.size) else None
        except (NotStored, KeyInvalid, ValueError, TypeError):
            # Never written, or damaged since: the piece is made, and recorded anew.
            return None

    def remember(self, key: str, piece: Piece) -> None:
        """Record `piece`, whose blob is in the storage, under `key`."""
        self.storage.put(self._name(key), json.dumps(asdict(piece), sort_keys=True).encode())

    def _name(self, key: str) -> str:
        return f"pieces/{self.kind}/{key[:2]}/{key}.json"
