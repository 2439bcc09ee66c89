"""Conda's names of platforms and those of OCI (image-spec 1.1, image-index.md; values of GOOS and GOARCH)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conda_store.errors import BaseImageMissing

# conda subdir → architecture, and the variants that serve, best first; "" is an absent variant.
_ARCHITECTURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "linux-32": ("386", ("",)),
    # amd64/v2 and later need a newer processor than conda's linux-64 promises.
    "linux-64": ("amd64", ("", "v1")),
    "linux-aarch64": ("arm64", ("v8", "")),
    "linux-armv6l": ("arm", ("v6", "v5")),
    "linux-armv7l": ("arm", ("v7", "", "v6", "v5")),
    "linux-loongarch64": ("loong64", ("",)),
    "linux-ppc64": ("ppc64", ("",)),
    "linux-ppc64le": ("ppc64le", ("",)),
    "linux-riscv64": ("riscv64", ("",)),
    "linux-s390x": ("s390x", ("",)),
}


def oci_platform(subdir: str) -> dict[str, str]:
    """The OCI platform of a conda subdir: `linux-aarch64` is `{os: linux, architecture: arm64, variant: v8}`.

    Raises `BaseImageMissing` for a platform without containers (`osx-*`, `win-*`) or an unknown one.
    """
    if subdir not in _ARCHITECTURES:
        raise BaseImageMissing(
            f"There are no container images for {subdir}; images can be made for {', '.join(_ARCHITECTURES)}."
        )
    architecture, variants = _ARCHITECTURES[subdir]
    platform = {"os": "linux", "architecture": architecture}
    return {**platform, "variant": variants[0]} if variants[0] else platform


def rank(offered: Mapping[str, Any], subdir: str) -> int | None:
    """How well an OCI platform object serves a conda subdir: 0 is best, None not at all."""
    oci_platform(subdir)
    architecture, variants = _ARCHITECTURES[subdir]
    variant = offered.get("variant") or ""
    if offered.get("os") != "linux" or offered.get("architecture") != architecture or variant not in variants:
        return None
    return variants.index(variant)


def describe(offered: Mapping[str, Any]) -> str:
    """`linux/arm64/v8`, for messages."""
    parts = (str(offered.get(name) or "") for name in ("os", "architecture", "variant"))
    return "/".join(part for part in parts if part) or "an unknown platform"
