"""How layers and archive members are compressed, deterministically.

isal's gzip beyond level 2 gives other bytes on other processors, so level 2 it is; zstd's output depends on its
version, so library and version stand in the key of every piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import isal
import zstandard
from isal import isal_zlib

from conda_store.errors import BadInput

_GZIP_LEVEL = 2
_ZSTD_LEVEL = 3
_GZIP_WINDOW = 31  # 15 bits, with gzip's header and trailer
# gzip's header without a time or an operating system comes from isal itself: mtime 0, OS 255.


@dataclass(frozen=True)
class Compression:
    """A compression by name; `key` names everything that its bytes depend on besides the input."""

    name: Literal["gzip", "zstd"]

    def __post_init__(self) -> None:
        if self.name not in ("gzip", "zstd"):
            raise BadInput(f"Unknown compression {self.name!r}: use gzip (every client reads it) or zstd (smaller).")

    @property
    def key(self) -> str:
        """`isal-1.8.0-2` or `zstd-1.5.7-3`."""
        if self.name == "gzip":
            return f"isal-{isal.__version__}-{_GZIP_LEVEL}"
        version = ".".join(map(str, zstandard.ZSTD_VERSION))
        return f"zstd-{version}-{_ZSTD_LEVEL}"

    @property
    def media_suffix(self) -> str:
        """What OCI media types end in: `gzip` or `zstd` (image-spec 1.1, media-types.md)."""
        return self.name

    def compressor(self) -> Any:
        """A new object with `compress(bytes) -> bytes` and `flush() -> bytes`, which ends one member or frame."""
        if self.name == "gzip":
            return isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW)
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()


GZIP = Compression("gzip")
ZSTD = Compression("zstd")
_SUFFIXES = {".tar.gz": GZIP, ".tgz": GZIP, ".tar.zst": ZSTD, ".tar.zstd": ZSTD}


def compression_for(path: Path) -> Compression:
    """The compression that a file name asks for; raises `BadInput` for a name that asks for none."""
    for suffix, compression in _SUFFIXES.items():
        if path.name.endswith(suffix):
            return compression
    raise BadInput(f"{path.name!r} does not say which kind of archive it is: call it *.tar.gz or *.tar.zst.")
