"""A worker process: one build, in a process group of its own that ends as a group.

Two pipes tie it to its server. On the lifeline nothing is ever sent: when the server is gone, however it ended, reading
it ends, and the worker ends its group. On the other one it says which process it is when it begins to work.

What builds need is imported by a worker only: the server knows these functions by name and has no use for the rest.
"""

from __future__ import annotations

import os
import resource
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from conda_store.builds.subject import JobSettings

if TYPE_CHECKING:
    from conda_store.builds.workplace import Workplace

_greetings: list[Connection] = []
_workplaces: list[Workplace] = []


def enter(lifeline: Connection, greetings: Connection, settings: JobSettings) -> None:
    """Make this process a worker; called once in it."""
    from conda_store.builds.workplace import find_workplace

    end_as_group(lifeline)
    _greetings.append(greetings)
    if (place := find_workplace(settings)) is not None:
        _workplaces.append(place)


def end_as_group(lifeline: Connection) -> None:
    """Lead a group of processes, all of which end when reading `lifeline` ends."""
    os.setsid()
    threading.Thread(target=_end_with, args=(lifeline,), name="lifeline", daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os.killpg(0, signal.SIGKILL)


def work(settings: JobSettings, build_id: int, token: str) -> None:
    """Run one build under a lease with this token."""
    from conda_store.builds.job import run_job

    _greetings[0].send(os.getpid())
    if settings.limits.memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (settings.limits.memory_bytes, settings.limits.memory_bytes))
    run_job(settings, build_id, token, _workplaces[0] if _workplaces else None)


def sweep(settings: JobSettings) -> int:
    """Remove what killed workers left in the store; returns how many things."""
    from conda_store.builds.workshop import Workshop

    return Workshop(settings.store_directory, settings.policy).sweep()
