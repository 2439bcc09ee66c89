"""The package store: every conda package downloaded, checked and unpacked once, by the digest of its archive.

    <root>/ab/<sha256>/package/      the unpacked package; files there have no write permission
    <root>/ab/<sha256>/summary.json, files.json   what `contents.describe` found in it

rattler's own cache is keyed by name, version and build, and it links before anyone can look: so packages are
unpacked here, and rattler is shown a folder of symlinks (`packages/installer.py`). The archive itself is
not kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from rattler import Client
from rattler.package_streaming import download_to_writer, extract

from conda_store.errors import DigestMismatch, FetchFailed, PackageRefused, StorageFull
from conda_store.packages.archives import UnpackLimits, scan_archive
from conda_store.packages.check import check_identity, check_package, check_record, check_summary
from conda_store.packages.contents import Contents, Python, describe, place
from conda_store.packages.gate import ChannelGate
from conda_store.packages.locked import CondaPackage
from conda_store.storage.scratch import exclusive, scratch_directory
from conda_store.storage.uses import use

PARALLEL_DOWNLOADS = 8


class FetchProgress(Protocol):
    """Is told of every package that had to be fetched, and of bytes as they arrive."""

    def __call__(self, package: CondaPackage, received_bytes: int, done: bool) -> None: ...


@dataclass(frozen=True)
class StoredPackage:
    """An unpacked package: its directory, and its summary as `contents.describe` wrote it."""

    package: CondaPackage
    directory: Path
    summary: Mapping[str, Any] = field(repr=False)

    def contents(self, python: Python | None) -> Contents:
        """The package's files in a prefix with `python`."""
        return place(self.summary, self._rows, self.directory, self.package.sha256, python)

    def _rows(self) -> list[list[Any]]:
        rows: list[list[Any]] = json.loads((self.directory.parent / "files.json").read_bytes())
        return rows


class PackageStore:
    """Unpacked conda packages below `root`; safe for many threads and processes at once.

    `check_url` is called with every URL before it is requested and raises to forbid it.
    `max_package_bytes` bounds one archive; `gate` is asked for it.
    """

    def __init__(
        self,
        root: Path,
        *,
        check_url: Callable[[str], object] | None = None,
        limits: UnpackLimits | None = None,
        max_package_bytes: int = 8 << 30,
        gate: ChannelGate | None = None,
    ) -> None:
        self.gate = gate
        self.root = root
        self.scratch = root / "tmp"
        self.check_url = check_url
        self.limits = limits or UnpackLimits()
        self.max_package_bytes = max_package_bytes

    def directory(self, package: CondaPackage) -> Path:
        """Where `package` stands once it is unpacked."""
        return self.root / package.sha256[:2] / package.sha256 / "package"

    def missing(self, packages: Iterable[CondaPackage]) -> list[CondaPackage]:
        """Those of `packages` that are not yet here."""
        return [package for package in packages if not use(self.root, self.directory(package).parent)]

    def ensure(
        self, packages: Iterable[CondaPackage], progress: FetchProgress | None = None
    ) -> dict[CondaPackage, StoredPackage]:
        """Fetch what is missing, and return all of `packages` unpacked.

        Raises `FetchFailed`, `DigestMismatch` and `PackageRefused`, each naming the package; what was
        fetched before stays.
        """
        wanted = list(dict.fromkeys(packages))
        missing = self.missing(wanted)
        if missing:
            with ThreadPoolExecutor(min(PARALLEL_DOWNLOADS, len(missing))) as pool:
                futures = [pool.submit(self._fetch, package, progress) for package in missing]
                try:
                    for future in futures:
                        future.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        return {package: self.stored(package) for package in wanted}

    def stored(self, package: CondaPackage) -> StoredPackage:
        """The stored package, read from its summary."""
        directory = self.directory(package)
        summary = json.loads((directory.parent / "summary.json").read_bytes())
        check_identity(summary["index"], package)
        return StoredPackage(package, directory, summary)

    def _fetch(self, package: CondaPackage, progress: FetchProgress | None) -> None:
        final = self.directory(package).parent
        with exclusive(self.root / "locks" / f"{package.sha256[:3]}.lock"):
            if use(self.root, final):
                return
            try:
                with scratch_directory(self.scratch) as scratch:
                    self._unpack(package, scratch, progress)
                    final.parent.mkdir(parents=True, exist_ok=True)
                    (scratch / "whole").rename(final)
            except OSError as error:
                raise StorageFull(f"{package}: the package store {self.root} cannot be written: {error}") from error
        if progress:
            progress(package, package.size or 0, True)

    def _unpack(self, package: CondaPackage, scratch: Path, progress: FetchProgress | None) -> None:
        archive = self._archive(package, scratch, progress)
        scan_archive(archive, package.stem, self.limits)
        whole = scratch / "whole"
        directory = whole / "package"
        whole.mkdir()
        try:
            extract(archive, directory)
        except Exception as error:
            raise PackageRefused(f"{package}: the archive cannot be unpacked: {str(error)[:300]}") from error
        check_package(directory, package)
        summary, rows = describe(directory, package.stem)
        check_record(directory, package.stem)
        check_identity(summary["index"], package)
        check_summary(summary, rows, package)
        (whole / "summary.json").write_text(json.dumps(summary, separators=(",", ":")))
        (whole / "files.json").write_text(json.dumps(rows, separators=(",", ":")))
        write_protect(directory)

    def _archive(self, package: CondaPackage, scratch: Path, progress: FetchProgress | None) -> Path:
        if self.check_url:
            self.check_url(package.url)
        target = scratch / package.file_name
        writer = _Writer(package, target, self.max_package_bytes, progress)
        with writer:
            parts = urlsplit(package.url)
            if parts.scheme == "file":
                writer.copy(Path(unquote(parts.path)))
            else:
                _download(package, writer, self.gate)
        writer.verify()
        return target


