"""Where an image can be read from, and images that lie on disk: OCI layouts, as a directory or as a tar file.

`docker_archive.py` reads what `docker save` wrote, `remote.py` asks a registry. None of them trusts or checks
the bytes: whoever reads a blob compares it with its descriptor.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import tempfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Protocol

from conda_store.errors import BaseImageMissing, StorageFull
from conda_store.registry.layout import INDEX_FILE, LAYOUT_FILE
from conda_store.registry.manifests import DOCUMENT_BYTES, OCI_INDEX, Descriptor, ManifestInvalid
from conda_store.storage.base import digest_of

CHUNK_BYTES = 1024 * 1024
# An image has a few hundred members; a tar of millions would fill the memory with their names.
MEMBERS = 100_000
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Document:
    """An index or manifest and the descriptor of its bytes."""

    descriptor: Descriptor
    data: bytes


class ImageSource(ABC):
    """Where an image's parts come from; a context manager that holds files or connections open."""

    @abstractmethod
    def root(self) -> Document:
        """The index or manifest that the source's name stands for, already compared with a digest in that name."""

    @abstractmethod
    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of a manifest, configuration or layer, in chunks."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Members(Protocol):
    """Regular files by their relative posix path."""

    def names(self) -> frozenset[str]:
        """The paths at the top, at least those that tell what kind of image this is."""

    def open(self, name: str) -> BinaryIO:
        """The file `name`; raises `BaseImageMissing`."""

    def close(self) -> None:
        """Let go of what is open."""


class Readable(Protocol):
    """What has `read`: files, members of a tar, gzip streams."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


class LayoutSource(ImageSource):
    """An OCI layout; its root is index.json."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def root(self) -> Document:
        data = read_member(self._members, INDEX_FILE)
        return Document(Descriptor(OCI_INDEX, digest_of(data), len(data)), data)

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        name = f"blobs/sha256/{descriptor.digest.removeprefix('sha256:')}"
        with self._members.open(name) as stream:
            yield chunks(stream)

    def close(self) -> None:
        self._members.close()


class DirectoryMembers:
    """The files of a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def names(self) -> frozenset[str]:
        try:
            return frozenset(path.name for path in self._directory.iterdir())
        except OSError as error:
            raise BaseImageMissing(f"{self._directory} cannot be read: {error.strerror}.") from error

    def open(self, name: str) -> BinaryIO:
        path = self._directory / name
        try:
            # A named pipe would block for ever.
            if not stat.S_ISREG(path.stat().st_mode):
                raise BaseImageMissing(f"{path} is not a regular file.")
            return path.open("rb")
        except OSError as error:
            raise BaseImageMissing(f"{path} cannot be read: {error.strerror}.") from error

    def close(self) -> None:
        """Nothing stays open."""


class TarMembers:
    """The files of a tar file, plain or gzip, read by name: nothing is ever extracted to a path.

    A gzip file is unpacked into an anonymous temporary file first, at most `max_bytes` of it.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        with ExitStack() as stack:
            stream = stack.enter_context(_plain_tar(path, max_bytes))
            with self._reading():
                self._tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))
                self._infos = self._index()
            self._open = stack.pop_all()

    def names(self) -> frozenset[str]:
        return frozenset(self._infos)

    def open(self, name: str) -> BinaryIO:
        with self._reading():
            info = self._regular(name)
            stream = self._tar.extractfile(info) if info is not None else None
        if stream is None:
            raise BaseImageMissing(f"{self.path} holds no file {name!r}.")
        return stream  # type: ignore[return-value]  # typeshed says IO[bytes]

    def close(self) -> None:
        self._open.close()

    def _index(self) -> dict[str, tarfile.TarInfo]:
        infos: dict[str, tarfile.TarInfo] = {}
        for info in self._tar:
            infos[_normal(info.name)] = info
            if len(infos) > MEMBERS:
                raise BaseImageMissing(f"{self.path} has more than {MEMBERS:,} members and is not an image.")
        return infos

    def _regular(self, name: str) -> tarfile.TarInfo | None:
        """The file behind `name`; `docker save` writes a repeated layer as a link to the first one."""
        for _ in range(10):
            info = self._infos.get(_normal(name))
            if info is None or info.isreg():
                return info
            if info.issym():
                name = str(PurePosixPath(info.name).parent / info.linkname)
            elif info.islnk():
                name = info.linkname
        return None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (tarfile.TarError, EOFError, OSError, ValueError, RecursionError) as error:
            raise BaseImageMissing(f"{self.path} is not a readable tar file: {error}.") from error


def read_member(members: Members, name: str) -> bytes:
    """A small file; raises `ManifestInvalid` above 4 MiB."""
    with members.open(name) as stream:
        data = b"".join(chunks(stream, DOCUMENT_BYTES + 1))
    if len(data) > DOCUMENT_BYTES:
        raise ManifestInvalid(f"{name} is larger than {DOCUMENT_BYTES:,} bytes.")
    return data


def chunks(stream: Readable, limit: int | None = None) -> Iterator[bytes]:
    """The rest of `stream`, at most `limit` bytes of it; raises `BaseImageMissing` when it cannot be read."""
    left = limit
    while left is None or left > 0:
        try:
            chunk = stream.read(CHUNK_BYTES if left is None else min(left, CHUNK_BYTES))
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise BaseImageMissing(f"the image cannot be read to its end: {error}.") from error
        if not chunk:
            return
        left = None if left is None else left - len(chunk)
        yield chunk


def is_layout(members: Members) -> bool:
    """Whether this is an OCI layout (image-layout.md: the file oci-layout must be there)."""
    return {LAYOUT_FILE, INDEX_FILE} <= members.names()


@contextmanager
def _plain_tar(path: Path, max_bytes: int) -> Iterator[IO[bytes]]:
    try:
        stream = path.open("rb")
    except OSError as error:
        raise BaseImageMissing(f"{path} cannot be read: {error.strerror}.") from error
    with stream:
        magic = stream.read(4)
        stream.seek(0)
        if magic == ZSTD_MAGIC:
            raise BaseImageMissing(f"{path} is compressed with zstd: unpack it first (unzstd), or use gzip.")
        if magic[:2] != GZIP_MAGIC:
            yield stream
            return
        with tempfile.TemporaryFile() as plain:
            _unpack(stream, plain, path, max_bytes)
            yield plain


def _unpack(stream: BinaryIO, out: IO[bytes], path: Path, max_bytes: int) -> None:
    with gzip.GzipFile(fileobj=stream) as unpacked:
        for chunk in chunks(unpacked, max_bytes + 1):
            try:
                out.write(chunk)
            except OSError as error:
                raise StorageFull(
                    f"{path} cannot be unpacked into {tempfile.gettempdir()}: {error.strerror}. "
                    "Free some space there, or set TMPDIR to another directory."
                ) from error
    if out.tell() > max_bytes:
        raise BaseImageMissing(f"{path} unpacks to more than {max_bytes:,} bytes.")
    out.seek(0)


def _normal(name: str) -> str:
    """`./a/../b` as `b`: names are keys in a dictionary here, so `..` can lead nowhere."""
    return os.path.normpath(name).lstrip("/")
