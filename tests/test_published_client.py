"""The command line client and Python class that this API's users have (PyPI `conda-store` 2025.2.2), unmodified.

It owns the same import name as we do, so it lives in an environment of its own below `.cache/`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conda_store.executors.local import LocalExecutor
from conda_store.storage.scratch import exclusive
from tests.conftest import CACHE
from tests.server import Server, running

CLIENT = "conda-store==2025.2.2"
YAML = "name: {name}\nchannels: ['{channel}']\ndependencies: [python=3.11, pytz]\n"


@pytest.fixture(scope="module")
def program() -> Path:
    """The client's command, installed once per checkout."""
    place = CACHE / "published-client"
    with exclusive(CACHE / "published-client.lock"):
        if not (place / "installed").exists():
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            pip = [place / "bin/python", "-m", "pip", "install", "--quiet", CLIENT]
            subprocess.run(pip, check=True)
            (place / "installed").touch()
    return place / "bin/conda-store"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sample_channel: Path) -> Iterator[Server]:
    channel = sample_channel.as_uri()
    options = {"default_channels": [channel], "allowed_channels": [channel], "executor_class": LocalExecutor}
    artifacts = ["LOCKFILE", "YAML", "CONDA_PACK"]
    with running(tmp_path_factory.mktemp("published"), build_artifacts=artifacts, **options) as server:
        yield server


class Client:
    """The program, pointed at a server."""

    def __init__(self, program: Path, server: Server, directory: Path) -> None:
        self.program, self.directory = program, directory
        self.environment = {
            "PATH": os.environ["PATH"],
            "CONDA_STORE_URL": f"{server.root}{server.app.prefix}",
            "TMPDIR": str(directory),
            "COLUMNS": "200",
        }

    def __call__(self, *words: str, **environment: str) -> str:
        command = [self.program, *words]
        done = subprocess.run(
            command, cwd=self.directory, env=self.environment | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def client(program: Path, server: Server, tmp_path: Path) -> Client:
    return Client(program, server, tmp_path)


def test_info_and_token(client: Client) -> None:
    assert "Authenticated True" in client("info") and "environment:create" in client("info")
    token = client("token", "--permission", "default/*:viewer", "--expiration", "3600")
    told = client("info", CONDA_STORE_AUTH="token", CONDA_STORE_TOKEN=token)
    assert "environment::read" in told and "environment:create" not in told
    assert client("token", "--namespace", "default")


def test_solve(client: Client, sample_channel: Path) -> None:
    path = client.directory / "environment.yaml"
    path.write_text(YAML.format(name="solved", channel=sample_channel.as_uri()))
    rows = json.loads(client("solve", str(path), "--output", "json"))
    assert {"python", "pytz"} <= {row["name"] for row in rows}
    assert "Total Size" in client("solve", str(path))


def test_wait_list_download_and_run(client: Client, server: Server, sample_channel: Path) -> None:
    build_id = server.submit("published", text=YAML.format(name="published", channel=sample_channel.as_uri()))
    for artifact in ("build", "lockfile", "archive"):
        client("wait", f"default/published:{build_id}", "--interval", "1", "--timeout", "120", "--artifact", artifact)
    assert json.loads(client("list", "namespace", "--output", "json"))[0]["name"] == "default"
    builds = json.loads(client("list", "build", "--status", "COMPLETED", "--package", "pytz", "--output", "json"))
    assert [build["id"] for build in builds] == [build_id]
    listed = client("list", "environment", "--artifact", "CONDA_PACK", "--package", "pytz", "--output", "json")
    assert [row["name"] for row in json.loads(listed)] == ["published"]
    assert "published" in client("list", "environment") and "COMPLETED" in client("list", "build")
    for artifact, words in (("lockfile", '"package"'), ("yaml", "name: published"), ("archive", None)):
        path = Path(client("download", "default/published", "--artifact", artifact))
        assert words is None or words in path.read_text()
    ran = client("run", "default/published", "--", "python", "-c", "import pytz, sys; print(sys.prefix)")
    assert Path(ran.strip()) == client.directory / "conda-store" / str(build_id)
