"""Collects garbage in child processes that are killed when they are told to: `python -m tests.killed_collector`.

A line of its input is the number of an event and a file with pickled `JobSettings`. An event is a file or directory
that is removed, renamed or made by the collector; just before that one, the child kills itself (0: never).
When it is gone this process says how it ended.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from itertools import count
from pathlib import Path

from conda_store.db import Database
from tests.heap import collector

_EVENTS = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.rmtree"}


def main() -> None:
    for line in sys.stdin:
        event, file = line.rstrip("\n").split(" ", 1)
        child = os.fork()
        if child == 0:
            work(int(event), Path(file))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def work(last: int, file: Path) -> None:
    """Collect, in the child."""
    numbers = count(1)

    def die(event: str, _: object) -> None:
        if event in _EVENTS and next(numbers) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        jobs = pickle.loads(file.read_bytes())  # noqa: S301  the test wrote it
        manager = collector(Database(jobs.database_url), jobs)
        sys.addaudithook(die)
        manager.collect()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
