"""Brings one image for one platform from a source into the store, every byte compared with its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isal import isal_zlib

from conda_store.errors import BaseImageMissing, DigestMismatch
from conda_store.registry.manifests import (
    CONFIGS,
    DOCKER_LAYERS,
    DOCUMENT_BYTES,
    INDEXES,
    LAYER_GZIP,
    LAYER_TAR,
    LAYERS,
    MANIFESTS,
    REF_NAME,
    Descriptor,
    ManifestInvalid,
    children,
    parse_descriptor,
    parse_descriptors,
    parse_object,
)
from conda_store.registry.platforms import describe, rank
from conda_store.registry.sources import Document, ImageSource
from conda_store.storage.base import Storage, blob_key, digest_of

# Level 3 differs between processors, lower levels do not: the digest must depend on the layer alone.
GZIP_LEVEL = 2
NESTED_INDEXES = 4


@dataclass(frozen=True)
class Imported:
    """What an image is made of: the digest of its manifest, its layers in the store, its image configuration."""

    digest: str
    layers: tuple[Descriptor, ...]
    config: Mapping[str, Any]

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Digests of the unpacked layers, as the configuration gives them."""
        return tuple(self.config["rootfs"]["diff_ids"])


class Importer:
    """Reads documents and layers of one source through the store: what is there is not fetched again."""

    def __init__(self, storage: Storage, source: ImageSource, max_bytes: int) -> None:
        self._storage = storage
        self._source = source
        self._max_bytes = max_bytes

    def choose(self, root: Document, platform: str, ref: str | None) -> Descriptor:
        """The manifest for `platform` (a conda subdir), of the entry that `ref` (a tag or digest) names if given.

        Raises `BaseImageMissing`, which says what there is instead.
        """
        found = list(self._candidates(root, ref, NESTED_INDEXES))
        if ref is not None and not found:
            raise BaseImageMissing(f"it holds no image {ref!r}{_tags(root)}.")
        ranked = [(place, manifest) for manifest, offered in found if (place := rank(offered, platform)) is not None]
        if not ranked:
            offers = sorted({describe(offered) for _, offered in found}) or ["nothing"]
            raise BaseImageMissing(f"it has no image for this platform, only for {', '.join(offers)}.")
        best = min(place for place, _ in ranked)
        chosen = {manifest.digest: manifest for place, manifest in ranked if place == best}
        if len(chosen) > 1 and ref is None and _tags(root):
            raise BaseImageMissing(f"it holds several images for this platform: add :TAG to choose one{_tags(root)}.")
        return next(iter(chosen.values()))

    def fetch(self, manifest: Descriptor) -> Imported:
        """Copy configuration and layers into the store. Raises `DigestMismatch`, `BaseImageMissing`, `StorageFull`."""
        document = parse_object(self._document(manifest), "the manifest")
        config = parse_descriptor(document.get("config"), "config")
        layers = parse_descriptors(document.get("layers"), "layers")
        if config.media_type not in CONFIGS:
            raise BaseImageMissing(f"it is not a container image: its configuration is {config.media_type!r}.")
        known = [_as_oci(layer) for layer in layers]
        if sum(layer.size for layer in known) > self._max_bytes:
            raise BaseImageMissing(f"its layers are larger than the allowed {self._max_bytes:,} bytes.")
        image = parse_object(self._document(config), "the image configuration")
        diff_ids = _diff_ids(image, known)
        ready = tuple(self._layer(layer, diff_id) for layer, diff_id in zip(known, diff_ids, strict=True))
        return Imported(manifest.digest, ready, image)

    def _candidates(
        self, root: Document, ref: str | None, depth: int
    ) -> Iterator[tuple[Descriptor, Mapping[str, Any]]]:
        """Manifests of images with the platform each is for."""
        media_type = root.descriptor.media_type
        if media_type in MANIFESTS:
            yield from self._single(root)
        elif media_type not in INDEXES:
            raise BaseImageMissing(f"it is not a container image but {media_type or 'something unknown'!r}.")
        elif depth == 0:
            raise ManifestInvalid("its indexes are nested too deeply.")
        else:
            for entry in children(parse_object(root.data, "the index")):
                if ref is None or _is_named(entry, ref):
                    yield from self._below(entry, depth)

    def _below(self, entry: Descriptor, depth: int) -> Iterator[tuple[Descriptor, Mapping[str, Any]]]:
        if entry.media_type in MANIFESTS and entry.platform and entry.platform.get("architecture"):
            yield entry, entry.platform
        elif entry.media_type in INDEXES | MANIFESTS:
            yield from self._candidates(Document(entry, self._document(entry)), None, depth - 1)

    def _single(self, root: Document) -> Iterator[tuple[Descriptor, Mapping[str, Any]]]:
        config = parse_descriptor(parse_object(root.data, "the manifest").get("config"), "config")
        if config.media_type not in CONFIGS:
            raise BaseImageMissing(f"it is not a container image: its configuration is {config.media_type!r}.")
        yield root.descriptor, parse_object(self._document(config), "the image configuration")

    def _document(self, descriptor: Descriptor) -> bytes:
        """A small blob, from the store when it is there."""
        if descriptor.size > DOCUMENT_BYTES:
            raise ManifestInvalid(f"{descriptor.digest} is larger than {DOCUMENT_BYTES:,} bytes.")
        if self._storage.use_blob(descriptor.digest, descriptor.size):
            known = self._storage.get(blob_key(descriptor.digest))
            if digest_of(known) == descriptor.digest:
                return known
        with self._source.blob(descriptor) as chunks:
            data = b"".join(_verified(chunks, descriptor))
        self._storage.put_blob(data)
        return data

    def _layer(self, layer: Descriptor, diff_id: str) -> Descriptor:
        if layer.media_type == LAYER_TAR:
            return self._compress(layer, diff_id)
        if not self._storage.use_blob(layer.digest, layer.size):
            with self._source.blob(layer) as chunks, self._storage.writer() as out:
                for chunk in _verified(chunks, layer):
                    out.write(chunk)
                out.commit(blob_key(layer.digest))
        return layer

    def _compress(self, layer: Descriptor, diff_id: str) -> Descriptor:
        if layer.digest != diff_id:
            raise DigestMismatch(f"its uncompressed layer {layer.digest} is {diff_id} in the configuration.")
        with self._source.blob(layer) as chunks, self._storage.writer() as out:
            sha256 = hashlib.sha256()
            for packed in _gzipped(_verified(chunks, layer)):
                sha256.update(packed)
                out.write(packed)
            digest, size = f"sha256:{sha256.hexdigest()}", out.tell()
            out.commit(blob_key(digest))
        return Descriptor(LAYER_GZIP, digest, size)


