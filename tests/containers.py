"""Real container engines for tests: a dockerd and a podman of their own, which take images from a registry."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.conftest import need

START_SECONDS = 60.0
RUN_SECONDS = 300.0
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

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

    def call(self, *arguments: str, check: bool = True, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command, which reads `typed`; both outputs are kept."""
        done = subprocess.run(
            [*self.command, *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=RUN_SECONDS,
            input=typed,
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
def running_docker() -> Iterator[Engine]:
    """A docker daemon with all its files in a new directory; it and its children end with the block."""
    need("runc")
    daemon, client, guard = need("dockerd"), need("docker"), need("setpriv")
    network = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}", "TERM": "xterm"}
    with short_directory() as directory, (directory / "log").open("wb") as log:
        environment["DOCKER_CONFIG"] = f"{directory}/config"
        socket = f"unix://{directory}/socket"
        places = [f"--data-root={directory}/data", f"--exec-root={directory}/exec", f"--pidfile={directory}/pid"]
        # A test run that is killed takes its daemon with it.
        command = [guard, "--pdeathsig=TERM", daemon, "-H", socket, *places, *network]
        engine = Engine((client, "-H", socket), ("run", "--rm", "--network=none"), ("pull",), environment)
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            wait_until_ready(engine, process, directory / "log")
            yield engine
        finally:
            end(process)


@contextmanager
def short_directory() -> Iterator[Path]:
    """Sockets take 108 bytes of path and podman's runroot 50: pytest's directories are too long."""
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def wait_until_ready(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when a daemon answers."""
    deadline = time.monotonic() + START_SECONDS
    while engine.call("version", check=False).returncode:
        assert process.poll() is None and time.monotonic() < deadline, f"it did not start:\n{log.read_text()}"


def end(process: subprocess.Popen[bytes]) -> None:
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
def new_podman() -> Iterator[Engine]:
    """podman with images and containers in a new directory; there is no daemon to end."""
    program = need("podman")
    need("runc")
    with short_directory() as directory:
        (directory / "containers.conf").write_text(_CONTAINERS_CONF)
        (directory / "auth.json").write_text("{}")
        (directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        environment = os.environ | {
            "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}",
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "REGISTRY_AUTH_FILE": str(directory / "auth.json"),
            "TERM": "xterm",
        }
        places = ("--root", f"{directory}/root", "--runroot", f"{directory}/run", "--tmpdir", f"{directory}/tmp")
        pull = ("pull", "--quiet", "--tls-verify=false", "--signature-policy", f"{directory}/policy.json")
        engine = Engine((program, *places), ("run", "--rm"), pull, environment)
        try:
            yield engine
        finally:
            # Layers stay mounted as long as a container stands on them.
            engine.call("rm", "--all", "--force", check=False)
