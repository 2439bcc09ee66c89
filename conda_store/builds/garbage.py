"""What lies in a store and is needed by nothing: found by marking everything that is.

Needed are: what the registry serves, what the lists of archives name, base images with all that is known of them,
pieces that were used lately, and whatever was written or used since the oldest worker began (`storage.uses`). Each
thing is taken by itself and only if it was not used meanwhile; what names a thing is taken before the thing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from conda_store.builds.artifacts import ARCHIVE_NAME, ARCHIVE_ZST_NAME, INSTALLER_NAME
from conda_store.builds.freed import Freed
from conda_store.garbage import Removal
from conda_store.storage.base import NotStored, Storage, blob_key
from conda_store.storage.scratch import scratch_directory
from conda_store.storage.uses import take

PIECE, BLOB = "record of a piece", "blob"
LISTS = (ARCHIVE_NAME, ARCHIVE_ZST_NAME, INSTALLER_NAME)

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UNUSED = "nothing needs it"
# Larger than any manifest; blobs above this are layers.
_DOCUMENT_BYTES = 4 << 20


@dataclass(frozen=True)
class Cache:
    """Directories that are made again when they are missing: `pattern` below `folder` of the store."""

    kind: str
    folder: str
    pattern: str


CACHES = (
    Cache("unpacked package", "packages", "[0-9a-f]" * 2 + "/*"),
    Cache("unpacked wheel", "wheels", "[0-9a-f]" * 2 + "/*"),
    Cache("bytecode", "bytecode", "[0-9a-f]" * 2 + "/*"),
    Cache("python to compile with", "toolchains", "[0-9a-f]" * 16),
)


class StoreGarbage:
    """The garbage of one store. `moment` is from `storage.uses`; what was used before `idle` (seconds since the epoch,
    not after `moment`) goes although the next build might want it; `going` are keys of files that go anyway."""

    def __init__(self, storage: Storage, moment: float, idle: float, going: Collection[str] = ()) -> None:
        self.storage, self.moment, self.idle, self.going = storage, moment, min(idle, moment), frozenset(going)

    def find(self, served: set[str]) -> Iterator[Removal]:
        """Records of pieces, then blobs; `served` are the digests that rows name."""
        needed = served | self._listed() | self._based()
        for key, digest in self._records():
            if digest in needed or (size := self._size_unless_used(key, self.idle)) is None:
                needed.add(digest)
            else:
                yield Removal(kind=PIECE, name=key, size=size, reason=_UNUSED)
        for key in self._keys("blobs/sha256/"):
            if f"sha256:{key.rpartition('/')[2]}" in needed:
                continue
            if (size := self._size_unless_used(key, self.moment)) is not None:
                yield Removal(kind=BLOB, name=key, size=size, reason=_UNUSED)

    def take(self, found: Iterable[Removal]) -> Iterator[Removal]:
        """Remove what `find` found; gives what has gone."""
        before = {PIECE: self.idle, BLOB: self.moment}
        return (one for one in found if self.storage.delete_unused(one.name, before[one.kind]))

    def _size_unless_used(self, key: str, before: float) -> int | None:
        """None for what was used at or after a time, and for what another collector takes right now."""
        try:
            return self.storage.size(key) if self.storage.used_on(key) < before else None
        except NotStored:
            return None

    def _listed(self) -> set[str]:
        """The blobs of archives and installers, whatever their rows say: a list may be there before its row."""
        keys = (key for key in self._keys("artifacts/") if key.endswith(LISTS) and key not in self.going)
        return {digest for key in keys for digest in self._digests(key)}

    def _based(self) -> set[str]:
        """Base images: a tag stands for the digest that it had, so these are kept with all that they name."""
        found: set[str] = set()
        waiting = [digest for key in self._keys("bases/") for digest in self._digests(key)]
        while waiting:
            digest = waiting.pop()
            if digest not in found:
                found.add(digest)
                waiting += self._digests(blob_key(digest))
        return found

    def _records(self) -> Iterator[tuple[str, str]]:
        for key in self._keys("pieces/"):
            try:
                yield key, str(json.loads(self.storage.get(key))["digest"])
            except (NotStored, ValueError, LookupError, TypeError):
                yield key, ""

    def _digests(self, key: str) -> list[str]:
        """All that a document names; nothing for what is no document, or not there."""
        try:
            if self.storage.size(key) > _DOCUMENT_BYTES:
                return []
            data = self.storage.get(key)
        except NotStored:
            return []
        return _DIGEST.findall(data.decode(errors="replace")) if data.startswith(b"{") else []

    def _keys(self, prefix: str) -> list[str]:
        # All of them before anything goes.
        return list(self.storage.list(prefix))


class CacheGarbage:
    """Unpacked packages and the like in the store `root`; those named in `living` stay, as do those used since `idle`.

    What is hard linked into an environment is there whatever becomes of its other name. A folder that is a link
    belongs to somebody else and stays as it is.
    """

    def __init__(self, root: Path, idle: float, living: set[str], freed: Freed) -> None:
        self.root, self.idle, self.freed = root, idle, freed
        self.living = living | {one[:16] for one in living}

    def find(self) -> Iterator[Removal]:
        """What goes, by kind and name."""
        for cache in CACHES:
            folder = self.root / cache.folder
            for path in sorted(folder.glob(cache.pattern)) if not folder.is_symlink() else ():
                if path.name.partition("-")[0] not in self.living and _used_before(path, self.idle):
                    size = self.freed.directory(path)
                    name = path.relative_to(self.root).as_posix()
                    yield Removal(kind=cache.kind, name=name, size=size, reason="not used for long")

    def take(self, found: Iterable[Removal]) -> Iterator[Removal]:
        """Remove what `find` found; gives what has gone."""
        for one in found:
            folder = self.root / Path(one.name).parts[0]
            with scratch_directory(folder / "tmp") as scratch:
                gone = take(folder, self.root / one.name, self.idle, scratch / "taken")
            self.freed.forget()
            if gone:
                yield one


def _used_before(path: Path, moment: float) -> bool:
    try:
        return path.lstat().st_mtime < moment
    except FileNotFoundError:
        return False
