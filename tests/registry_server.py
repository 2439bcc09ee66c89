"""A real registry (Debian's docker-registry) for tests, and the real skopeo to fill it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest


@dataclass(frozen=True)
class RegistryServer:
    """A running registry: `host` is `127.0.0.1:<port>`, `root` its storage on disk."""

    host: str
    root: Path
    process: subprocess.Popen[bytes]

    def push(self, source: str, name: str, *options: str) -> None:
        """`skopeo copy` from a transport such as `oci:dir:tag` to `name:tag` here."""
        skopeo("copy", "--dest-tls-verify=false", *options, source, f"docker://{self.host}/{name}")

    def stop(self) -> None:
        """End the server; its storage stays."""
        self.process.terminate()
        self.process.wait()


def skopeo(*arguments: str) -> str:
    """Run skopeo; returns what it printed."""
    command = [required("skopeo"), "--insecure-policy", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def required(program: str) -> str:
    """The path of a program; without it a test is skipped, in CI it fails."""
    found = shutil.which(program)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{program} is not installed")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


@contextmanager
def running_registry(directory: Path, *, htpasswd: str | None = None) -> Iterator[RegistryServer]:
    """Start a registry whose files lie in `directory`; `htpasswd` is the text of a password file (bcrypt)."""
    directory.mkdir(parents=True, exist_ok=True)
    # Between the choice of a port and its use another process may take it.
    server = next((started for _ in range(5) if (started := _started(directory, htpasswd))), None)
    if server is None:
        pytest.fail(f"the registry did not start: {(directory / 'log').read_text()}")
    try:
        yield server
    finally:
        server.stop()


def _started(directory: Path, htpasswd: str | None) -> RegistryServer | None:
    """A registry that answers, or None when it ended at once."""
    program, port = required("docker-registry"), _free_port()
    (directory / "config.yml").write_text(_config(directory, port, htpasswd))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(directory / "config.yml")], stdout=log, stderr=log)
    server = RegistryServer(f"127.0.0.1:{port}", directory / "data", process)
    if _answers(server):
        return server
    server.stop()
    return None


def _config(directory: Path, port: int, htpasswd: str | None) -> str:
    text = f"version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {directory / 'data'}}}}}\n"
    text += f"http: {{addr: '127.0.0.1:{port}'}}\n"
    if htpasswd is not None:
        (directory / "htpasswd").write_text(htpasswd)
        text += f"auth: {{htpasswd: {{realm: test, path: {directory / 'htpasswd'}}}}}\n"
    return text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(server: RegistryServer, limit_seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + limit_seconds
    with httpx.Client(trust_env=False) as client:
        while server.process.poll() is None and time.monotonic() < deadline:
            try:
                client.get(f"http://{server.host}/v2/")
                return server.process.poll() is None
            except httpx.TransportError:
                # Nothing tells when a socket listens; this is the pause between two looks at the condition.
                time.sleep(0.01)
    return False
