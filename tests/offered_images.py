"""The real application with images of two platforms, which the engine made, for clients to pull."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conda_store.builds.workshop import Workshop
from conda_store.demo.base_image import make_base_image
from conda_store.registry.manifests import OCI_INDEX, Descriptor, canonical_json
from conda_store.storage.base import blob_key
from tests.conftest import CACHE
from tests.engine import run_build
from tests.registry_house import admit
from tests.server import Server, running


@dataclass(frozen=True)
class Offer:
    """An image that a server offers. `names` says what each digest is; `configs` and `layers` (the lowest first) are
    digests by architecture."""

    repository: str
    index: Descriptor
    names: dict[str, str]
    configs: dict[str, str]
    layers: dict[str, list[str]]

    def told(self, lines: list[str]) -> tuple[list[str], list[str]]:
        """Lines of the access log with `<what>` for a digest: in their order, and those for blobs apart and sorted,
        since clients fetch several at once."""
        told = [self._told(line) for line in lines]
        return [line for line in told if "blobs/" not in line], sorted(line for line in told if "blobs/" in line)

    def of_blobs(self, architecture: str, layers: Iterable[str]) -> list[str]:
        """What `told` says of the config and these layers when each is fetched once."""
        digests = [*layers, self.configs[architecture]]
        return sorted(f"GET blobs/<{self.names[digest]}>" for digest in digests)

    def _told(self, line: str) -> str:
        line = line.replace(f"/v2/{self.repository}/", "")
        for digest, name in self.names.items():
            line = line.replace(digest, f"<{name}>")
        return line.removesuffix(" 200")


def make_index(workshop: Workshop, source: str, base_image: str, directory: Path) -> Descriptor:
    """An index over an image for this machine and one for another."""
    foreign = make_base_image(CACHE / "base-image-aarch64", "linux-aarch64")
    result = run_build(
        workshop,
        source,
        oci=directory / "oci",
        base_images={"linux-64": base_image, "linux-aarch64": f"oci:{foreign}"},
        platforms=("linux-64", "linux-aarch64"),
    )
    manifests = [image.descriptor.as_dict() for image in sorted(result.images, key=lambda image: image.platform)]
    document = canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})
    return Descriptor(OCI_INDEX, workshop.storage.put_blob(document), len(document))


@contextmanager
def serving_store(workshop: Workshop, directory: Path, **options: Any) -> Iterator[Server]:
    """The application over the store of a workshop; `options` are those of `CondaStore`, or `Class__option`."""
    (directory / "store").symlink_to(workshop.directory)
    with running(directory, **options) as server:
        yield server


def offer(server: Server, workshop: Workshop, repository: str, index: Descriptor) -> Offer:
    """Let `server` have an image under a name, with the tag `latest`."""
    admit(server.app.database, workshop.storage, repository, index, ["latest"])
    names, configs, layers = {index.digest: "index"}, {}, {}
    for entry in _document(workshop, index.digest)["manifests"]:
        architecture, digest = entry["platform"]["architecture"], entry["digest"]
        manifest = _document(workshop, digest)
        configs[architecture] = manifest["config"]["digest"]
        layers[architecture] = [layer["digest"] for layer in manifest["layers"]]
        names |= {digest: architecture, configs[architecture]: f"config for {architecture}"}
        for number, layer in enumerate(layers[architecture]):
            # The environment's own layer is the same for all platforms.
            names.setdefault(layer, f"layer {number} for {architecture}")
    return Offer(repository, index, names, configs, layers)


def _document(workshop: Workshop, digest: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(workshop.storage.get(blob_key(digest)))
    return found
