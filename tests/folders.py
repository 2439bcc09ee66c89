"""A watched folder beside a server, and what tests ask of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.jobs import until

# Files are taken at once where nothing is about that; what is told now and then, often.
QUICK = {"FolderWatching__settle_seconds": 0.1, "FolderWatching__check_seconds": 1.0}
NAMESPACE = "filesystem"


def write(folder: Path, file: str, *packages: str, name: str | None = None) -> Path:
    """An environment.yaml, in place of what was there."""
    head = f"name: {name}\n" if name else ""
    path = folder / file
    path.write_text(f"{head}dependencies: [{', '.join(packages or ('python',))}]\n")
    return path


def names(api: httpx.Client, namespace: str = NAMESPACE) -> set[str]:
    """The environments of a namespace."""
    rows = api.get("environment/", params={"namespace": namespace}).json()["data"]
    return {row["name"] for row in rows}


def builds(api: httpx.Client, name: str | None = None, namespace: str = NAMESPACE) -> list[int]:
    """The numbers of all builds of an environment, or of all environments."""
    asked = {"namespace": namespace, "size": "100", "sort_by": "id", "order": "asc"} | ({"name": name} if name else {})
    return [row["id"] for row in api.get("build/", params=asked).json()["data"]]


def wait_for(api: httpx.Client, wanted: set[str], namespace: str = NAMESPACE) -> None:
    """Until exactly these environments are there."""
    until(lambda: names(api, namespace) == wanted, 30, lambda: f"{names(api, namespace)}, wanted: {wanted}")


class Process:
    """The real command with a watched folder."""

    def __init__(self, directory: Path, *folders: Path, **options: Any) -> None:
        given = {"CondaStore__watch_paths": [str(folder) for folder in folders], **QUICK, **options}
        file = directory.parent / f"{directory.name}_config.py"
        lines = [f"c.{name.replace('__', '.')} = {value!r}\n" for name, value in given.items()]
        file.write_text("".join(lines))
        command = [sys.executable, "-m", "conda_store", "serve", "--port=0", f"--directory={directory}"]
        self.log = (directory.parent / f"{directory.name}.log").open("ab+")
        self.process = subprocess.Popen(
            [*command, f"--config={file}"], stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        assert self.process.stdout is not None
        url = self.process.stdout.readline().split()[-1]
        self.api = httpx.Client(base_url=f"{url}api/v1/", timeout=30)

    def told(self) -> str:
        """All that it has logged."""
        return Path(self.log.name).read_text()

    def end(self, number: int = signal.SIGKILL) -> None:
        """End it with a signal, and wait until it is gone."""
        self.process.send_signal(number)
        self.process.communicate()
        self.api.close()
        self.log.close()


@contextmanager
def process(directory: Path, *folders: Path, **options: Any) -> Iterator[Process]:
    """One of them, killed at the end if it still runs."""
    found = Process(directory, *folders, **options)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.end()