def _gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A gzip member without name or time in its header (31 stands for gzip in zlib's wbits).

    Every source gives chunks of 1 MiB, so that the result depends on the content alone.
    """
    compressor = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, 31)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def _verified(chunks: Iterable[bytes], descriptor: Descriptor) -> Iterator[bytes]:
    """`chunks`, ending in `DigestMismatch` unless they are what the descriptor promises."""
    sha256, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > descriptor.size:
            break
        sha256.update(chunk)
        yield chunk
    if size != descriptor.size or f"sha256:{sha256.hexdigest()}" != descriptor.digest:
        raise DigestMismatch(
            f"the blob {descriptor.digest} ({descriptor.size:,} bytes) is damaged: its bytes do not have that digest."
        )


def _as_oci(layer: Descriptor) -> Descriptor:
    media_type = DOCKER_LAYERS.get(layer.media_type, layer.media_type)
    if "foreign" in media_type or "nondistributable" in media_type:
        raise BaseImageMissing(f"it has a layer that may not be distributed ({media_type}).")
    if media_type not in LAYERS:
        raise BaseImageMissing(f"it has a layer of a kind that is not supported ({media_type}).")
    return Descriptor(media_type, layer.digest, layer.size)


def _diff_ids(config: Mapping[str, Any], layers: Sequence[Descriptor]) -> list[str]:
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or len(diff_ids) != len(layers):
        raise ManifestInvalid("its configuration and its manifest disagree about how many layers there are.")
    for diff_id in diff_ids:
        # The constructor knows the form of a digest.
        Descriptor(LAYER_TAR, str(diff_id), 0)
    return [str(diff_id) for diff_id in diff_ids]


def _is_named(entry: Descriptor, ref: str) -> bool:
    """`ref` is the entry's digest, its name or the end of it: `docker.io/library/base:1` is `base:1` and `1`."""
    name = entry.annotations.get(REF_NAME, "")
    return ref in (entry.digest, name) or name.endswith((f":{ref}", f"/{ref}"))


def _tags(root: Document) -> str:
    is_index = root.descriptor.media_type in INDEXES
    entries = children(parse_object(root.data, "the index")) if is_index else ()
    names = sorted({entry.annotations[REF_NAME] for entry in entries if REF_NAME in entry.annotations})
    return f" (it has {', '.join(names[:10])})" if names else ""
