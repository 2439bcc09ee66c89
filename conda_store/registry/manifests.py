"""The words of OCI manifests: media types, descriptors, canonical JSON. No bytes are read or written here.

Formats: OCI image-spec 1.1 (descriptor.md, manifest.md, image-index.md) and Docker's image manifest v2, schema 2.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conda_store.errors import BadInput

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar": LAYER_TAR,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": LAYER_ZSTD,
}

INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
LAYERS = frozenset({LAYER_TAR, LAYER_GZIP, LAYER_ZSTD})

REF_NAME = "org.opencontainers.image.ref.name"
# A registry may refuse larger ones (distribution-spec 1.1, "Pushing Manifests"); nobody needs them.
DOCUMENT_BYTES = 4 * 1024 * 1024

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ManifestInvalid(BadInput):
    """A document that is no manifest, index or image configuration."""

    code = "manifest_invalid"


@dataclass(frozen=True)
class Descriptor:
    """What a blob is, its digest (`sha256:<hex>`) and its size in bytes.

    `platform` is an OCI platform object (`os`, `architecture`, `variant` …) and stands in indexes only.
    """

    media_type: str
    digest: str
    size: int
    platform: Mapping[str, Any] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if _DIGEST.fullmatch(self.digest) is None:
            raise ManifestInvalid(f"{self.digest[:100]!r} is not a digest of the form sha256:<64 hexadecimal digits>.")
        object.__setattr__(self, "platform", None if self.platform is None else dict(self.platform))
        object.__setattr__(self, "annotations", dict(self.annotations))

    def __hash__(self) -> int:
        return hash((self.media_type, self.digest, self.size))

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of image-spec 1.1, descriptor.md, without empty members."""
        value: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.platform:
            value["platform"] = dict(self.platform)
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        return value

    def annotated(self, **annotations: str) -> Descriptor:
        """A copy with more annotations (pass `**{"org.example.key": "value"}`)."""
        return replace(self, annotations={**self.annotations, **annotations})

    def named(self, ref_name: str) -> Descriptor:
        """A copy that carries `ref_name` as `org.opencontainers.image.ref.name`."""
        return self.annotated(**{REF_NAME: ref_name})


def canonical_json(value: object) -> bytes:
    """`value` as JSON whose bytes depend on nothing else: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def load_json(data: bytes) -> Any:
    """Strict JSON: without NaN and infinities, which `canonical_json` could not write again. Raises ValueError."""
    return json.loads(data, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a number in JSON")
    return value


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object in `data`; `what` names it in the `ManifestInvalid` that is raised for anything else."""
    try:
        value = load_json(data)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{what} is not JSON.") from error
    if not isinstance(value, dict):
        raise ManifestInvalid(f"{what} is not a JSON object.")
    return value


def parse_descriptor(value: object, what: str) -> Descriptor:
    """A `Descriptor` from its JSON object; raises `ManifestInvalid`, which names it as `what`."""
    if not isinstance(value, dict):
        raise ManifestInvalid(f"{what} is not a descriptor.")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str) or not isinstance(digest, str):
        raise ManifestInvalid(f"{what} has no media type or no digest.")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestInvalid(f"{what} has no size.")
    platform, annotations = value.get("platform"), value.get("annotations")
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        platform=platform if isinstance(platform, dict) else None,
        annotations={str(k): str(v) for k, v in annotations.items()} if isinstance(annotations, dict) else {},
    )


def parse_descriptors(value: object, what: str) -> tuple[Descriptor, ...]:
    """The descriptors of a JSON list, None counting as empty (Go writes null for an empty list)."""
    if value is not None and not isinstance(value, list):
        raise ManifestInvalid(f"{what} is not a list.")
    return tuple(parse_descriptor(item, f"{what}[{number}]") for number, item in enumerate(value or []))


def media_type_of(document: Mapping[str, Any]) -> str:
    """What an index or manifest is: its own `mediaType`, or what its members tell where that is absent.

    The member is optional in OCI documents (image-spec 1.1, manifest.md); "" when it is neither.
    """
    declared = document.get("mediaType")
    if isinstance(declared, str) and declared:
        return declared
    if "manifests" in document:
        return OCI_INDEX
    return OCI_MANIFEST if "config" in document and "layers" in document else ""


def children(document: Mapping[str, Any]) -> tuple[Descriptor, ...]:
    """What an index or manifest needs to be complete: its manifests, or its config and layers."""
    media_type = media_type_of(document)
    if media_type in INDEXES:
        return parse_descriptors(document.get("manifests"), "manifests")
    if media_type in MANIFESTS:
        return (
            parse_descriptor(document.get("config"), "config"),
            *parse_descriptors(document.get("layers"), "layers"),
        )
    return ()
