"""A real server to measure: `conda-store serve` on the sample channel, in processes of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.workbench import Workbench

_CONFIG = """\
c.CondaStore.port = 0
c.CondaStore.directory = {directory!r}
c.CondaStore.default_channels = [{channel!r}]
c.ImageBuilder.base_image = {base!r}
c.CondaStore.log_level = "WARN"
c.LocalExecutor.workers = 1
"""


@dataclass(frozen=True)
class Waited:
    """Seconds from the request for a build to COMPLETED, and to the end of its last artifact."""

    completed: float
    whole: float


class Serving:
    """A server that is ready; `url` ends with a slash."""

    def __init__(self, process: subprocess.Popen[str], url: str, directory: Path) -> None:
        self.process, self.url, self.directory = process, url, directory
        self.client = httpx.Client(base_url=f"{url}api/v1/", timeout=300)

    def submit(self, specification: str) -> int:
        """The number of a new build."""
        answer = self.client.post("specification/", json={"specification": specification}).raise_for_status()
        return int(answer.json()["data"]["build_id"])

    def build(self, specification: str) -> tuple[int, Waited]:
        """Have something built, and say when it could be used and when all was there."""
        started, completed = time.perf_counter(), 0.0
        build_id = self.submit(specification)
        with self.client.stream("GET", f"build/{build_id}/events/") as answer:
            for line in answer.raise_for_status().iter_lines():
                if not completed and '"status":"COMPLETED"' in line:
                    completed = time.perf_counter() - started
        whole = time.perf_counter() - started
        found = self.client.get(f"build/{build_id}/").raise_for_status().json()["data"]
        if found["status"] != "COMPLETED" or len(found["build_artifacts"]) < 6:
            raise RuntimeError(f"The build is {found['status']}: {found['status_info']} {found['build_artifacts']}")
        return build_id, Waited(completed, whole)

    def image(self, build_id: int) -> tuple[str, list[tuple[str, int]]]:
        """The repository of a build's image, and its layers' digests with their sizes in bytes."""
        told = self.client.get(f"build/{build_id}/docker/", headers={"Accept": "application/json"}).raise_for_status()
        repository, _, tag = told.json()["data"]["image"].partition("/")[2].rpartition(":")
        manifest = json.loads(self.client.get(f"{self.url}v2/{repository}/manifests/{tag}").raise_for_status().content)
        return repository, [(layer["digest"], int(layer["size"])) for layer in manifest["layers"]]


@contextmanager
def serving(bench: Workbench, name: str) -> Iterator[Serving]:
    """A server with a directory of its own, `name` in the scratch directory; ended at the end."""
    directory = bench.scratch / name
    directory.mkdir()
    config = directory / "config.py"
    base = bench.base(bench.workshop.storage)
    assert base
    config.write_text(
        _CONFIG.format(
            directory=str(directory), channel=bench.channel.as_uri(), base=f"oci:{bench.cache / 'base-image'}"
        )
    )
    command = [sys.executable, "-m", "conda_store", "serve", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        if "ready at" not in said:
            raise RuntimeError(f"The server did not start: {said}")
        server = Serving(process, said.split()[-1], directory)
        yield server
        server.client.close()
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def program(name: str, package: str) -> str:
    """The path of a rival or tool. Raises RuntimeError naming Debian's package."""
    found = shutil.which(name, path="/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
    if found is None:
        raise RuntimeError(f"{name} is not installed: apt-get install {package}, or make system-packages.")
    return found


def output_of(command: Sequence[str | Path]) -> str:
    """What a program prints. Raises RuntimeError with its complaint."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout
