"""Who owns a path that several packages bring.

In a prefix, rattler's winner is the last owner in dependency order, and wheels come after all conda packages.
Prefix, archive and image follow this one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from conda_store.packages.contents import Contents, PlacedFile


@dataclass(frozen=True)
class Ownership:
    """`order`: packages, winners last. `shared`: path → its owners' keys in that order, for paths with several."""

    order: tuple[Contents, ...]
    shared: Mapping[str, tuple[str, ...]] = field(repr=False)

    def winner(self, path: str) -> str:
        """The key of the package whose file stands at a shared `path`."""
        return self.shared[path][-1]

    def lost_by(self, key: str) -> frozenset[str]:
        """Paths that the package `key` brings and another wins."""
        return frozenset(path for path, keys in self.shared.items() if key in keys and keys[-1] != key)


def settle(order: Sequence[Contents]) -> Ownership:
    """Find the paths that several packages of `order` bring."""
    seen: set[str] = set()
    twice: set[str] = set()
    for package in order:
        twice.update(seen.intersection(package.paths))
        seen.update(package.paths)
    shared: dict[str, list[str]] = {path: [] for path in sorted(twice)}
    for package in order if twice else ():
        for path in twice.intersection(package.paths):
            shared[path].append(package.key)
    return Ownership(tuple(order), {path: tuple(keys) for path, keys in shared.items()})


def file_at(package: Contents, path: str) -> PlacedFile:
    """The file that `package` brings for `path`; raises KeyError."""
    for file in package.files:
        if file.target == path:
            return file
    raise KeyError(path)
