"""The command line as a shell runs it, apart from what the user of this machine keeps."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys

from tests.server import Server


def surroundings() -> dict[str, str]:
    """An environment without settings, tokens and cache of this machine's user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONDA_STORE_")}
    return {**kept, "XDG_CONFIG_HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"}


def shell(
    server: Server | None, *words: str, status: int = 0, said: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command against a server, its address in the environment; `said` is its standard input."""
    url = {"CONDA_STORE_URL": f"{server.root}{server.app.prefix}"} if server else {}
    command = [sys.executable, "-m", "conda_store", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, input=said, env={**surroundings(), **url, **environ}, timeout=60
    )
    assert done.returncode == status, done.stderr
    return done


def in_a_terminal(server: Server, *words: str) -> str:
    """What a command prints when its output is a terminal."""
    leader, follower = pty.openpty()
    environ = {
        **surroundings(),
        "CONDA_STORE_URL": f"{server.root}{server.app.prefix}",
        "COLUMNS": "100",
        "TERM": "xterm",
    }
    command = [sys.executable, "-m", "conda_store", *words]
    process = subprocess.Popen(command, stdout=follower, stderr=follower, env=environ)
    os.close(follower)
    said = b""
    while select.select([leader], [], [], 60)[0]:
        try:
            said += os.read(leader, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
    os.close(leader)
    assert process.wait() == 0, said
    return said.decode()
