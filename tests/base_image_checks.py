"""What the tests of base images share: an invented image, and what every answer and refusal must hold."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from conda_store.errors import CondaStoreError
from conda_store.registry.base import BaseImage, BaseImages
from conda_store.registry.manifests import LAYER_GZIP
from conda_store.storage.base import blob_key
from conda_store.storage.local import LocalStorage
from tests.invented_images import InventedLayout, layer_tar, sha256

LAYERS = [layer_tar(etc="base"), layer_tar(bin="tools")]


def two_platforms(directory: Path) -> InventedLayout:
    """Tag `multi` is an index of amd64 and arm64, `one` the amd64 image."""
    made = InventedLayout(directory)
    amd = made.image(LAYERS)
    arm = made.image([layer_tar(etc="arm")], "arm64", "v8")
    made.write_index([made.index([amd, arm]).named("multi"), amd.named("one")])
    return made


def resolve(storage: LocalStorage, source: str, platform: str = "linux-64", **options: Any) -> BaseImage:
    return BaseImages(storage, sources=source, **options).resolve(platform)


def refused(
    kind: type[CondaStoreError], storage: LocalStorage, source: str, platform: str = "linux-64", **options: Any
) -> str:
    """The message, which must say which image, platform and setting; nothing unfinished may remain."""
    with pytest.raises(kind) as caught:
        resolve(storage, source, platform, **options)
    message = caught.value.message
    assert source in message and platform in message
    assert "c.ImageBuilder.base_image" in message and "--base-image" in message
    assert list((storage.root / "tmp").glob("*")) == []
    return message


def unpacked(storage: LocalStorage, image: BaseImage) -> list[bytes]:
    """The layers' tars, which must be what the image promises."""
    tars = []
    for layer, diff_id in zip(image.layers, image.diff_ids, strict=True):
        data = storage.get(blob_key(layer.digest))
        assert (sha256(data), len(data)) == (layer.digest, layer.size)
        assert layer.media_type == LAYER_GZIP
        tars.append(gzip.decompress(data))
        assert sha256(tars[-1]) == diff_id
    return tars
