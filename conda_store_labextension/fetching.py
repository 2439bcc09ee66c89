"""Fetches and unpacks the archive of a build in a process of its own.

A Jupyter server goes on answering meanwhile, and what it writes keeps its permissions: the cache needs another umask,
of which a process has one. What to fetch, with the token, comes on standard input, where no other user sees it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conda_store.client import Client
from conda_store.client.cache import EnvironmentCache
from conda_store.errors import CondaStoreError


class FetchBroke(CondaStoreError):
    """The archive did not become a prefix here; the message says why."""

    status = 502
    code = "archive_not_fetched"


def fetch(client: Client, token: str, cache: EnvironmentCache, build_id: int, name: str) -> Path:
    """The prefix of a build of the environment `name` in the cache, where it is unless it has just been fetched.

    Two who fetch the same build meet at the lock of the cache. Raises `FetchBroke`.
    """
    job = {
        "url": client.url,
        "token": token,
        "seconds": client.patience_seconds,
        "directory": str(cache.directory.parent),
        "build": build_id,
        "name": name,
    }
    command = [sys.executable, "-P", "-m", __name__]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, errors="replace")
    try:
        said = json.loads(done.stdout)
    except ValueError:
        reasons = done.stderr.strip().splitlines() or [f"its process ended with status {done.returncode}"]
        said = {"error": reasons[-1]}
    if "prefix" in said:
        return Path(said["prefix"])
    raise FetchBroke(f"The archive of build {build_id} ({name}) cannot be had: {said['error']}")


def _prefix(job: Mapping[str, Any]) -> Path:
    cache = EnvironmentCache(job["url"], Path(job["directory"]))
    build_id: int = job["build"]
    with Client(job["url"], job["token"] or None, patience_seconds=job["seconds"]) as client:
        tag = client.archive_tag(build_id)
        prefix = cache.ensure(tag, lambda path: client.download(build_id, "archive", path))
    cache.remember(build_id, job["name"], tag)
    return prefix


def _main() -> None:
    try:
        answer = {"prefix": str(_prefix(json.load(sys.stdin)))}
    except CondaStoreError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    _main()
