"""Writes the index (repodata) of a channel that lies in a directory."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rattler.index import index_fs


def index_channel(directory: Path) -> None:
    """Write `repodata.json`, `.zst` and the shards of every subdirectory of a channel.

    Every package is read again: without `force` a file replaced under its old name keeps a stale sha256.
    Not to be called from a thread that runs an event loop.
    """
    (directory / "noarch").mkdir(exist_ok=True)
    asyncio.run(index_fs(directory, force=True))