def write_protect(directory: Path) -> None:
    """Take write permission from every file below `directory`: prefixes will share these files by hard link."""
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118  tens of thousands of files
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and mode & 0o7222:
                os.chmod(path, stat.S_IMODE(mode) & 0o555)  # noqa: PTH101


class _Writer:
    """Takes the archive's bytes: counts, digests, stores, and stops at the limit."""

    def __init__(self, package: CondaPackage, target: Path, limit: int, progress: FetchProgress | None) -> None:
        self.package, self.target, self.limit, self.progress = package, target, limit, progress
        self.place = target.parent.parent
        self.digest = hashlib.sha256()
        self.received = 0

    def __enter__(self) -> None:
        self.stream = self.target.open("wb", buffering=0)

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def write(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > self.limit:
            raise PackageRefused(f"{self.package}: the archive is larger than {self.limit:,} bytes.")
        self.digest.update(data)
        rest = memoryview(data)
        try:
            while rest:
                # The last bytes of a disk are written without an error: only the next ones get it.
                rest = rest[self.stream.write(rest) :]
        except OSError as error:
            # Said here, since whoever reads on the other side would blame the channel.
            raise StorageFull(f"{self.package}: {self.place} cannot be written: {error.strerror}.") from error
        if self.progress:
            self.progress(self.package, self.received, False)

    def copy(self, source: Path) -> None:
        try:
            with source.open("rb") as stream:
                shutil.copyfileobj(stream, self, 1 << 20)
        except OSError as error:
            raise FetchFailed(f"{self.package}: {source} cannot be read: {error.strerror}.") from error

    def verify(self) -> None:
        if self.digest.hexdigest() != self.package.sha256:
            raise DigestMismatch(
                f"{self.package}: the channel sent {self.received:,} bytes with sha256 {self.digest.hexdigest()}, "
                f"the lock asks for {self.package.sha256}. The package was replaced or damaged on the way; "
                "lock the environment again, or ask the channel's owner."
            )


def _download(package: CondaPackage, writer: _Writer, gate: ChannelGate | None) -> None:
    client = (gate.client([package.url]) if gate else None) or Client.default_client()
    try:
        asyncio.run(download_to_writer(client, package.url, writer))
    except (PackageRefused, StorageFull):
        raise
    except Exception as error:
        if gate and package.url in gate.refused:
            raise gate.refused.pop(package.url) from None
        words = gate.plain(str(error)) if gate else str(error)
        raise FetchFailed(f"{package}: the package could not be downloaded: {words}") from None
