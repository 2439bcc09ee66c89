"""Fetching what refers to an image, as clients of a registry do it, every digest and size checked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx

from conda_store.builds.workshop import Workshop
from conda_store.executors.local import LocalExecutor
from conda_store.registry.manifests import OCI_INDEX, OCI_MANIFEST
from tests.jobs import SHARED
from tests.server import Server
from tests.test_rest_streams import follow

SPDX = "application/spdx+json"
LOCKFILE = "application/vnd.conda.lock.v1+yaml"
SMALL = "name: {name}\ndependencies: [python, six]\n"


def beside(workshop: Workshop, directory: Path) -> Path:
    """A server's directory whose store shares with all tests what is expensive to make."""
    (directory / "store").mkdir()
    for name in SHARED:
        (workshop.directory / name).mkdir(exist_ok=True)
        (directory / "store" / name).symlink_to(workshop.directory / name)
    return directory


def building(sample_channel: Path) -> dict[str, Any]:
    """Options of a server that builds, and makes nothing but images at once."""
    channel = sample_channel.as_uri()
    made = {"build_artifacts": ["DOCKER_MANIFEST"], "ImageBuilder__base_image": "scratch"}
    return {"executor_class": LocalExecutor, "default_channels": [channel], "allowed_channels": [channel], **made}


def built(server: Server, name: str, text: str = SMALL, **more: Any) -> str:
    """The digest of the image of a new build of `default/<name>`."""
    follow(server, server.submit(name, text=text, **more))
    return digest_of(server, f"default/{name}")


def registry(server: Server, path: str, **options: Any) -> httpx.Response:
    """What the registry answers."""
    return httpx.get(f"{server.root}/v2/{path}", timeout=120, **options)


def digest_of(server: Server, name: str, tag: str = "latest") -> str:
    """What a tag means now."""
    answer = registry(server, f"{name}/manifests/{tag}")
    assert answer.status_code == 200, answer.text
    return answer.headers["Docker-Content-Digest"]


def referrers(server: Server, name: str, digest: str, query: str = "") -> dict[str, dict[str, Any]]:
    """The descriptors that are listed, by artifact type."""
    answer = registry(server, f"{name}/referrers/{digest}{query}")
    assert answer.status_code == 200, answer.text
    # oras looks at nothing else to see that a registry knows referrers.
    assert answer.headers["Content-Type"] == OCI_INDEX
    index = answer.json()
    assert (index["schemaVersion"], index["mediaType"]) == (2, OCI_INDEX)
    return {descriptor["artifactType"]: descriptor for descriptor in index["manifests"]}


def manifest_of(server: Server, name: str, descriptor: dict[str, Any]) -> dict[str, Any]:
    """The manifest that a descriptor names."""
    answer = registry(server, f"{name}/manifests/{descriptor['digest']}")
    assert answer.headers["Content-Type"] == descriptor["mediaType"] == OCI_MANIFEST
    check_bytes(answer.content, descriptor)
    return answer.json()


def documents(server: Server, name: str, digest: str) -> dict[str, bytes]:
    """The files that refer to an image, by artifact type."""
    found = {}
    for kind, descriptor in referrers(server, name, digest).items():
        (layer,) = manifest_of(server, name, descriptor)["layers"]
        found[kind] = registry(server, f"{name}/blobs/{layer['digest']}").content
        check_bytes(found[kind], layer)
    return found


def check_bytes(data: bytes, descriptor: dict[str, Any]) -> None:
    """Bytes are what a descriptor says."""
    assert (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") == (descriptor["size"], descriptor["digest"])
