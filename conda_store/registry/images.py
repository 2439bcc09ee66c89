"""An image as an arrangement of layers: base, packages from large to small, groups, environment on top.

Formats: OCI image-spec 1.1 (config.md, manifest.md, image-index.md). diff_ids, config and manifest depend on the
specification, the lock, the base image and the settings, and on nothing else: no time, no build, no channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from conda_store.errors import BaseImageMissing
from conda_store.image_options import ImageOptions
from conda_store.packages.contents import Contents, Python
from conda_store.packages.ownership import Ownership
from conda_store.pieces.grouping import BUCKETS, arrange
from conda_store.pieces.index import Piece, PieceIndex, piece_key
from conda_store.pieces.layer import CompiledSet, LayerMaker
from conda_store.pieces.writer import store_tar
from conda_store.registry.base import BaseImage
from conda_store.registry.configuration import CREATED, container_settings, described, manifest_annotations, user_number
from conda_store.registry.environment_layer import FORMAT_VERSION, USER_ID, environment_entries, restated_entries
from conda_store.registry.manifests import (
    LAYER_GZIP,
    LAYER_ZSTD,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    canonical_json,
)
from conda_store.registry.platforms import oci_platform
from conda_store.registry.settings import MAXIMUM_LAYERS, ImageSettings
from conda_store.specification import Specification
from conda_store.storage.base import Storage


@dataclass(frozen=True)
class ImageLayer:
    """One layer of a finished image: its packages' names (none for base and environment), and what it is."""

    packages: tuple[str, ...]
    descriptor: Descriptor
    diff_id: str
    made: bool


@dataclass(frozen=True)
class Image:
    """An image in the storage. `descriptor` is its manifest's, with the platform."""

    platform: str
    descriptor: Descriptor
    config_digest: str
    layers: tuple[ImageLayer, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """Compressed bytes of all layers."""
        return sum(layer.descriptor.size for layer in self.layers)


class ImageMaker:
    """Arranges images in `storage`."""

    def __init__(self, storage: Storage, settings: ImageSettings | None = None) -> None:
        self.storage = storage
        self.settings = settings or ImageSettings()
        self.layers = LayerMaker(storage, self.settings.compression)
        self.environment_layers = PieceIndex(storage, "environment")

    def make(
        self,
        specification: Specification,
        platform: str,
        ownership: Ownership,
        python: Python | None,
        base: BaseImage,
        *,
        runnable: bool,
        compile_all: Callable[[], CompiledSet],
    ) -> Image:
        """Make the image of the packages in `ownership`. `compile_all` is called when a layer has to be made."""
        groups = self.arrange(ownership.order, base)
        known = [self.layers.find(group, python, runnable) for group in groups]
        missing = [group for group, piece in zip(groups, known, strict=True) if piece is None]
        made = iter(self.layers.make(missing, python, compile_all()) if missing else ())
        pieces = [piece or next(made) for piece in known]
        layers = [
            self._layer(tuple(package.name for package in group), piece, was is None)
            for group, piece, was in zip(groups, pieces, known, strict=True)
        ]
        options = specification.image.over(self.settings.options)
        number = user_number(options)
        owner = USER_ID if number is None else number
        layers.append(self._environment(specification, owner, ownership, groups, python, runnable, compile_all))
        return self._finish(specification, options, platform, base, layers)

    def arrange(self, packages: Sequence[Contents], base: BaseImage) -> list[tuple[Contents, ...]]:
        """Packages by layer, bottom first. Raises `BaseImageMissing` for a base that leaves no room."""
        by_name = {f"{package.kind}:{package.name}": package for package in packages}
        room = MAXIMUM_LAYERS - len(base.layers)
        if room - 1 <= BUCKETS:
            most = MAXIMUM_LAYERS - BUCKETS - 2
            raise BaseImageMissing(
                f"The base image {base.name} has {len(base.layers)} layers; at most {most} leave room for an "
                "environment. Name another one in c.ImageBuilder.base_image, or flatten it."
            )
        budget = min(self.settings.layer_budget, room) - 1
        arranged = arrange({name: package.size for name, package in by_name.items()}, budget)
        return [tuple(by_name[name] for name in names) for names in arranged]

    def _environment(
        self,
        specification: Specification,
        home_owner: int,
        ownership: Ownership,
        groups: Sequence[Sequence[Contents]],
        python: Python | None,
        runnable: bool,
        compile_all: Callable[[], CompiledSet],
    ) -> ImageLayer:
        parts = [f"environment-{FORMAT_VERSION}", self.settings.compression.key, specification.sha256]
        parts += [str(home_owner)]
        parts += [self.layers.key(group, python, runnable) for group in groups if ownership.shared]
        key = piece_key(*parts)
        piece = self.environment_layers.find(key)
        made = piece is None
        if piece is None:
            compiled = compile_all() if ownership.shared else CompiledSet(runnable)
            entries = [
                *environment_entries(specification, home_owner),
                *restated_entries(ownership, groups, python, compiled),
            ]
            unique = {entry.path: entry for entry in entries}
            piece = store_tar(unique.values(), self.storage, self.settings.compression)
            self.environment_layers.remember(key, piece)
        return self._layer((), piece, made)

    def _layer(self, packages: tuple[str, ...], piece: Piece, made: bool) -> ImageLayer:
        media_type = LAYER_ZSTD if self.settings.compression.name == "zstd" else LAYER_GZIP
        return ImageLayer(packages, Descriptor(media_type, piece.digest, piece.size), piece.diff_id, made)

    def _finish(
        self,
        specification: Specification,
        options: ImageOptions,
        platform: str,
        base: BaseImage,
        layers: list[ImageLayer],
    ) -> Image:
        based = [
            ImageLayer((), descriptor, diff_id, False)
            for descriptor, diff_id in zip(base.layers, base.diff_ids, strict=True)
        ]
        everything = (*based, *layers)
        config = canonical_json(image_config(specification, platform, base, everything, options))
        config_digest = self.storage.put_blob(config)
        manifest = canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": Descriptor(OCI_CONFIG, config_digest, len(config)).as_dict(),
                "layers": [layer.descriptor.as_dict() for layer in everything],
                "annotations": manifest_annotations(specification, base, options),
            }
        )
        digest = self.storage.put_blob(manifest)
        descriptor = Descriptor(OCI_MANIFEST, digest, len(manifest), platform=oci_platform(platform))
        return Image(platform, descriptor, config_digest, everything)

    def index(self, specification: Specification, images: Sequence[Image]) -> Descriptor:
        """The descriptor of one image itself, or of an OCI index over those of several platforms."""
        if len(images) == 1:
            return images[0].descriptor
        document = canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [image.descriptor.as_dict() for image in sorted(images, key=lambda i: i.platform)],
                "annotations": described(specification, specification.image.over(self.settings.options)),
            }
        )
        return Descriptor(OCI_INDEX, self.storage.put_blob(document), len(document))


def image_config(
    specification: Specification, platform: str, base: BaseImage, layers: Sequence[ImageLayer], options: ImageOptions
) -> dict[str, Any]:
    """The image's configuration."""
    return {
        "created": CREATED,
        **oci_platform(platform),
        "config": container_settings(specification, base, options),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [_history(layer, number < len(base.layers)) for number, layer in enumerate(layers)],
    }


def _history(layer: ImageLayer, of_base: bool) -> dict[str, str]:
    what = "base image" if of_base else ", ".join(layer.packages) or "the environment's own files"
    return {"created": CREATED, "created_by": f"conda-store: {what}"}
