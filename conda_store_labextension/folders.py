"""The file browser's folders as directories of this machine, and new files in them, whole or not at all. No HTTP."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from jupyter_core.utils import ensure_async
from jupyter_server.services.contents.fileio import FileManagerMixin
from tornado.web import HTTPError

from conda_store.errors import BadInput, CondaStoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)
# What stands behind the number of a second file of one name: `course (1).tar.gz`.
_ENDING = re.compile(r"(.+?)((?:\.tar|\.spdx)?\.[^.]*)?", re.DOTALL)


class FolderRefused(BadInput):
    """A folder into which nothing is saved."""

    code = "folder_refused"


class FolderNotFound(CondaStoreError):
    """There is no such folder."""

    status = 404
    code = "folder_not_found"


class FolderElsewhere(CondaStoreError):
    """The file browser shows something else than a directory of this machine."""

    status = 501
    code = "folder_elsewhere"


class FolderFull(CondaStoreError):
    """There is no room left."""

    status = 507
    code = "storage_full"


async def folder_of(contents: Any, folder: str) -> Path:
    """The directory behind a folder of the file browser. Raises `CondaStoreError` for one that it does not show."""
    if not isinstance(contents, FileManagerMixin):
        raise FolderElsewhere(
            f"This Jupyter server keeps its files elsewhere ({type(contents).__name__}), where conda-store cannot save "
            "anything: download it with the browser instead."
        )
    manager: Any = contents
    shown = folder.strip("/")
    try:
        if not manager.allow_hidden and await ensure_async(manager.is_hidden(shown)):
            raise FolderRefused(f"'{shown}' is hidden from the file browser: nothing is saved there.")
        return await asyncio.to_thread(_directory, manager, shown)
    except (HTTPError, ValueError):
        raise FolderRefused(f"'{shown}' is not a folder below the one that the file browser shows.") from None


def _directory(manager: Any, shown: str) -> Path:
    path = Path(manager._get_os_path(shown))
    if not path.resolve().is_relative_to(Path(manager.root_dir).resolve()):
        raise FolderRefused(f"'{shown}' is a link that leads out of the folder which the file browser shows.")
    if not path.is_dir():
        raise FolderNotFound(f"There is no folder '{shown}'.")
    return path


def file_name(name: str) -> str:
    """A name that a new file may have. Raises `BadInput`."""
    if not name.isprintable() or any(one in name for one in "/\\") or name.startswith(".") or not name.strip():
        raise BadInput("A file's name is printable, has no slash in it and no dot in front: choose another one.")
    return name


class NewFile:
    """Bytes in a hidden file, which gets its name when all of them are there."""

    def __init__(self, part: Path, file: BinaryIO) -> None:
        self._part, self._file = part, file
        self.size = 0

    async def write(self, chunk: bytes) -> None:
        """Append; the disk is waited for in a thread."""
        with _explained(self._part.parent):
            await asyncio.to_thread(self._file.write, chunk)
        self.size += len(chunk)

    async def keep(self, name: str) -> Path:
        """Give it this name, or `name (1)` where that is taken. Raises `CondaStoreError`."""
        with _explained(self._part.parent):
            return await asyncio.to_thread(self._keep, name)

    def _keep(self, name: str) -> Path:
        self._file.flush()
        os.fsync(self._file.fileno())
        for one in _numbered(name):
            path = self._part.with_name(one)
            try:
                path.touch(exist_ok=False)  # nobody else has the name from now on
            except FileExistsError:
                continue
            try:
                return self._part.replace(path)
            except OSError:
                path.unlink(missing_ok=True)
                raise
        raise AssertionError("there are more numbers than files")


@asynccontextmanager
async def new_file(folder: Path) -> AsyncIterator[NewFile]:
    """A file to be written in `folder`; what was not kept leaves nothing behind. Raises `CondaStoreError`."""
    part = folder / f".conda-store-{secrets.token_hex(8)}.part"
    try:
        with _explained(folder):
            file = await asyncio.to_thread(part.open, "xb", buffering=0)
        with file:
            yield NewFile(part, file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise FolderFull("No room is left in the file browser's folder: nothing of the file was kept.") from error
        raise FolderRefused(f"Nothing can be saved in '{folder.name}': {error.strerror or error}.") from error


def _numbered(name: str) -> Iterator[str]:
    yield name
    found = _ENDING.fullmatch(name)
    stem, ending = (found[1], found[2] or "") if found else (name, "")
    for number in range(1, 10_000):
        yield f"{stem} ({number}){ending}"
