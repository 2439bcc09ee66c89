"""Real container engines for tests: a dockerd and a podman of their own, which take images from a registry."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.conftest import need

START_SECONDS = 60.0
RUN_SECONDS = 300.0
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# crun, podman's default, does not start here; limits must not be above those of this process.
_CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@dataclass(frozen=True)
class Engine:
    """docker or podman as a command; `run` is what stands before an image's name to start a container of it."""

    command: tuple[str, ...]
    run: tuple[str, ...]
    pull: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)

    def call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command; both outputs are kept."""
        done = subprocess.run(
            [*self.command, *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=RUN_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    def output(self, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """What `command` prints in a new container of `image`."""
        return self.call(*self.run, *options, image, *command).stdout

    def fetch(self, image: str) -> str:
        """Pull `image`; returns what the engine said."""
        done = self.call(*self.pull, image)
        return done.stdout + done.stderr

    def dialogue(self, image: str, typed: str, *command: str) -> str:
        """What a terminal shows when a user starts `image` and types this; the last line must end the program."""
        terminal, inner = pty.openpty()
        arguments = [*self.command, *self.run, "-it", image, *command]
        process = subprocess.Popen(arguments, stdin=inner, stdout=inner, stderr=inner, env=self.environment)
        os.close(inner)
        os.write(terminal, typed.encode())
        try:
            return b"".join(_read_until_closed(terminal)).decode(errors="replace")
        finally:
            os.close(terminal)
            process.kill()
            process.wait()


def _read_until_closed(terminal: int) -> Iterator[bytes]:
    deadline = time.monotonic() + RUN_SECONDS
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            yield os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            return
    raise TimeoutError("the container did not end")


@contextmanager
def running_docker(directory: Path) -> Iterator[Engine]:
    """A docker daemon whose files are all below `directory`; it and its children end with the block."""
    need("runc")
    daemon, client, socket = need("dockerd"), need("docker"), f"unix://{directory}/socket"
    places = [f"--data-root={directory}/data", f"--exec-root={directory}/exec", f"--pidfile={directory}/pid"]
    network = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}", "TERM": "xterm"}
    engine = Engine((client, "-H", socket), ("run", "--rm", "--network=none"), ("pull",), environment)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "log").open("wb") as log:
        command = [daemon, "-H", socket, *places, *network]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        _wait_until_ready(engine, process, directory / "log")
        yield engine
    finally:
        _end(process)
        shutil.rmtree(directory / "data", ignore_errors=True)  # hundreds of megabytes, which pytest would keep


def _wait_until_ready(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while engine.call("version", check=False).returncode:
        assert process.poll() is None and time.monotonic() < deadline, f"dockerd did not start:\n{log.read_text()}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a daemon, and whatever it leaves of its children."""
    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()


@contextmanager
def podman_in(directory: Path) -> Iterator[Engine]:
    """podman with images and containers below `directory`; there is no daemon to end."""
    program, runtime = need("podman"), need("runc")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "containers.conf").write_text(_CONTAINERS_CONF.replace('"runc"', f'"{Path(runtime).name}"'))
    (directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    environment = os.environ | {
        "PATH": f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}",
        "CONTAINERS_CONF": str(directory / "containers.conf"),
        "TERM": "xterm",
    }
    places = ("--root", f"{directory}/root", "--runroot", f"{directory}/runroot", "--tmpdir", f"{directory}/tmp")
    pull = ("pull", "--quiet", "--tls-verify=false", "--signature-policy", f"{directory}/policy.json")
    engine = Engine((program, *places), ("run", "--rm"), pull, environment)
    try:
        yield engine
    finally:
        # Layers are mounted as long as a container stands on them.
        engine.call("rm", "--all", "--force", check=False)
        shutil.rmtree(directory, ignore_errors=True)
