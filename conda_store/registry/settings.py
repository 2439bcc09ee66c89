"""What a deployment decides about its images and about the registries that it takes base images from. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from conda_store.image_options import UNSAID, ImageOptions
from conda_store.pieces.compression import GZIP, Compression
from conda_store.pieces.grouping import DEFAULT_BUDGET

DEFAULT_BASE_IMAGE = "docker.io/library/debian:12-slim"
# docker runs at most 125 layers, and a `FROM` needs room for its own.
MAXIMUM_LAYERS = 120


@dataclass(frozen=True)
class ImageSettings:
    """How images are made: `layer_budget` is package layers at most (besides the base); what a specification says
    of its image goes over `options`."""

    compression: Compression = GZIP
    layer_budget: int = DEFAULT_BUDGET
    options: ImageOptions = UNSAID

    def under(self, *levels: ImageOptions) -> ImageSettings:
        """The same with the options of further levels, each over those before it: namespace, environment."""
        options = self.options
        for level in levels:
            options = level.over(options)
        return replace(self, options=options)


@dataclass(frozen=True)
class RegistryAccess:
    """How to speak to registries: (user, password) by host, and the hosts that may speak plain HTTP.

    It goes to workers and nowhere else; what shows the value shows no credentials.
    """

    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    insecure: frozenset[str] = frozenset()
