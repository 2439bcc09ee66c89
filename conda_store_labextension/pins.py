"""Builds that a user holds on to, in a file of their own: what runs in a pinned build does so after a rollback, too."""

from __future__ import annotations

import fcntl
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from conda_store.client import Kernel, RunnableBuild
from conda_store.errors import BadInput


class Pins:
    """Those of one user for the server at `url`, in the file `path`."""

    def __init__(self, path: Path, url: str) -> None:
        self.path, self.url = path, url.rstrip("/")

    def all(self) -> list[RunnableBuild]:
        """As they were when they were pinned. A file that cannot be read holds none."""
        try:
            return [_pin(one) for one in self._read().get(self.url, [])]
        except (AttributeError, KeyError, TypeError, ValueError):
            return []

    def add(self, build: RunnableBuild) -> None:
        """Pin a build. Raises `BadInput` when the file cannot be written."""
        with self._changing() as rows:
            rows[:] = [*(one for one in rows if one.get("build_id") != build.build_id), asdict(build)]

    def remove(self, build_id: int) -> bool:
        """Let go of a build; whether it was pinned. Raises `BadInput`."""
        with self._changing() as rows:
            before = len(rows)
            rows[:] = [one for one in rows if one.get("build_id") != build_id]
            return len(rows) < before

    def _read(self) -> dict[str, list[dict[str, object]]]:
        try:
            servers = json.loads(self.path.read_bytes())["pins"]
            return {str(url): [one for one in rows if isinstance(one, dict)] for url, rows in servers.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    @contextmanager
    def _changing(self) -> Iterator[list[dict[str, object]]]:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                servers = self._read()
                yield servers.setdefault(self.url, [])
                self._write(json.dumps({"pins": servers}, indent=2))
        except OSError as error:
            raise BadInput(f"The pinned builds cannot be kept in {self.path}: {error.strerror}.") from error

    def _write(self, text: str) -> None:
        part = self.path.with_name(f".{self.path.name}-{secrets.token_hex(4)}")
        try:
            part.write_text(text)
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)


def _pin(data: dict[str, object]) -> RunnableBuild:
    kernels = data["kernels"]
    if not isinstance(kernels, list):
        raise TypeError("kernels")
    given = {**data, "current": False, "kernels": tuple(Kernel(**one) for one in kernels)}
    return RunnableBuild(**given)  # type: ignore[arg-type]
