"""The prefix of a build on this machine: in place where it is readable here, else its archive, fetched once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conda_store.client import Client, RunnableBuild, ServerBusy, ServerUnreachable
from conda_store.client.cache import EnvironmentCache
from conda_store.errors import BadInput
from conda_store_labextension.fetching import fetch


class Prefixes:
    """Finds prefixes; `roots` says how directories of the server are called here, None that none of them is here."""

    def __init__(self, roots: Mapping[str, str] | None, cache: EnvironmentCache) -> None:
        self.roots, self.cache = roots, cache

    def find_in_place(self, build: RunnableBuild) -> Path | None:
        """The build's own prefix, never the link to the current one; None when it is not here."""
        if self.roots is None or not build.prefix:
            return None
        prefix = self._here(Path(build.prefix))
        try:
            return prefix if (prefix / "conda-meta").is_dir() and any(kernel_files(prefix)) else None
        except OSError:
            return None

    def ensure(self, build: RunnableBuild, client: Client, token: str) -> Path:
        """The prefix, in place or fetched; two who want the same one fetch it once. Raises `CondaStoreError`."""
        found = self.find_in_place(build)
        if found:
            return found
        name = f"{build.namespace}/{build.environment}"
        try:
            tag = client.archive_tag(build.build_id)
        except (ServerUnreachable, ServerBusy):
            found = self.cache.recall(build.build_id, name)
            if found is None:
                raise
            return found
        return self.cache.find(tag) or fetch(client, token, self.cache, build.build_id, name)

    def _here(self, prefix: Path) -> Path:
        for there, here in sorted((self.roots or {}).items(), key=lambda pair: -len(pair[0])):
            if prefix.is_relative_to(there):
                return Path(here) / prefix.relative_to(there)
        return prefix


def kernel_files(prefix: Path) -> list[Path]:
    """The `kernel.json` of each kernel in a prefix, that of ipykernel first."""
    found = prefix.glob("share/jupyter/kernels/*/kernel.json")
    return sorted(found, key=lambda path: (path.parent.name != "python3", path.parent.name))


def read_kernel(prefix: Path, kernel: str, title: str) -> tuple[Path, dict[str, Any]]:
    """Directory and content of the specification of a kernel ("": the first). Raises `BadInput`."""
    for path in kernel_files(prefix):
        if kernel in ("", path.parent.name.lower()):
            try:
                said = json.loads(path.read_bytes())
                if isinstance(said["argv"], list) and said["argv"]:
                    return path.parent, said
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise BadInput(f"The kernel in {path} cannot be read: {error}.") from error
    wanted = f"no kernel '{kernel}'" if kernel else "no kernel"
    raise BadInput(f"{title} holds {wanted}: add one to its dependencies, such as ipykernel.")
