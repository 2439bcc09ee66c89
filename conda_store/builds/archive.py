"""The portable archive: known members one after another, and a last one that conda-pack writes.

Format: what conda-pack makes: a tar with the files at its root, `bin/activate`, `bin/deactivate`, `bin/conda-unpack`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from conda_pack.core import Packer
from conda_pack.formats import ArchiveBase

from conda_store.packages.contents import Python
from conda_store.packages.locked import CondaPackage
from conda_store.packages.ownership import Ownership
from conda_store.pieces.bytecode import Bytecode
from conda_store.pieces.compression import Compression
from conda_store.pieces.environment import environment_files
from conda_store.pieces.member import MemberMaker, unpack_record
from conda_store.pieces.record import prefix_record
from conda_store.pieces.tar import Entry, file_entry
from conda_store.pieces.writer import store_tar
from conda_store.specification import Specification
from conda_store.storage.base import Storage, blob_key
from conda_store.storage.scratch import scratch_directory, sweep


@dataclass(frozen=True)
class Archive:
    """An archive as the list of its blobs, in order. `made` counts the members that had to be made."""

    parts: tuple[tuple[str, int], ...]
    made: int

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return sum(size for _, size in self.parts)

    @property
    def etag(self) -> str:
        """A strong validator (RFC 9110, 8.8.3): equal lists are equal archives."""
        listing = "\n".join(digest for digest, _ in self.parts)
        return f'"{hashlib.sha256(listing.encode()).hexdigest()}"'

    def write(self, storage: Storage, path: Path) -> None:
        """Write the whole archive to `path`, which appears when it is whole."""
        beside = path.absolute().parent / f".{path.name}.conda-store"
        sweep(beside)
        with scratch_directory(beside) as scratch:
            whole = scratch / "archive"
            with whole.open("wb", buffering=0) as target:
                for digest, _ in self.parts:
                    _append(storage, digest, target.fileno())
            whole.replace(path)
        with suppress(OSError):
            beside.rmdir()


class ArchiveMaker:
    """Arranges archives of one compression in `storage`."""

    def __init__(self, storage: Storage, compression: Compression) -> None:
        self.storage = storage
        self.compression = compression
        self.members = MemberMaker(storage, compression)

    def make(
        self,
        specification: Specification,
        ownership: Ownership,
        python: Python | None,
        origins: Mapping[str, CondaPackage],
        *,
        runnable: bool,
        compile_shared: Callable[[], Mapping[str, Bytecode]],
    ) -> Archive:
        """The archive of the packages in `ownership`; `origins` maps keys to the lock's conda packages.

        `compile_shared` gives all bytecode pieces and is called when a member has to be made.
        """
        wanted = [(package, ownership.lost_by(package.key)) for package in ownership.order]
        pieces = {package.key: self.members.find(package, python, runnable, lost) for package, lost in wanted}
        missing = [item for item in wanted if pieces[item[0].key] is None]
        if missing:
            pieces |= self.members.make(missing, python, compile_shared(), runnable)
        # In dependency order, winners last, as rattler links them.
        parts = [(piece.digest, piece.size) for package, _ in wanted if (piece := pieces[package.key])]
        last = store_tar(self._last_entries(specification, ownership, origins), self.storage, self.compression)
        return Archive((*parts, (last.digest, last.size)), len(missing))

    def _last_entries(
        self, specification: Specification, ownership: Ownership, origins: Mapping[str, CondaPackage]
    ) -> list[Entry]:
        collected = _Collected()
        packer = Packer("/conda-store", collected)  # type: ignore[no-untyped-call]
        packer.prefixes = sorted(_unpack_records(ownership))
        packer.finish()  # type: ignore[no-untyped-call]
        for package in ownership.order:
            if origin := origins.get(package.key):
                record = prefix_record(package, url=origin.url, channel=origin.channel)
                # Not indented: only then is it written by C, and seventy packages have twenty thousand files.
                text = json.dumps(record, sort_keys=True)
                collected.add_text(f"conda-meta/{package.stem}.json", text.encode())
        for target, data in environment_files(specification).items():
            collected.add_text(target, data)
        return collected.entries


def _unpack_records(ownership: Ownership) -> list[tuple[str, str, str]]:
    records = []
    for package in ownership.order:
        lost = ownership.lost_by(package.key)
        for file in package.files:
            if file.target not in lost and (record := unpack_record(file)):
                records.append(record)
    return records


class _Collected(ArchiveBase):
    """Takes what conda-pack adds, as entries without a time: an archive is a function of its inputs."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, source: str, target: str) -> None:
        mode = os.stat(source).st_mode  # noqa: PTH116  conda-pack hands out strings
        executable = 0o755 if mode & 0o111 else 0o644
        self.entries.append(file_entry(target, executable, 0, Path(source).read_bytes()))

    def add_bytes(self, source: str, sourcebytes: bytes, target: str) -> None:
        self.add_text(target, sourcebytes)

    def add_text(self, target: str, data: bytes) -> None:
        self.entries.append(file_entry(target, 0o644, 0, data))


def _append(storage: Storage, digest: str, target: int) -> None:
    with storage.open(blob_key(digest)) as stream:
        while os.sendfile(target, stream.fileno(), None, 1 << 30):
            pass
