"""Two tiny images that the real server serves, and requests to it that no client library puts right beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from conda_store.db.orm import ManifestRow
from conda_store.registry.manifests import LAYER_GZIP, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Descriptor, canonical_json
from tests.invented_images import image_config, layer_tar, sha256
from tests.registry_house import admit
from tests.server import Server, running

NAME, SEVERAL, UNTAGGED = "default/science", "default/several", "default/untagged"
#: In the order of their bytes.
TAGS = ["1", "583dd551-1", "B-1", "Z.z_z-z", "_x", "k-1", "latest", "z" * 128]

LAYER = layer_tar(hello="world")
CONFIG = image_config([LAYER])
IMAGE = canonical_json(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor(OCI_CONFIG, sha256(CONFIG), len(CONFIG)).as_dict(),
        "layers": [Descriptor(LAYER_GZIP, sha256(LAYER), len(LAYER)).as_dict()],
    }
)
IMAGE_DESCRIPTOR = Descriptor(OCI_MANIFEST, sha256(IMAGE), len(IMAGE))
INDEX = canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [IMAGE_DESCRIPTOR.as_dict()]})


@dataclass(frozen=True)
class Registry:
    """The registry of a real server."""

    server: Server
    client: httpx.Client

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> httpx.Response:
        """One request for `/v2/<path>`, whose text goes over the wire as it is."""
        target = {"target": f"/v2/{path}".encode()}
        return self.client.request(method, self.server.root, headers=headers, content=body or None, extensions=target)


@contextmanager
def specified_registry(directory: Path) -> Iterator[Registry]:
    """Serve both images, and a repository that has content and no tag."""
    with running(directory) as server, httpx.Client(trust_env=False, timeout=30) as client:
        for data in (LAYER, CONFIG, IMAGE, INDEX):
            server.storage.put_blob(data)
        database = server.app.database
        admit(database, server.storage, NAME, IMAGE_DESCRIPTOR, TAGS)
        admit(database, server.storage, SEVERAL, Descriptor(OCI_INDEX, sha256(INDEX), len(INDEX)), ["latest"])
        with database.write() as session:
            session.add(ManifestRow(repository=UNTAGGED, digest=sha256(LAYER), media_type="", size=len(LAYER)))
        yield Registry(server, client)
