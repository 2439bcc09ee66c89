"""The tokens that `conda-store login` keeps, one for each server, in a file that only its owner can read.

It is `conda-store/tokens.json` in the user's configuration directory (XDG Base Directory Specification).
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from conda_store.errors import BadInput

_OTHERS = 0o077


def configuration_directory() -> Path:
    """Where this user's programs keep their configuration."""
    return user_directory("XDG_CONFIG_HOME", ".config")


def user_directory(variable: str, usual: str) -> Path:
    """`conda-store` below the directory that an XDG variable names; relative ones count for nothing, as XDG says."""
    named = os.environ.get(variable, "")
    try:
        base = Path(named) if named.startswith("/") else Path.home() / usual
    except RuntimeError as error:
        raise BadInput(f"You have no home directory: name another one with {variable}.") from error
    return base / "conda-store"


class Credentials:
    """Tokens by server in the file `path`; unlike addresses of one server are one."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or configuration_directory() / "tokens.json"

    def find(self, url: str) -> str | None:
        """The token for a server; None when there is none. Raises `BadInput` for a file that others can read."""
        return self._read().get(_server(url))

    def keep(self, url: str, token: str) -> None:
        """Remember a token."""
        with self._changing() as tokens:
            tokens[_server(url)] = token

    def forget(self, url: str) -> bool:
        """Remember a token no longer; whether there was one."""
        if self.find(url) is None:
            return False
        with self._changing() as tokens:
            tokens.pop(_server(url), None)
        return True

    def _read(self) -> dict[str, str]:
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & _OTHERS:
                    raise BadInput(f"Other users can read the tokens in {self.path}: chmod 600 it, or login again.")
                tokens = json.load(file)["tokens"]
                return {str(url): str(token) for url, token in tokens.items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise BadInput(f"{self.path} cannot be read: {error.strerror}.") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{self.path} holds no tokens: remove it and login again.") from error

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """The tokens, to be changed: written whole, one change after another."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.path.parent / "tokens.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                tokens = self._read()
                yield tokens
                self._write(json.dumps({"tokens": tokens}, indent=2))
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written: {error.strerror}.") from error

    def _write(self, text: str) -> None:
        part = self.path.with_name(f".tokens-{secrets.token_hex(8)}")
        try:
            part.touch(0o600, exist_ok=False)
            part.chmod(0o600)  # whatever the umask took away
            with part.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)


def _server(url: str) -> str:
    """One spelling of an address (RFC 3986, 6.2.2): the host in small letters, without the usual port."""
    try:
        return str(httpx.URL(url)).rstrip("/")
    except httpx.InvalidURL as error:
        raise BadInput(f"{url!r} is not the address of a server: {error}.") from error
