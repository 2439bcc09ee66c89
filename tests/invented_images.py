"""Small images made by hand, as OCI layouts and as `docker save` files: what the tests of base images read."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conda_store.registry.manifests import (
    LAYER_GZIP,
    LAYER_TAR,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    canonical_json,
)


def sha256(data: bytes) -> str:
    """`sha256:<hex>`"""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer_tar(**files: str) -> bytes:
    """A layer with text files in its root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def image_config(layers: Sequence[bytes], architecture: str = "amd64", variant: str = "") -> bytes:
    """An image configuration for linux."""
    value: dict[str, object] = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/bin", f"ARCH={architecture}"], "User": "1000", "WorkingDir": "/srv"},
        "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
    }
    return canonical_json({**value, "variant": variant} if variant else value)


@dataclass
class InventedLayout:
    """An OCI layout that grows by hand."""

    directory: Path

    def __post_init__(self) -> None:
        (self.directory / "blobs/sha256").mkdir(parents=True)
        (self.directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.write_index([])

    def blob(self, data: bytes, media_type: str) -> Descriptor:
        """Add a blob."""
        digest = sha256(data)
        self.path(digest).write_bytes(data)
        return Descriptor(media_type, digest, len(data))

    def path(self, digest: str) -> Path:
        """Where a blob lies."""
        return self.directory / "blobs/sha256" / digest.removeprefix("sha256:")

    def image(
        self, layers: Sequence[bytes], architecture: str = "amd64", variant: str = "", media_type: str = LAYER_GZIP
    ) -> Descriptor:
        """Add an image of uncompressed layers, which are compressed unless `media_type` is that of a plain tar."""
        packed = [layer if media_type == LAYER_TAR else gzip.compress(layer, mtime=0) for layer in layers]
        config = self.blob(image_config(layers, architecture, variant), OCI_CONFIG)
        blobs = [self.blob(layer, media_type) for layer in packed]
        return self.manifest(config, blobs, {"os": "linux", "architecture": architecture, "variant": variant})

    def manifest(self, config: Descriptor, layers: Sequence[Descriptor], platform: dict[str, str]) -> Descriptor:
        """Add a manifest, its descriptor with a platform."""
        value = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.as_dict(),
            "layers": [layer.as_dict() for layer in layers],
        }
        made = self.blob(canonical_json(value), OCI_MANIFEST)
        shown = {name: text for name, text in platform.items() if text}
        return Descriptor(made.media_type, made.digest, made.size, platform=shown)

    def index(self, manifests: Sequence[Descriptor]) -> Descriptor:
        """Add an index of several platforms."""
        return self.blob(_index(manifests), OCI_INDEX)

    def write_index(self, manifests: Sequence[Descriptor]) -> None:
        """Write index.json."""
        (self.directory / "index.json").write_bytes(_index(manifests))


def docker_save(path: Path, layers: Sequence[bytes], *, tags: Sequence[str] = (), names: Sequence[str] = ()) -> None:
    """Write what `docker save` (before 25) writes; `names` are those of the layers in the tar."""
    config = image_config([gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer for layer in layers])
    hexadecimal = sha256(config).removeprefix("sha256:")
    members = list(names) or [f"{number}/layer.tar" for number, _ in enumerate(layers)]
    entry = {"Config": f"{hexadecimal}.json", "RepoTags": list(tags) or None, "Layers": members}
    files = {f"{hexadecimal}.json": config, "manifest.json": json.dumps([entry]).encode()}
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name, data in [*files.items(), *zip(members, layers, strict=True)]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _index(manifests: Sequence[Descriptor]) -> bytes:
    entries = [manifest.as_dict() for manifest in manifests]
    return canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
