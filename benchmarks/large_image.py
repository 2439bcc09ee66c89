"""A base image with one large layer that no compression makes smaller: nothing of ours makes a blob of that size."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

from benchmarks.workbench import Workbench
from conda_store.registry.layout import write_layout
from conda_store.registry.manifests import LAYER_TAR, OCI_CONFIG, OCI_MANIFEST, Descriptor, canonical_json
from conda_store.registry.platforms import oci_platform
from conda_store.storage.local import LocalStorage

_BYTES, _QUICK_BYTES = 200_000_000, 20_000_000


def large_image(bench: Workbench) -> Path:
    """The OCI layout of such an image, made at the first call."""
    layout = bench.scratch / "large-image"
    if not layout.exists():
        storage = LocalStorage(bench.scratch / "large-image-store")
        layer = _put(storage, _tar(_QUICK_BYTES if bench.quick else _BYTES), LAYER_TAR)
        platform = oci_platform(bench.platform)
        config = {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer.digest]}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _put(storage, canonical_json(config), OCI_CONFIG).as_dict(),
            "layers": [layer.as_dict()],
        }
        write_layout(layout, storage, [_put(storage, canonical_json(manifest), OCI_MANIFEST)])
    return layout


def _tar(size: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("opt/large")
        entry.size = size
        tar.addfile(entry, io.BytesIO(random.Random(0).randbytes(size)))
    return buffer.getvalue()


def _put(storage: LocalStorage, data: bytes, media_type: str) -> Descriptor:
    return Descriptor(media_type, storage.put_blob(data), len(data))
