"""What is served under a repository name: manifests, blobs, tags. HTTP is `handlers/registry.py`.

A digest is served under a name only while the database has a row for the two: nothing else of the store can be had.
What a digest names never changes, so manifests and the places of blobs are kept in bounded caches; a tag costs one
light query. The tables are named here once more, since the registry stands below the database's models.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from sqlalchemy import Select, bindparam, column, select, table
from sqlalchemy.orm import Session

from conda_store.registry.completeness import find_document, find_lost
from conda_store.registry.dynamic import DynamicRequest
from conda_store.registry.errors import (
    BlobUnknown,
    ImageIncomplete,
    ManifestUnknown,
    NameUnknown,
    ReferrersUnavailable,
)
from conda_store.registry.manifests import INDEXES, MANIFESTS, OCI_INDEX, Descriptor, parse_object
from conda_store.registry.names import (
    DYNAMIC,
    checked_digest,
    checked_name,
    checked_tag,
    environment_fault,
    is_digest,
    is_dynamic,
)
from conda_store.registry.referrers import referrers_index
from conda_store.storage.base import NotStored, Storage, blob_key

# Manifests of a hundred layers are 20 KB, so these are some 20 MB at most.
CACHED_MANIFESTS = 1024
CACHED_PLACES = 16384
# What was deleted in another process is served from here no longer than this.
CACHE_SECONDS = 60

_CONTENT = table(
    "registry_content",
    *map(column, ("repository", "digest", "media_type", "size", "subject", "artifact_type")),
)
_TAG = table("registry_tag", column("repository"), column("tag"), column("digest"))
_FIND_CONTENT = select(_CONTENT.c.media_type, _CONTENT.c.size).where(
    _CONTENT.c.repository == bindparam("repository"), _CONTENT.c.digest == bindparam("digest")
)
_FIND_TAG = select(_TAG.c.digest).where(_TAG.c.repository == bindparam("repository"), _TAG.c.tag == bindparam("tag"))
_ANY_CONTENT = select(_CONTENT.c.digest).where(_CONTENT.c.repository == bindparam("repository")).limit(1)
_TAGS = select(_TAG.c.tag).where(_TAG.c.repository == bindparam("repository"))
_REFERRERS = select(_CONTENT.c.digest, _CONTENT.c.artifact_type).where(
    _CONTENT.c.repository == bindparam("repository"), _CONTENT.c.subject == bindparam("subject")
)
_REPOSITORIES = select(_TAG.c.repository).where(_TAG.c.repository.not_like(f"{DYNAMIC}/%")).distinct()


class Readable(Protocol):
    """The database, as far as the registry knows it."""

    def read(self) -> AbstractContextManager[Session]:
        """A read transaction."""

    def find(self, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of one SELECT."""


@dataclass(frozen=True)
class Manifest:
    """A manifest or index: its exact bytes, and what it is."""

    digest: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Blob:
    """A blob of `size` bytes; `path` is its file where the storage has local files."""

    digest: str
    size: int
    path: Path | None = field(repr=False)


