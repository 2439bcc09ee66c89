"""A file on its way from a server to a path: resumed where it broke off, there whole or not at all. No HTTP here."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from conda_store.client.answers import AnswerUnreadable
from conda_store.errors import BadInput, CondaStoreError, StorageFull

#: Told after every chunk: bytes so far, and bytes in all where the server says.
Report = Callable[[int, int | None], None]


class Download:
    """Bytes in a temporary file beside the target; `received` of them, of the version `etag`."""

    def __init__(self, file: BinaryIO, report: Report | None = None) -> None:
        self.file, self.report = file, report
        self.received = 0
        self.etag: str | None = None

    def headers(self) -> dict[str, str]:
        """What to ask for: the rest of the same version, or everything (RFC 9110, 13.1.5 and 14.2)."""
        headers = {"Accept-Encoding": "identity"}
        if self.received and self.etag:
            headers |= {"Range": f"bytes={self.received}-", "If-Range": self.etag}
        return headers

    def take(self, partial: bool, headers: Mapping[str, str], chunks: Iterator[bytes]) -> None:
        """Write the body of an answer; `partial` when it is the range that was asked for (status 206)."""
        if partial:
            self._check_range(headers.get("content-range", ""))
        else:
            self.restart()
        etag = headers.get("etag", "")
        self.etag = etag if etag.startswith('"') else None  # a weak one promises no equal bytes
        length = headers.get("content-length", "")
        total = self.received + int(length) if length.isascii() and length.isdigit() else None
        for chunk in chunks:
            self.file.write(chunk)
            self.received += len(chunk)
            if self.report:
                self.report(self.received, total)

    def restart(self) -> None:
        """Forget what came."""
        self.file.seek(0)
        self.file.truncate()
        self.received, self.etag = 0, None

    def _check_range(self, content_range: str) -> None:
        if not content_range.startswith(f"bytes {self.received}-"):
            raise AnswerUnreadable(
                f"Byte {self.received} and those after it were asked for, and the server sent {content_range!r}."
            )


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file that gets the name `path` when all is well, and is removed otherwise. Raises `BadInput`, `StorageFull`."""
    if path.is_dir():
        raise BadInput(f"{path} is a directory: name a file in it.")
    part = path.with_name(f".conda-store-{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> CondaStoreError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return (StorageFull if full else BadInput)(f"{path} cannot be written: {error.strerror}.")
