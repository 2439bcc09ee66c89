"""An image as an arrangement of layers: base, packages from large to small, groups, environment on top.

Formats: OCI image-spec 1.1 (config.md, manifest.md, image-index.md). diff_ids, config and manifest depend on the
specification, the lock, the base image and the settings, and on nothing else: no time, no build, no channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from conda_store.packages.contents import Contents, Python
from conda_store.packages.ownership import Ownership
from conda_store.pieces.compression import GZIP, Compression
from conda_store.pieces.grouping import DEFAULT_BUDGET, arrange
from conda_store.pieces.index import Piece, PieceIndex, piece_key
from conda_store.pieces.layer import PREFIX, CompiledSet, LayerMaker
from conda_store.pieces.writer import store_tar
from conda_store.registry.base import BaseImage
from conda_store.registry.environment_layer import (
    ENTRY_POINT,
    FORMAT_VERSION,
    HOME,
    USER_ID,
    environment_entries,
    restated_entries,
)
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
from conda_store.specification import Specification
from conda_store.storage.base import Storage

# A constant, since an image made twice is the same image; some clients insist on a time.
CREATED = "1970-01-01T00:00:00Z"
# docker runs at most 125 layers, and a `FROM` needs room for its own.
MAXIMUM_LAYERS = 120
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class ImageSettings:
    """What a deployment decides about its images: compression, and package layers at most (besides the base)."""

    compression: Compression = GZIP
    layer_budget: int = DEFAULT_BUDGET


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
        layers.append(self._environment(specification, ownership, groups, python, runnable, compile_all))
        return self._finish(specification, platform, base, layers)

    def arrange(self, packages: Sequence[Contents], base: BaseImage) -> list[tuple[Contents, ...]]:
        """Packages by layer, bottom first."""
        by_name = {f"{package.kind}:{package.name}": package for package in packages}
        budget = min(self.settings.layer_budget, MAXIMUM_LAYERS - len(base.layers)) - 1
        arranged = arrange({name: package.size for name, package in by_name.items()}, budget)
        return [tuple(by_name[name] for name in names) for names in arranged]

    def _environment(
        self,
        specification: Specification,
        ownership: Ownership,
        groups: Sequence[Sequence[Contents]],
        python: Python | None,
        runnable: bool,
        compile_all: Callable[[], CompiledSet],
    ) -> ImageLayer:
        parts = [f"environment-{FORMAT_VERSION}", self.settings.compression.key, specification.sha256]
        parts += [self.layers.key(group, python, runnable) for group in groups if ownership.shared]
        key = piece_key(*parts)
        piece = self.environment_layers.find(key)
        made = piece is None
        if piece is None:
            compiled = compile_all() if ownership.shared else CompiledSet(runnable)
            entries = [
                *environment_entries(specification),
                *restated_entries(ownership, groups, python, compiled),
            ]
            unique = {entry.path: entry for entry in entries}
            piece = store_tar(unique.values(), self.storage, self.settings.compression)
            self.environment_layers.remember(key, piece)
        return self._layer((), piece, made)

    def _layer(self, packages: tuple[str, ...], piece: Piece, made: bool) -> ImageLayer:
        media_type = LAYER_ZSTD if self.settings.compression.name == "zstd" else LAYER_GZIP
        return ImageLayer(packages, Descriptor(media_type, piece.digest, piece.size), piece.diff_id, made)

    def _finish(self, specification: Specification, platform: str, base: BaseImage, layers: list[ImageLayer]) -> Image:
        based = [
            ImageLayer((), descriptor, diff_id, False)
            for descriptor, diff_id in zip(base.layers, base.diff_ids, strict=True)
        ]
        everything = (*based, *layers)
        config = canonical_json(image_config(specification, platform, base, everything))
        config_digest = self.storage.put_blob(config)
        manifest = canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": Descriptor(OCI_CONFIG, config_digest, len(config)).as_dict(),
                "layers": [layer.descriptor.as_dict() for layer in everything],
                "annotations": {"org.opencontainers.image.title": specification.name},
            }
        )
        digest = self.storage.put_blob(manifest)
        descriptor = Descriptor(OCI_MANIFEST, digest, len(manifest), platform=oci_platform(platform))
        return Image(platform, descriptor, config_digest, everything)

    def index(self, images: Sequence[Image]) -> Descriptor:
        """The descriptor of one image itself, or of an OCI index over several."""
        if len(images) == 1:
            return images[0].descriptor
        document = canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [image.descriptor.as_dict() for image in sorted(images, key=lambda i: i.platform)],
            }
        )
        return Descriptor(OCI_INDEX, self.storage.put_blob(document), len(document))


def image_config(
    specification: Specification, platform: str, base: BaseImage, layers: Sequence[ImageLayer]
) -> dict[str, Any]:
    """The image's configuration: the base's settings, with the environment activated and a user without privileges."""
    inherited = dict(base.config)
    variables = dict(entry.partition("=")[::2] for entry in inherited.get("Env") or [])
    variables["PATH"] = f"{PREFIX}/bin:{variables.get('PATH', _DEFAULT_PATH)}"
    variables |= {
        "CONDA_PREFIX": PREFIX,
        "CONDA_DEFAULT_ENV": specification.name,
        "CONDA_SHLVL": "1",
        "HOME": HOME,
        **dict(specification.variables),
    }
    labels = {**(inherited.get("Labels") or {}), "org.opencontainers.image.title": specification.name}
    if specification.description:
        labels["org.opencontainers.image.description"] = specification.description
    return {
        "created": CREATED,
        **oci_platform(platform),
        "config": {
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Entrypoint": [ENTRY_POINT],
            "User": f"{USER_ID}:{USER_ID}",
            "WorkingDir": HOME,
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [_history(layer, number < len(base.layers)) for number, layer in enumerate(layers)],
    }


def _history(layer: ImageLayer, of_base: bool) -> dict[str, str]:
    what = "base image" if of_base else ", ".join(layer.packages) or "the environment's own files"
    return {"created": CREATED, "created_by": f"conda-store: {what}"}
