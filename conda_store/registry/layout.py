"""Writes OCI image layouts (image-spec 1.1, image-layout.md) from the store, by hard links. `sources.py` reads them."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from conda_store.errors import BadInput, StorageFull
from conda_store.registry.manifests import (
    DOCUMENT_BYTES,
    INDEXES,
    MANIFESTS,
    OCI_INDEX,
    Descriptor,
    canonical_json,
    children,
    parse_object,
)
from conda_store.storage.base import Storage, blob_key
from conda_store.storage.scratch import exchange

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
LAYOUT_VERSION = {"imageLayoutVersion": "1.0.0"}

# ENOENT: the blob was deleted meanwhile, which the store says better when it is opened.
_CANNOT_LINK = {errno.ENOENT, errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES}


class TargetRefused(BadInput):
    """A directory that holds something else and is not overwritten."""

    code = "target_refused"


def write_layout(
    directory: Path,
    storage: Storage,
    manifests: Sequence[Descriptor],
    *,
    ref_names: Sequence[str] = (),
    annotations: Mapping[str, str] | None = None,
) -> None:
    """Write `manifests` (indexes or manifests in `storage`) and all that they name as an OCI layout.

    `ref_names` are the tags of the only manifest; with several, name each by `Descriptor.named`. `annotations`
    are those of index.json. A layout that is there is replaced in one step; another directory that is not
    empty is refused (`TargetRefused`). Raises `NotStored` for a blob that is missing, `StorageFull`.
    """
    if ref_names and len(manifests) != 1:
        raise ValueError("ref_names belong to one manifest")
    entries = [manifests[0].named(name) for name in ref_names] if ref_names else list(manifests)
    target = Path(os.path.realpath(directory))
    _check_target(target)
    with _translated(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(target) as place:
            _fill(place, storage, entries, annotations or {})
            _publish(place, target)


def closure(storage: Storage, roots: Sequence[Descriptor]) -> Iterator[Descriptor]:
    """The roots and every blob they need, each digest once. Raises `NotStored`."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest in seen:
            continue
        seen.add(descriptor.digest)
        yield descriptor
        if descriptor.media_type in INDEXES | MANIFESTS and descriptor.size <= DOCUMENT_BYTES:
            document = storage.get(blob_key(descriptor.digest))
            waiting += children(parse_object(document, descriptor.digest))


def _check_target(target: Path) -> None:
    try:
        names = {path.name for path in target.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise TargetRefused(f"{target} is not a directory that can hold an image layout: {error.strerror}.") from error
    foreign = names - {LAYOUT_FILE, INDEX_FILE, "blobs"}
    if names and (LAYOUT_FILE not in names or foreign):
        found = f" (it holds {sorted(foreign)[0]!r})" if foreign else ""
        raise TargetRefused(
            f"{target} is not empty and is not an OCI layout made before{found}: name another directory, or remove it."
        )


def _fill(place: Path, storage: Storage, entries: Sequence[Descriptor], annotations: Mapping[str, str]) -> None:
    blobs = place / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for descriptor in closure(storage, entries):
        _link_blob(storage, descriptor.digest, blobs / descriptor.digest.removeprefix("sha256:"))
    index: dict[str, object] = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    index["manifests"] = [entry.as_dict() for entry in entries]
    if annotations:
        index["annotations"] = dict(annotations)
    (place / INDEX_FILE).write_bytes(canonical_json(index))
    (place / LAYOUT_FILE).write_bytes(canonical_json(LAYOUT_VERSION))


def _link_blob(storage: Storage, digest: str, target: Path) -> None:
    key = blob_key(digest)
    source = storage.path(key)
    if source is not None:
        try:
            os.link(source, target)
            return
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
    with storage.open(key) as stream, target.open("wb") as out:
        shutil.copyfileobj(stream, out, 1024 * 1024)


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A directory beside `target`, locked by this process and removed at the end; those of killed ones go too."""
    prefix = f".{target.name[:100]}.unfinished-"
    for stale in target.parent.glob(f"{_literal(prefix)}*"):
        _remove_unlocked(stale)
    place = target.parent / f"{prefix}{secrets.token_hex(8)}"
    place.mkdir()
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(descriptor)


def _literal(text: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)


def _remove_unlocked(place: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(place, ignore_errors=True)
        finally:
            os.close(descriptor)


def _publish(place: Path, target: Path) -> None:
    """Give `place` the name `target`; what was there takes the name `place`."""
    try:
        place.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        _check_target(target)
        exchange(place, target)


@contextmanager
def _translated(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageFull(f"The image layout {target} cannot be written: {reason}. Name another directory.") from error
