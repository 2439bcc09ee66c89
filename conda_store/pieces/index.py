"""The index of pieces: what is known under a piece's key, so that it is not made again.

A record is a small JSON document in the storage at `pieces/<kind>/<ab>/<key>.json`. It is written after the
bytes that it names, so it never names what is not there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from conda_store.storage.base import Storage, blob_key


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
        """The piece under `key`, if it is known and its blob still there."""
        name = self._name(key)
        if not self.storage.exists(name):
            return None
        piece = Piece(**json.loads(self.storage.get(name)))
        return piece if self.storage.exists(blob_key(piece.digest)) else None

    def remember(self, key: str, piece: Piece) -> None:
        """Record `piece`, whose blob is in the storage, under `key`."""
        self.storage.put(self._name(key), json.dumps(asdict(piece), sort_keys=True).encode())

    def _name(self, key: str) -> str:
        return f"pieces/{self.kind}/{key[:2]}/{key}.json"
