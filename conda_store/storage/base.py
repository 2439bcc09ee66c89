"""What a store of bytes promises: bytes by key, whole or not at all, whatever lies underneath.

Where the bytes lie is `local.py`; what they mean is nobody's business here.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from conda_store.errors import BadInput, CondaStoreError

KEY_BYTES = 1024
NAME_BYTES = 255
# The store's own directory for unfinished files; no key begins with it.
TEMPORARY = "tmp"

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class KeyInvalid(BadInput):
    """A key or digest that does not name a place inside a store."""

    code = "key_invalid"


class NotStored(CondaStoreError):
    """No bytes under this key."""

    status = 404
    code = "not_stored"


class StorageUnreadable(CondaStoreError):
    """The bytes are there and cannot be read (permissions, a damaged disk)."""

    code = "storage_unreadable"


class Writer(Protocol):
    """A file that becomes visible at `commit`, and never before."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Append all of `data`; returns its length in bytes."""

    def tell(self) -> int:
        """Bytes written so far."""

    def flush(self) -> None:
        """Nothing to do, for callers that treat this as a file: writes are not buffered."""

    def commit(self, key: str | None = None) -> None:
        """Make the bytes appear under `key` (or the key that `writer` was given); nothing can be written after it."""


class Storage(ABC):
    """Bytes by key.

    A key is a relative posix path such as `blobs/sha256/ab/abcd…`: at most 1024 bytes, each component at most
    255, none empty, `.` or `..`, no backslash or control character, the first one not `tmp`. Every method
    raises `KeyInvalid` for another. Writing raises `StorageFull` when the bytes cannot be kept. Two writers
    of one key may work at once; one of them, whole, is what stays.
    """

    @abstractmethod
    def writer(self, key: str | None = None) -> AbstractContextManager[Writer]:
        """A file to write. At the end of the block it appears under `key`, unless `commit` was called before.

        Without a key and without `commit`, and after an exception, nothing remains.
        """

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """A seekable stream over the bytes; raises `NotStored`."""

    @abstractmethod
    def path(self, key: str) -> Path | None:
        """The local file with the bytes, for hard links and sendfile; None when there is none."""

    @abstractmethod
    def size(self, key: str) -> int:
        """Length in bytes; raises `NotStored`."""

    @abstractmethod
    def use(self, key: str) -> bool:
        """Whether there are bytes under `key`; a collector leaves them alone from now on, as it does new ones."""

    @abstractmethod
    def used_on(self, key: str) -> float:
        """When the bytes were written or `use` was called last, in seconds since the epoch; raises `NotStored`."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Forget the bytes, if there are any."""

    @abstractmethod
    def delete_unused(self, key: str, before: float) -> bool:
        """Forget the bytes unless they are in use: written or used at or after `before`; whether they are gone."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin with the text `prefix`, sorted within each directory."""

    @abstractmethod
    def sweep(self) -> int:
        """Remove what killed writers left behind, never what living ones write; returns how many files."""

    @abstractmethod
    def check_writable(self) -> None:
        """Raise `StorageFull` (`StorageReadOnly`) unless something small can be kept now."""

    def free_bytes(self) -> int | None:
        """Bytes that can still be kept; None where nobody can say."""
        return None

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`, in place of what was there."""
        with self.writer(key) as out:
            out.write(data)

    def get(self, key: str) -> bytes:
        """All bytes under `key`; raises `NotStored`."""
        with self.open(key) as stream:
            return stream.read()

    def exists(self, key: str) -> bool:
        """Whether there are bytes under `key`."""
        try:
            self.size(key)
        except NotStored:
            return False
        return True

    def put_blob(self, data: bytes) -> str:
        """Keep `data` under its own digest, which is returned (`sha256:<hex>`); known bytes are not written again."""
        digest = digest_of(data)
        # Looked at, since it costs little and whoever makes a damaged blob again wants it mended.
        if not self.use_blob(digest, len(data)) or self.get(blob_key(digest)) != data:
            self.put(blob_key(digest), data)
        return digest

    def has_blob(self, digest: str, size: int) -> bool:
        """Whether a blob is there with the length it should have."""
        try:
            return self.size(blob_key(digest)) == size
        except NotStored:
            return False

    def use_blob(self, digest: str, size: int) -> bool:
        """The same of a blob that is not made again if it is there: a collector leaves it alone from now on."""
        return self.use(blob_key(digest)) and self.has_blob(digest, size)


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blob_key(digest: str) -> str:
    """The key of the blob with `digest` (`sha256:<64 lower-case hex>`); raises `KeyInvalid` for another form."""
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise KeyInvalid(f"{digest[:100]!r} is not a digest of the form sha256:<64 hexadecimal digits>.")
    return f"blobs/sha256/{match[1][:2]}/{match[1]}"


def checked_key(key: str) -> str:
    """`key` itself when it is valid; raises `KeyInvalid` naming what is wrong."""
    parts = key.split("/")
    if len(key.encode(errors="replace")) > KEY_BYTES:
        raise KeyInvalid(f"The storage key {key[:60]!r}… is longer than {KEY_BYTES} bytes.")
    if any(part in {"", ".", ".."} for part in parts):
        raise KeyInvalid(f"The storage key {key!r} is not a normal relative path.")
    if any(len(part.encode(errors="replace")) > NAME_BYTES for part in parts):
        raise KeyInvalid(f"The storage key {key[:60]!r}… has a component longer than {NAME_BYTES} bytes.")
    if not key.isprintable() or "\\" in key:
        raise KeyInvalid(f"The storage key {key!r} has a character that is not allowed.")
    if parts[0] == TEMPORARY:
        raise KeyInvalid(f"The storage key {key!r} lies in the directory of unfinished files.")
    return key
