"""One image layer for each package, made straight from the package store: nothing is installed.

Format: OCI image-spec 1.1, layer.md. A layer's bytes depend on its key's parts and on nothing else. Files keep
the time that the package gave them, because timestamp bytecode names the time of its source; what is generated
here has the package's own time. There are no hard links (they would not survive the border of a layer) and no
setuid bits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from conda_store.packages.contents import Contents, PlacedFile, Python
from conda_store.packages.relocation import relocate
from conda_store.pieces import bytecode
from conda_store.pieces.bytecode import Bytecode, plan_modules
from conda_store.pieces.compression import Compression
from conda_store.pieces.index import Piece, PieceIndex, piece_key
from conda_store.pieces.record import prefix_record
from conda_store.pieces.tar import Entry, directory_entries, file_entry
from conda_store.pieces.writer import store_tar
from conda_store.storage.base import Storage

FORMAT_VERSION = 1
PREFIX = "/opt/conda"


@dataclass(frozen=True)
class CompiledSet:
    """All bytecode of an environment at one prefix.

    `shared`: package key → pieces; `relocated`: package key → pyc target → bytes. `runnable` says whether this
    machine can run the platform; where it cannot, both are empty.
    """

    runnable: bool
    shared: Mapping[str, Bytecode] = field(default_factory=dict, repr=False)
    relocated: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict, repr=False)


class LayerMaker:
    """Makes and finds layers in `storage`, for packages at `PREFIX`."""

    def __init__(self, storage: Storage, compression: Compression) -> None:
        self.storage = storage
        self.compression = compression
        self.index = PieceIndex(storage, "layer")

    def key(self, group: Sequence[Contents], python: Python | None, runnable: bool) -> str:
        """Everything that the layer of the packages in `group` depends on."""
        parts = [f"layer-{FORMAT_VERSION}", self.compression.key, PREFIX]
        for package in group:
            parts += [package.kind, package.key]
            if python is not None and (package.noarch_python or package.kind == "wheel" or package.has_modules):
                parts += [python.short_version, python.site_packages]
            if python is not None and package.has_modules and runnable:
                parts += [python.sha256, f"bytecode-{bytecode.FORMAT_VERSION}"]
        return piece_key(*parts)

    def find(self, group: Sequence[Contents], python: Python | None, runnable: bool) -> Piece | None:
        """The layer of `group`, if it was made before."""
        return self.index.find(self.key(group, python, runnable))

    def make(self, groups: Sequence[Sequence[Contents]], python: Python | None, compiled: CompiledSet) -> list[Piece]:
        """Make the layer of every group; large ones first, so that the cores end together."""
        largest_first = sorted(groups, key=lambda group: -sum(package.size for package in group))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            pieces = list(pool.map(lambda group: self._make(group, python, compiled), largest_first))
        by_group = {id(group): piece for group, piece in zip(largest_first, pieces, strict=True)}
        return [by_group[id(group)] for group in groups]

    def _make(self, group: Sequence[Contents], python: Python | None, compiled: CompiledSet) -> Piece:
        entries: dict[str, Entry] = {}
        for package in group:
            # Within a group the later package wins, as a later layer would.
            entries.update((entry.path, entry) for entry in package_entries(package, python, compiled))
        mtime = max((package.timestamp for package in group), default=0)
        folders = directory_entries(entries, mtime)
        piece = store_tar([*folders, *entries.values()], self.storage, self.compression)
        self.index.remember(self.key(group, python, compiled.runnable), piece)
        return piece


def package_entries(package: Contents, python: Python | None, compiled: CompiledSet) -> Iterable[Entry]:
    """The entries of one package at `PREFIX`, folders aside."""
    stale = plan_modules(package, python).stale if python and package.has_modules else frozenset()
    for file in package.files:
        if file.target not in stale:
            yield image_entry(file)
    if package.kind == "conda":
        record = json.dumps(prefix_record(package), sort_keys=True, separators=(",", ":")).encode()
        yield file_entry(in_image(f"conda-meta/{package.stem}.json"), 0o644, package.timestamp, record)
    shared = compiled.shared.get(package.key, Bytecode(None))
    for target, size in shared.files:
        yield Entry(in_image(target), 0o644, package.timestamp, source=f"{shared.directory}/{target}", size=size)
    for target, data in compiled.relocated.get(package.key, {}).items():
        yield file_entry(in_image(target), 0o644, package.timestamp, data)


def image_entry(file: PlacedFile) -> Entry:
    """A package's file as it stands in an image."""
    path = in_image(file.target)
    if file.link_target is not None:
        return Entry(path, 0o777, file.mtime, link_target=file.link_target)
    if file.placeholder is not None:
        return file_entry(path, file.mode, file.mtime, relocate(file, PREFIX))
    return Entry(path, file.mode, file.mtime, source=file.source, size=file.size)


def in_image(target: str) -> str:
    """The path of a prefix's file in a layer: relative to the root."""
    return f"{PREFIX[1:]}/{target}"
