"""Environments of a server on this machine: unpacked archives, each there whole or not at all.

An entry is named by server and entity tag of the archive; a build's number leads to its entry. Who fills an entry holds
its lock, works in a directory of its own (conda-unpack writes the final path into the files), and lets a small file
point at it when it is whole; what a killed process left is removed by the next one that holds the lock.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from conda_store.client.credentials import user_directory
from conda_store.client.unpacking import check_length, remove_tree, unpack
from conda_store.errors import BadInput, CondaStoreError, StorageFull

# The last part of a prefix: tools show it as the name of the environment.
_PREFIX = "env"


def cache_directory() -> Path:
    """Where this user's programs keep what they can fetch again."""
    return user_directory("XDG_CACHE_HOME", ".cache")


class EnvironmentCache:
    """Unpacked environments of the server at `url`, below `directory`."""

    def __init__(self, url: str, directory: Path | None = None) -> None:
        self.url = url
        self.directory = (directory or cache_directory()).absolute() / "run"

    def ensure(self, tag: str, fetch: Callable[[Path], object], *, refresh: bool = False) -> Path:
        """The prefix of the archive with this entity tag; `fetch` writes the archive to a path when it is needed.

        With `refresh` it is fetched anew, and what was there is removed. Raises `BadInput`, `StorageFull`.
        """
        key = self._key(tag)
        found = self._find(key)
        if found and not refresh:
            return found
        with _told_of_failure(self.directory), _UMASK.private(), self._alone(key):
            found = self._find(key)  # somebody else may have been faster
            return found if found and not refresh else self._make(key, fetch)

    def find(self, tag: str) -> Path | None:
        """The prefix of the archive with this entity tag; None when it is not here."""
        return self._find(self._key(tag))

    def remember(self, build_id: int, environment: str | None, tag: str) -> None:
        """Note that a build of an environment has the archive with this entity tag."""
        path, text = self._note(build_id), json.dumps({"environment": environment, "tag": tag})
        with _told_of_failure(self.directory), _UMASK.private():
            if not path.exists() or path.read_text() != text:
                _replace(path, text)

    def recall(self, build_id: int, environment: str | None) -> Path | None:
        """The prefix of a build (of this environment, where one is named) that is here; None when it is not."""
        try:
            noted = json.loads(self._note(build_id).read_text())
            if environment not in (None, noted["environment"]):
                return None
            return self._find(self._key(noted["tag"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _find(self, key: str) -> Path | None:
        try:
            prefix = self.directory / (self.directory / f"{key}.ready").read_text() / _PREFIX
        except OSError:
            return None
        return prefix if (prefix / "bin" / "activate").is_file() else None

    def _make(self, key: str, fetch: Callable[[Path], object]) -> Path:
        made = self.directory / f"{key}-{secrets.token_hex(4)}"
        check_length(made / _PREFIX)
        try:
            made.mkdir(mode=0o700)
            archive = made / "archive.tar.gz"
            fetch(archive)
            unpack(archive, made / _PREFIX)
            archive.unlink()
            os.sync()
            _replace(self.directory / f"{key}.ready", made.name)
        finally:
            self._sweep(key)
        return made / _PREFIX

    def _sweep(self, key: str) -> None:
        """Remove what nothing points at."""
        found = self._find(key)
        for one in self.directory.glob(f"{key}-*"):
            if found is None or one != found.parent:
                remove_tree(one)

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.directory.stat().st_uid != os.geteuid():
            raise BadInput(f"{self.directory} is another user's: name your own directory with XDG_CACHE_HOME.")
        self.directory.chmod(0o700)  # an older umask may have left it open to others
        with (self.directory / f"{key}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _note(self, build_id: int) -> Path:
        return self.directory / f"{self._key('builds')}.{build_id}"

    def _key(self, tag: str) -> str:
        # Short: the path of a prefix has to fit into the placeholder of its packages.
        return hashlib.sha256(f"{self.url}\n{tag}".encode()).hexdigest()[:20]


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    part.write_text(text)
    part.replace(path)


class _Umask:
    """The process has one for all its threads: the first who wants another sets it, the last puts back what was."""

    def __init__(self) -> None:
        self._lock, self._users, self._before = threading.Lock(), 0, 0

    @contextmanager
    def private(self) -> Iterator[None]:
        """What is written meanwhile is readable, and for this user alone, whatever the umask says."""
        with self._lock:
            if not self._users:
                self._before = os.umask(0o077)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    os.umask(self._before)


_UMASK = _Umask()


@contextmanager
def _told_of_failure(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        kind: type[CondaStoreError] = StorageFull if full else BadInput
        raise kind(
            f"The cache at {directory} cannot be written: {error.strerror or error}. "
            "XDG_CACHE_HOME names another place for it."
        ) from error
