"""From entries to a stored, compressed tar: tar, diff_id, compression and digest in one pass over the bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from conda_store.pieces.compression import Compression
from conda_store.pieces.index import Piece
from conda_store.pieces.tar import Entry, write_tar
from conda_store.storage.base import Storage, blob_key

_BATCH = 1 << 18


class TarPress:
    """Takes raw tar bytes; hands compressed bytes to `sink`, and keeps both digests and sizes.

    Small writes are gathered: headers of 512 bytes one by one would cost more than their content.
    """

    def __init__(self, sink: Any, compression: Compression) -> None:
        self.sink = sink
        self.compressor = compression.compressor()
        self.raw_digest, self.digest = hashlib.sha256(), hashlib.sha256()
        self.raw_size = self.size = 0
        self.pending: list[bytes] = []
        self.pending_size = 0

    def write(self, data: bytes) -> None:
        """Add raw bytes."""
        self.pending.append(data)
        self.pending_size += len(data)
        if self.pending_size >= _BATCH:
            self._press()

    def finish(self) -> Piece:
        """End the compressed stream and say what it is."""
        self._press()
        self._emit(self.compressor.flush())
        return Piece(
            digest=f"sha256:{self.digest.hexdigest()}",
            size=self.size,
            diff_id=f"sha256:{self.raw_digest.hexdigest()}",
            raw_size=self.raw_size,
        )

    def _press(self) -> None:
        data = self.pending[0] if len(self.pending) == 1 else b"".join(self.pending)
        self.pending, self.pending_size = [], 0
        self.raw_size += len(data)
        self.raw_digest.update(data)
        self._emit(self.compressor.compress(data))

    def _emit(self, data: bytes) -> None:
        if data:
            self.size += len(data)
            self.digest.update(data)
            self.sink.write(data)


def store_tar(entries: Iterable[Entry], storage: Storage, compression: Compression, *, end: bool = True) -> Piece:
    """Write `entries` as a compressed blob into `storage`."""
    with storage.writer() as sink:
        press = TarPress(sink, compression)
        write_tar(entries, press.write, end=end)
        piece = press.finish()
        sink.commit(blob_key(piece.digest))
    return piece
