"""Documents about an image, as OCI artifacts whose `subject` is the image's manifest or index.

Formats: OCI image-spec 1.1, manifest.md ("Guidelines for Artifact Usage"), and distribution-spec 1.1, "Listing
Referrers". The bytes depend on document and image, and on nothing else: no time, no build.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from conda_store.registry.manifests import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Descriptor, canonical_json
from conda_store.storage.base import Storage

# Tools that pull an artifact (oras) give the file the name that the layer's title is.
_TITLE, _DESCRIPTION = "org.opencontainers.image.title", "org.opencontainers.image.description"
_EMPTY = b"{}"


@dataclass(frozen=True)
class Document:
    """A file about an image: its media type, the name it gets on disk, and what it is, for people."""

    media_type: str
    file_name: str
    description: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Referrer:
    """An artifact in the storage: of which kind, its manifest, and the blobs that the manifest names."""

    artifact_type: str
    manifest: Descriptor
    blobs: tuple[Descriptor, ...]

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return self.manifest.size + sum(blob.size for blob in self.blobs)


def store_referrer(storage: Storage, image: Descriptor, document: Document) -> Referrer:
    """Keep a document as an artifact that refers to `image`."""
    config = Descriptor(OCI_EMPTY, storage.put_blob(_EMPTY), len(_EMPTY))
    size, named = len(document.data), {_TITLE: document.file_name}
    layer = Descriptor(document.media_type, storage.put_blob(document.data), size, annotations=named)
    manifest = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": document.media_type,
            "config": config.as_dict(),
            "layers": [layer.as_dict()],
            "subject": Descriptor(image.media_type, image.digest, image.size).as_dict(),
            "annotations": {_DESCRIPTION: document.description},
        }
    )
    stored = Descriptor(OCI_MANIFEST, storage.put_blob(manifest), len(manifest))
    return Referrer(document.media_type, stored, (config, layer))


def referrers_index(found: Iterable[tuple[str, Descriptor]]) -> bytes:
    """The OCI index that answers for an image: artifact types and manifests, which carry their own annotations."""
    entries = [{**manifest.as_dict(), "artifactType": artifact_type} for artifact_type, manifest in found]
    entries.sort(key=lambda entry: (entry["artifactType"], entry["digest"]))
    return canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
