"""What happens in the process of a solve. It ends as a group, like that of a build (`worker.py`).

What a solve needs is imported there only: the server knows these functions by name and has no use for the rest.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from conda_store.executors.worker import end_as_group
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.credentials import Credentials
from conda_store.packages.locked import PlatformLock
from conda_store.packages.policy import ANY_PACKAGE, PackagePolicy

_greetings: list[Connection] = []


@dataclass(frozen=True)
class Asked:
    """What somebody wants solved: an `environment.yaml` under a policy, for one platform, in `seconds` (None: any)."""

    source: bytes
    policy: ChannelPolicy
    platform: str
    seconds: float | None
    packages: PackagePolicy = ANY_PACKAGE
    credentials: Credentials = field(default_factory=Credentials, repr=False)


def enter(lifeline: Connection, greetings: Connection) -> None:
    """Make this process a solver; called once in it."""
    end_as_group(lifeline)
    _greetings.append(greetings)


def solve(store_directory: Path, asked: Asked) -> PlatformLock:
    """Solve and build nothing; for a pip section the packages are fetched, since they say what pip may rely on."""
    from conda_store.builds.progress import Progress
    from conda_store.builds.request import BuildRequest
    from conda_store.builds.runner import Build
    from conda_store.builds.workshop import Workshop
    from conda_store.pieces.bytecode import machine_platform

    _greetings[0].send(os.getpid())
    workshop = Workshop(store_directory, asked.policy)
    workshop.gate.credentials = asked.credentials
    workshop.solver.timeout_seconds = asked.seconds
    request = BuildRequest(asked.source, platforms=(asked.platform,), packages=asked.packages)
    _, lock = Build(workshop, request, machine_platform(), Progress()).lock()
    return lock.platforms[asked.platform]
