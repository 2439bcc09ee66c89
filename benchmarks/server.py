"""A real server to measure: `conda-store serve` on the sample channel, in processes of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.workbench import Workbench

_CONFIG = """\
c.CondaStore.port = 0
c.CondaStore.directory = {directory!r}
c.CondaStore.default_channels = [{channel!r}]
c.ImageBuilder.base_image = {base!r}
c.CondaStore.log_level = "WARN"
c.LocalExecutor.workers = 1
{more}
"""


@dataclass(frozen=True)
class Waited:
    """Seconds from the request for a build to COMPLETED, and to the end of its last artifact."""

    completed: float
    whole: float


class Serving:
    """A server that is ready; `url` ends with a slash. `registry_url` is that of the registry's own port, or the same.

    `headers` prove who calls.
    """

    def __init__(self, process: subprocess.Popen[str], said: str, directory: Path, headers: Mapping[str, str]) -> None:
        ready = re.search(r"ready at (\S+?)(?:, its registry also on port (\d+))?$", said.strip())
        if ready is None:
            raise RuntimeError(f"The server did not start: {said}")
        self.process, self.url, self.directory, self.headers = process, ready[1], directory, headers
        self.registry_url = f"http://127.0.0.1:{ready[2]}/" if ready[2] else self.url
        self.client = httpx.Client(base_url=f"{self.url}api/v1/", headers=headers, timeout=300)

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
        manifest = json.loads(self.manifest(repository, tag).content)
        return repository, [(layer["digest"], int(layer["size"])) for layer in manifest["layers"]]

    def events(self, build_id: int) -> list[dict[str, Any]]:
        """What was told of a build, from its beginning to its end."""
        with self.client.stream("GET", f"build/{build_id}/events/") as answer:
            lines = [line for line in answer.raise_for_status().iter_lines() if line.startswith("data: ")]
        return [json.loads(line.removeprefix("data: ")) for line in lines]

    def registry_token(self, repository: str) -> str:
        """What a client logs in for, and shows with every request of a pull."""
        told = self.client.get(f"{self.url}v2/token", params={"scope": f"repository:{repository}:pull"})
        return str(told.raise_for_status().json()["token"])

    def manifest(self, repository: str, reference: str) -> httpx.Response:
        """What the registry answers when it is asked for a manifest."""
        return self.client.get(f"{self.url}v2/{repository}/manifests/{reference}").raise_for_status()


@contextmanager
def serving(
    bench: Workbench, name: str, *more: str, base: Path | None = None, token: str | None = None
) -> Iterator[Serving]:
    """A server with a directory of its own, `name` in the scratch directory; ended at the end.

    `more` are lines of its configuration; images stand on the layout `base`. With a `token` only who shows it is the
    administrator.
    """
    directory = bench.scratch / name
    directory.mkdir()
    config = directory / "config.py"
    if base is None:
        assert bench.base(bench.workshop.storage)
    if token is not None:
        more += (f"c.DummyAuthenticator.token = {token!r}",)
    config.write_text(
        _CONFIG.format(
            directory=str(directory),
            channel=bench.channel.as_uri(),
            base=f"oci:{base or bench.cache / 'base-image'}",
            more="\n".join(more),
        )
    )
    command = [sys.executable, "-m", "conda_store", "serve", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        server = Serving(process, process.stdout.readline(), directory, headers)
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
