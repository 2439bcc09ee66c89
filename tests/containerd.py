"""A real containerd for tests, with everything that it keeps in a directory of its own; `ctr` speaks to it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from tests.conftest import need
from tests.containers import SYSTEM_PATH, Engine, end, short_directory, wait_until_ready

# The plugin for Kubernetes wants a network.
_CONFIGURATION = """\
version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{0}/socket"
"""
_numbers = count()


@dataclass(frozen=True)
class Containerd(Engine):
    """containerd by `ctr`, which wants a name for each container."""

    def output(self, image: str, *command: str, options: Sequence[str] = ()) -> str:
        return self.call(*self.run, *options, image, f"container-{next(_numbers)}", *command).stdout


@contextmanager
def running_containerd() -> Iterator[Containerd]:
    """A new containerd; it and its children end with the block."""
    need("runc")
    daemon, client, guard = need("containerd"), need("ctr"), need("setpriv")
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"}
    with short_directory() as directory, (directory / "log").open("wb") as log:
        (directory / "configuration").write_text(_CONFIGURATION.format(directory))
        # A test run that is killed takes its daemon with it.
        command = [guard, "--pdeathsig=TERM", daemon, "--config", f"{directory}/configuration"]
        pull = ("images", "pull", "--plain-http")
        engine = Containerd((client, "--address", f"{directory}/socket"), ("run", "--rm"), pull, environment)
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            wait_until_ready(engine, process, directory / "log")
            yield engine
        finally:
            end(process)
