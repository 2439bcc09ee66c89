"""One archive member for each package: a compressed tar without its end marker.

gzip members (RFC 1952, 2.2) and zstd frames (RFC 8878, 3.1) may be concatenated, so an archive is a list of
these and a last one, with the marker. Files keep the package's own placeholder, for `conda-unpack` to replace.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from conda_store.packages.contents import Contents, PlacedFile, Python
from conda_store.packages.relocation import portable_script
from conda_store.pieces import bytecode
from conda_store.pieces.bytecode import Bytecode, plan_modules
from conda_store.pieces.compression import Compression
from conda_store.pieces.index import Piece, PieceIndex, piece_key
from conda_store.pieces.tar import Entry, file_entry
from conda_store.pieces.writer import store_tar
from conda_store.storage.base import Storage

FORMAT_VERSION = 1


class MemberMaker:
    """Makes and finds members in `storage`."""

    def __init__(self, storage: Storage, compression: Compression) -> None:
        self.storage = storage
        self.compression = compression
        self.index = PieceIndex(storage, "member")

    def key(self, package: Contents, python: Python | None, runnable: bool, lost: frozenset[str]) -> str:
        """Everything that the member of `package` without the paths in `lost` depends on."""
        parts = [f"member-{FORMAT_VERSION}", self.compression.key, package.kind, package.key, *sorted(lost)]
        if python is not None:
            parts += [python.short_version, python.site_packages]
            if package.has_modules and runnable:
                parts += [python.sha256, f"bytecode-{bytecode.FORMAT_VERSION}"]
        return piece_key(*parts)

    def find(self, package: Contents, python: Python | None, runnable: bool, lost: frozenset[str]) -> Piece | None:
        """The member of `package`, if it was made before."""
        return self.index.find(self.key(package, python, runnable, lost))

    def make(
        self,
        packages: Sequence[tuple[Contents, frozenset[str]]],
        python: Python | None,
        shared: Mapping[str, Bytecode],
        runnable: bool,
    ) -> dict[str, Piece]:
        """Make the members of `(package, lost paths)`; package key → piece."""

        def make_one(item: tuple[Contents, frozenset[str]]) -> tuple[str, Piece]:
            package, lost = item
            entries = member_entries(package, python, shared.get(package.key, Bytecode(None)), lost)
            piece = store_tar(entries, self.storage, self.compression, end=False)
            self.index.remember(self.key(package, python, runnable, lost), piece)
            return package.key, piece

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return dict(pool.map(make_one, sorted(packages, key=lambda item: -item[0].size)))


def member_entries(
    package: Contents, python: Python | None, compiled: Bytecode, lost: frozenset[str]
) -> Iterable[Entry]:
    """The entries of `package` in an archive, without the paths that another package wins."""
    stale = plan_modules(package, python).stale if python and package.has_modules else frozenset()
    for file in package.files:
        if file.target not in lost and file.target not in stale:
            yield _entry(file)
    for target, size in compiled.files:
        if target not in lost:
            yield Entry(target, 0o644, package.timestamp, source=f"{compiled.directory}/{target}", size=size)


def unpack_record(file: PlacedFile) -> tuple[str, str, str] | None:
    """What `conda-unpack` has to replace in `file`: (path, placeholder, "text" or "binary"), or None."""
    if file.placeholder is None or file.file_mode is None or _portable(file) is not None:
        return None
    return file.target, file.placeholder, file.file_mode


def _portable(file: PlacedFile) -> bytes | None:
    if file.placeholder is None or file.file_mode != "text" or not file.target.startswith("bin/"):
        return None
    return portable_script(file.read(), file.placeholder)


def _entry(file: PlacedFile) -> Entry:
    if file.link_target is not None:
        return Entry(file.target, 0o777, file.mtime, link_target=file.link_target)
    data = _portable(file)
    if data is None and file.source is None:
        data = file.read()
    if data is not None:
        return file_entry(file.target, file.mode, file.mtime, data)
    return Entry(file.target, file.mode, file.mtime, source=file.source, size=file.size)
