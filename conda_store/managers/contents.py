"""Bytes to be downloaded: one text, one stored file or a list of blobs, all read the same way from any offset."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conda_store.storage.base import Storage

# Smaller pieces cost throughput, larger ones memory for each slow client (measured).
CHUNK_BYTES = 512 * 1024


@dataclass(frozen=True)
class Part:
    """Some bytes: `data`, or what is stored under `key`."""

    size: int
    key: str = ""
    data: bytes | None = None


@dataclass(frozen=True)
class Content:
    """The bytes of `parts`, one after another. `etag` is a strong validator with its quotes (RFC 9110, 8.8.3)."""

    media_type: str
    parts: Sequence[Part]
    etag: str
    storage: Storage | None = None
    file_name: str | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return sum(part.size for part in self.parts)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from offset `start` up to, not including, `stop`."""
        offset = 0
        for part in self.parts:
            first, last = max(start - offset, 0), min(stop - offset, part.size)
            if first < last:
                yield from self._read(part, first, last)
            offset += part.size

    def _read(self, part: Part, first: int, last: int) -> Iterator[bytes]:
        if part.data is not None:
            yield part.data[first:last]
            return
        if self.storage is None:
            raise ValueError("stored parts need a storage")
        with self.storage.open(part.key) as stream:
            stream.seek(first)
            while first < last and (chunk := stream.read(min(CHUNK_BYTES, last - first))):
                first += len(chunk)
                yield chunk


def text_content(text: str | bytes, media_type: str, file_name: str | None = None) -> Content:
    """A text as something to download."""
    data = text.encode() if isinstance(text, str) else text
    etag = f'"{hashlib.sha256(data).hexdigest()}"'
    return Content(media_type, (Part(len(data), data=data),), etag, file_name=file_name)
