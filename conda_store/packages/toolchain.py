"""A python to run, for each python package: itself and its dependencies, linked once, apart from any environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from conda_store.packages.contents import Python
from conda_store.packages.fetch import StoredPackage
from conda_store.packages.installer import install
from conda_store.packages.locked import CondaPackage
from conda_store.storage.scratch import exclusive, scratch_directory
from conda_store.storage.uses import use


class Toolchains:
    """Pythons below `root`, by the digest of their package (the first 16 digits: their paths must stay short)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def interpreter(self, stored: Mapping[CondaPackage, StoredPackage], python: Python, platform: str) -> Path:
        """A runnable python of the package `python.sha256`, which is one of `stored`, as are its dependencies."""
        final = self.root / python.sha256[:16]
        with exclusive(self.root / "locks" / f"{python.sha256[:3]}.lock"):
            if not use(self.root, final):
                with scratch_directory(self.root / "tmp") as scratch:
                    (scratch / "view").mkdir()
                    chosen = _with_dependencies(stored, python)
                    install(chosen, scratch / "prefix", final, platform, scratch / "view")
                    (scratch / "prefix").rename(final)
        return final / python.executable


def _with_dependencies(stored: Mapping[CondaPackage, StoredPackage], python: Python) -> list[StoredPackage]:
    by_name = {item.package.name: item for item in stored.values()}
    waiting = [item.package.name for item in stored.values() if item.package.sha256 == python.sha256]
    found: dict[str, StoredPackage] = {}
    while waiting:
        name = waiting.pop()
        # A noarch python package (pip, say) that python names as a dependency is no part of running it.
        if name in found or name not in by_name or by_name[name].summary["index"].get("noarch") == "python":
            continue
        found[name] = by_name[name]
        waiting += [str(spec).split()[0] for spec in found[name].summary["index"].get("depends", [])]
    return list(found.values())
