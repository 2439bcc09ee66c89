"""What is said about an image in the registry beside it: its lockfile and its bill of materials."""

from __future__ import annotations

from conda_store.builds import sbom
from conda_store.builds.lockfile import lockfile_text
from conda_store.packages.locked import Lock
from conda_store.registry.referrers import Document
from conda_store.specification import Specification

# No name is registered. This one is formed as those of conda packages in registries (`application/vnd.conda.info.v1…`)
# and of pixi's lockfiles (`application/vnd.pixi.lock.v1+yaml`); 1 is the version of conda-lock's format.
LOCKFILE_MEDIA_TYPE = "application/vnd.conda.lock.v1+yaml"


def image_documents(specification: Specification, lock: Lock, bill_of_materials: bytes) -> tuple[Document, ...]:
    """The documents about every image of a lock."""
    name = specification.name
    lockfile = lockfile_text(lock, specification).encode()
    return (
        Document(LOCKFILE_MEDIA_TYPE, "conda-lock.yml", f"Lockfile of {name}, in conda-lock's format", lockfile),
        Document(sbom.MEDIA_TYPE, "sbom.spdx.json", f"Bill of materials of {name}, SPDX 2.3", bill_of_materials),
    )
