"""Works on builds in child processes and kills them when it is told to: `python -m tests.killable`.

A line of its input is the number of a build, the number of a step, a delay in seconds and a file with pickled
`JobSettings`. The child is killed that long after it has come to that step (0: never). When it is gone this process
says how it ended and how many steps it went. A step is something done to a file of the store: it is begun, gets bytes,
is to appear, has appeared. So a kill meets the same moments on a fast machine and on one that is busy; and a fork takes
milliseconds, where a new python takes a second.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from threading import Event

from conda_store.builds.job import Job
from conda_store.builds.logs import BuildLog
from conda_store.builds.states import claim, claim_artifacts
from conda_store.builds.subject import JobSettings
from conda_store.builds.workplace import Workplace
from conda_store.storage.base import Writer
from conda_store.storage.local import LocalStorage


class StepwiseStorage(LocalStorage):
    """Writes a byte to the pipe `steps` for whatever it does to a file, and goes no further than the step `last`."""

    def __init__(self, root: Path, steps: int, last: int) -> None:
        super().__init__(root)
        self.steps, self.last, self.count = steps, last, count(1)

    @contextmanager
    def writer(self, key: str | None = None) -> Iterator[Writer]:
        with super().writer(key) as out:
            self.step()
            yield StepwiseWriter(out, self)
            self.step()
        self.step()

    def step(self) -> None:
        """Tell of one."""
        number = next(self.count)
        os.write(self.steps, b".")
        if number == self.last:
            Event().wait()


class StepwiseWriter:
    """Tells of all that it does."""

    def __init__(self, out: Writer, storage: StepwiseStorage) -> None:
        self.out, self.storage = out, storage

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """A step for each piece."""
        self.storage.step()
        return self.out.write(data)

    def tell(self) -> int:
        """As it is."""
        return self.out.tell()

    def flush(self) -> None:
        """As it is."""
        self.out.flush()

    def commit(self, key: str | None = None) -> None:
        """A step."""
        self.storage.step()
        self.out.commit(key)


def main() -> None:
    import_module("conda_store.executors.preload")
    for line in sys.stdin:
        build, step, delay, file = line.rstrip("\n").split(" ", 3)
        told, steps = os.pipe()
        child = os.fork()
        if child == 0:
            # A delay means that it goes on meanwhile.
            work(int(build), Path(file), steps, 0 if float(delay) else int(step))
        os.close(steps)
        done = follow(child, told, int(step), float(delay))
        os.close(told)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), done, flush=True)


def follow(child: int, told: int, step: int, delay: float) -> int:
    """Count the steps of a child until it ends, and let a chosen one be its last."""
    done = 0
    while os.read(told, 1):
        done += 1
        if done == step:
            time.sleep(delay)
            # Nobody else waits for it, so the number is still its own.
            os.kill(child, signal.SIGKILL)
    return done


def work(build: int, file: Path, steps: int, last: int) -> None:
    """What a worker does for a build, in the child."""
    try:
        settings: JobSettings = pickle.loads(file.read_bytes())  # noqa: S301  the test wrote it
        place = Workplace(settings)
        place.workshop.storage = StepwiseStorage(settings.store_directory, steps, last)
        with place.database.write() as session:
            lease = claim(session, build, settings.lease_seconds)
            lease = lease or claim_artifacts(session, build, settings.lease_seconds)
        if lease is not None:
            with BuildLog(place.database, lease, settings.lease_seconds) as log:
                Job(settings, place, lease, log).run()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    # A process that used rattler can crash when its interpreter ends.
    os._exit(0)


if __name__ == "__main__":
    main()
