"""How many bytes the disk gets back, where files are hard links: those whose last name goes."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path


class Freed:
    """Counts what is to be removed, one directory after another, in the order in which they go."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[int, int]] = Counter()

    def directory(self, path: Path) -> int:
        """Bytes that removing a directory frees, after what was counted before."""
        size = 0
        for folder, _, names in os.walk(path):
            for name in names:
                size += self._file(os.path.join(folder, name))  # noqa: PTH118  tens of thousands of files
        return size

    def forget(self) -> None:
        """What was counted has gone: from now on the files say by themselves how many names they have."""
        self._seen.clear()

    def _file(self, path: str) -> int:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return 0
        if not stat.S_ISREG(status.st_mode):
            return 0
        key = (status.st_dev, status.st_ino)
        self._seen[key] += status.st_nlink > 1
        return status.st_size if self._seen[key] in (0, status.st_nlink) else 0