class RegistryServer:
    """Answers for the registry out of `database` and `storage`. Safe for several threads.

    Repository names are those of the URL: a request for packages (`conda-store-dynamic/…`) finds what was made for
    any request that means the same. Every method raises `NameInvalid` for a malformed name.
    """

    def __init__(self, database: Readable, storage: Storage) -> None:
        self.database, self.storage = database, storage
        self._manifest = lru_cache(CACHED_MANIFESTS)(self._read_manifest)
        self._blob = lru_cache(CACHED_PLACES)(self._find_blob)
        self._stored_name = lru_cache(CACHED_PLACES)(stored_name)

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The manifest that a tag or digest names, all of whose parts are there.

        Raises `NameUnknown`, `ManifestUnknown` (`ImageIncomplete` when parts are lost) or `DigestInvalid`.
        """
        stored = self._stored_name(repository)
        if is_digest(reference):
            digest = checked_digest(reference)
        else:
            digest = self._digest_of(stored, repository, checked_tag(reference))
        return self._manifest(stored, repository, digest, _period())

    def blob(self, repository: str, digest: str) -> Blob:
        """A blob that a manifest in `repository` reaches. Raises `NameUnknown`, `BlobUnknown` or `DigestInvalid`."""
        return self._blob(self._stored_name(repository), repository, checked_digest(digest), _period())

    def open(self, blob: Blob) -> BinaryIO:
        """The bytes of a blob, as a seekable stream; raises `BlobUnknown` when it was removed meanwhile."""
        try:
            stream = blob.path.open("rb") if blob.path else self.storage.open(blob_key(blob.digest))
        except (FileNotFoundError, NotStored) as error:
            raise self._lost(blob.digest) from error
        if blob.path and os.fstat(stream.fileno()).st_size != blob.size:
            stream.close()
            raise self._lost(blob.digest)
        return stream

    def tags(self, repository: str) -> list[str]:
        """All tags, in the order of their bytes (a database's own depends on its locale); raises `NameUnknown`."""
        stored = self._stored_name(repository)
        with self.database.read() as session:
            tags = sorted(map(str, session.scalars(_TAGS, {"repository": stored})))
        if not tags:
            self._check_known(stored, repository)
        return tags

    def repositories(self) -> list[str]:
        """All repositories with a tag, sorted; requests for packages are not among them."""
        with self.database.read() as session:
            return sorted(map(str, session.scalars(_REPOSITORIES)))

    def referrers(self, repository: str, digest: str, artifact_type: str = "") -> Manifest:
        """An OCI index of what refers to `digest`, all of it or one type.

        Raises `NameUnknown`, `DigestInvalid`, and `ReferrersUnavailable` where a manifest has gone from the store.
        """
        stored = self._stored_name(repository)
        with self.database.read() as session:
            rows = session.execute(_REFERRERS, {"repository": stored, "subject": checked_digest(digest)}).all()
        if not rows:
            self._check_known(stored, repository)
        wanted = [row for row in rows if artifact_type in ("", row.artifact_type)]
        try:
            found = [(str(row.artifact_type), self._described(stored, repository, str(row.digest))) for row in wanted]
        except ManifestUnknown as error:
            raise ReferrersUnavailable(error.message) from error
        return Manifest(digest, OCI_INDEX, referrers_index(found))

    def forget(self) -> None:
        """Empty the caches, after a deletion in this process."""
        self._manifest.cache_clear()
        self._blob.cache_clear()

    def _digest_of(self, stored: str, repository: str, tag: str) -> str:
        row = self.database.find(_FIND_TAG, {"repository": stored, "tag": tag})
        if row is None:
            self._check_known(stored, repository)
            raise ManifestUnknown(f"{repository} has no image with the tag {tag!r}.")
        return str(row[0])

    def _read_manifest(self, stored: str, repository: str, digest: str, period: int) -> Manifest:
        media_type, size = self._content(stored, digest) or ("", 0)
        if media_type not in INDEXES | MANIFESTS:
            self._check_known(stored, repository)
            raise ManifestUnknown(f"{repository} has no manifest {digest}.")
        lost = find_lost(self.storage, Descriptor(media_type, digest, size))
        data = find_document(self.storage, digest)
        if lost is not None or data is None:
            # An index that names it may be in mind as whole, and only what has a tag can be made again.
            self.forget()
            raise ImageIncomplete(stored, digest, lost or digest)
        return Manifest(digest, media_type, data)

    def _find_blob(self, stored: str, repository: str, digest: str, period: int) -> Blob:
        content = self._content(stored, digest)
        if content is None:
            self._check_known(stored, repository)
            raise _blob_unknown(digest)
        key = blob_key(digest)
        if not self.storage.has_blob(digest, content[1]):
            raise self._lost(digest)
        return Blob(digest, content[1], self.storage.path(key))

    def _described(self, stored: str, repository: str, digest: str) -> Descriptor:
        """The descriptor of a manifest, with the annotations that stand in it."""
        manifest = self._manifest(stored, repository, digest, _period())
        annotations = parse_object(manifest.data, f"The manifest {digest}").get("annotations") or {}
        return Descriptor(manifest.media_type, digest, len(manifest.data), annotations=annotations)

    def _lost(self, digest: str) -> BlobUnknown:
        """A blob that was there is not: let the next request for a manifest find that out, and have it made again."""
        self.forget()
        return _blob_unknown(digest)

    def _content(self, stored: str, digest: str) -> tuple[str, int] | None:
        with self.database.read() as session:
            row = session.execute(_FIND_CONTENT, {"repository": stored, "digest": digest}).first()
        return None if row is None else (str(row.media_type), int(row.size))

    def _check_known(self, stored: str, repository: str) -> None:
        with self.database.read() as session:
            if session.execute(_ANY_CONTENT, {"repository": stored}).first() is None:
                raise unknown_name(repository)


def unknown_name(repository: str) -> NameUnknown:
    """What is said of a repository that does not exist, and of one that the caller may not see."""
    fault = None if is_dynamic(repository) else environment_fault(repository)
    return NameUnknown(f"There is no repository {repository}. {fault or ''}".rstrip())


def _blob_unknown(digest: str) -> BlobUnknown:
    return BlobUnknown(f"There is no blob {digest} in this repository.")


def stored_name(repository: str) -> str:
    """The name under which the content of a repository is kept; raises `NameInvalid`."""
    if is_dynamic(checked_name(repository)):
        return DynamicRequest.parse(repository).repository
    return repository


def _period() -> int:
    """Part of every cache key: entries end with it."""
    return int(time.monotonic() / CACHE_SECONDS)
