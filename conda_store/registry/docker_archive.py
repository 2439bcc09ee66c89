"""What `docker save` writes (also crane, skopeo, podman, kaniko), presented as an OCI image.

Format: Docker's image specification 1.2 ("Combined Image JSON + Filesystem Changeset Format"): manifest.json
lists for each image its configuration, its tags and its layers, mostly uncompressed. The manifests made here
name the layers as they lie in the file, so that they depend on nothing but the file.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from conda_store.errors import DigestMismatch
from conda_store.registry.manifests import (
    LAYER_GZIP,
    LAYER_TAR,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    ManifestInvalid,
    canonical_json,
    load_json,
    parse_object,
)
from conda_store.registry.sources import GZIP_MAGIC, Document, ImageSource, Members, chunks, read_member
from conda_store.storage.base import digest_of

MANIFEST_FILE = "manifest.json"

_HEX = re.compile(r"[0-9a-f]{64}")


class DockerArchiveSource(ImageSource):
    """A `docker save` file as an OCI index with one manifest for each image and tag."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._documents: dict[str, bytes] = {}
        self._layers: dict[str, str] = {}

    def root(self) -> Document:
        entries = [entry for image in self._images() for entry in self._entries(image)]
        data = canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
        return Document(Descriptor(OCI_INDEX, digest_of(data), len(data)), data)

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        if descriptor.digest in self._documents:
            yield iter((self._documents[descriptor.digest],))
            return
        with self._members.open(self._layers[descriptor.digest]) as stream:
            yield chunks(stream)

    def close(self) -> None:
        self._members.close()

    def _images(self) -> list[dict[str, Any]]:
        try:
            images = load_json(read_member(self._members, MANIFEST_FILE))
        except (ValueError, RecursionError) as error:
            raise ManifestInvalid(f"{MANIFEST_FILE} is not JSON.") from error
        if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
            raise ManifestInvalid(f"{MANIFEST_FILE} is not a list of images.")
        return images

    def _entries(self, image: dict[str, Any]) -> Iterator[dict[str, Any]]:
        config, document = self._config(image)
        layers = self._layer_descriptors(image, document)
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.as_dict(), "layers": layers}
        data = canonical_json(manifest)
        platform = {name: document[name] for name in ("architecture", "os", "variant") if document.get(name)}
        entry = Descriptor(OCI_MANIFEST, self._keep(data), len(data), platform=platform)
        tags = _texts(image.get("RepoTags"), "RepoTags")
        yield from (entry.named(tag).as_dict() for tag in tags) if tags else (entry.as_dict(),)

    def _config(self, image: dict[str, Any]) -> tuple[Descriptor, dict[str, Any]]:
        name = str(image.get("Config"))
        data = read_member(self._members, name)
        promised = PurePosixPath(name).name.removesuffix(".json")
        if _HEX.fullmatch(promised) and digest_of(data) != f"sha256:{promised}":
            raise DigestMismatch(f"the image configuration {name!r} does not have the digest in its name.")
        return Descriptor(OCI_CONFIG, self._keep(data), len(data)), parse_object(data, name)

    def _layer_descriptors(self, image: dict[str, Any], config: dict[str, Any]) -> list[dict[str, Any]]:
        rootfs = config.get("rootfs")
        diff_ids = _texts(rootfs.get("diff_ids") if isinstance(rootfs, dict) else None, "diff_ids")
        names = _texts(image.get("Layers"), "Layers")
        if len(names) != len(diff_ids):
            raise ManifestInvalid("its configuration and its list of layers disagree about how many layers there are.")
        return [self._layer(name, diff_id).as_dict() for name, diff_id in zip(names, diff_ids, strict=True)]

    def _layer(self, name: str, diff_id: str) -> Descriptor:
        with self._members.open(name) as stream:
            compressed = stream.read(2) == GZIP_MAGIC
            size = stream.seek(0, 2)
        if not compressed:
            # Compared with the bytes when they are read, as every digest is.
            self._layers[diff_id] = name
            return Descriptor(LAYER_TAR, diff_id, size)
        digest = self._compressed_digest(name, diff_id)
        self._layers[digest] = name
        return Descriptor(LAYER_GZIP, digest, size)

    def _compressed_digest(self, name: str, diff_id: str) -> str:
        """The digest of a gzip layer, which nothing in the file names; its content is compared with `diff_id`."""
        outer, inner = hashlib.sha256(), hashlib.sha256()
        with self._members.open(name) as stream:
            for chunk in chunks(stream):
                outer.update(chunk)
            stream.seek(0)
            with gzip.GzipFile(fileobj=stream) as unpacked:
                for chunk in chunks(unpacked):
                    inner.update(chunk)
        if f"sha256:{inner.hexdigest()}" != diff_id:
            raise DigestMismatch(f"the layer {name!r} does not have the digest {diff_id} that its configuration names.")
        return f"sha256:{outer.hexdigest()}"

    def _keep(self, data: bytes) -> str:
        digest = digest_of(data)
        self._documents[digest] = data
        return digest


def _texts(value: object, what: str) -> list[str]:
    """A list of texts; null stands for an empty one."""
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise ManifestInvalid(f"{what} is not a list of texts.")
    return list(value or [])
