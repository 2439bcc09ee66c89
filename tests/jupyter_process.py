"""A real Jupyter server with the extension, as a process of its own: kernels are started and asked over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

TOKEN = "the-jupyter-servers-own"  # noqa: S105
SECONDS = 60
# Heartbeats are late on a busy machine, and the kernel would be taken for dead.
_EXECUTES = """
import sys
from jupyter_client import BlockingKernelClient
client = BlockingKernelClient()
client.load_connection_file(sys.argv[1])
client.start_channels(hb=False)
seconds = int(sys.argv[3])
client.wait_for_ready(timeout=seconds)
said = []
hook = lambda one: said.append(one["content"].get("text", ""))
done = client.execute_interactive(sys.argv[2], timeout=seconds, output_hook=hook)
client.stop_channels()
assert done["content"]["status"] == "ok", done["content"]
print("".join(said))
"""


class Jupyter:
    """`web` speaks to the server; its files are below `directory`."""

    def __init__(self, directory: Path, process: subprocess.Popen[bytes], url: str) -> None:
        self.directory, self.process = directory, process
        headers = {"Authorization": f"token {TOKEN}"}
        self.web = httpx.Client(base_url=url, headers=headers, timeout=120)

    @property
    def log(self) -> str:
        """What the server wrote."""
        return (self.directory / "log").read_text()

    def specs(self) -> dict[str, Any]:
        """Kernels by name, as JupyterLab asks for them."""
        return dict(self.web.get("api/kernelspecs").raise_for_status().json()["kernelspecs"])

    def kernels(self) -> list[dict[str, Any]]:
        """What the panel is told."""
        return list(self.web.get("conda-store/kernels/").raise_for_status().json()["kernels"])

    def wait_for(self, found: Callable[[], Any]) -> Any:
        """What `found` finds, once it is something."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if result := found():
                return result
            time.sleep(0.05)
        raise AssertionError(f"It never came. The Jupyter server says:\n{self.log[-5000:]}")

    def start(self, name: str) -> httpx.Response:
        """The answer to the start of a kernel for a notebook, as JupyterLab asks for it."""
        path = f"{os.urandom(4).hex()}.ipynb"
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": name}}
        return self.web.post("api/sessions", json=body)

    def run(self, name: str, code: str) -> str:
        """What a new kernel prints; it is ended then."""
        answer = self.start(name)
        assert answer.status_code == 201, answer.text + self.log[-5000:]
        try:
            return self.execute(answer.json()["kernel"]["id"], code)
        finally:
            self.web.delete(f"api/sessions/{answer.json()['id']}")

    def execute(self, kernel_id: str, code: str) -> str:
        """What a kernel prints."""
        # A process of its own: the client leaves event loops and sockets behind.
        file = self.directory / "runtime" / f"kernel-{kernel_id}.json"
        command = [sys.executable, "-c", _EXECUTES, str(file), code, str(SECONDS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=3 * SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def running_jupyter(directory: Path, *options: str, **environ: str) -> Iterator[Jupyter]:
    """A server whose home, configuration and data are below `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    config = '--ServerApp.jpserver_extensions={"conda_store_labextension": True}'
    command = [sys.executable, "-m", "jupyter_server", config, f"--IdentityProvider.token={TOKEN}", "--port=0"]
    command += ["--allow-root", "--no-browser", "--ip=127.0.0.1", f"--ServerApp.root_dir={directory}", *options]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=directory, env=_surroundings(directory, environ), stdout=log, stderr=log
        )
    try:
        jupyter = Jupyter(directory, process, _address(directory, process))
        with jupyter.web:
            yield jupyter
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _surroundings(directory: Path, environ: Mapping[str, str]) -> dict[str, str]:
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "JUPYTER_CONFIG_DIR": str(directory / "config"),
        "JUPYTER_DATA_DIR": str(directory / "data"),
        "JUPYTER_RUNTIME_DIR": str(directory / "runtime"),
        "IPYTHONDIR": str(directory / "ipython"),
        "JUPYTER_NO_CONFIG": "1",  # JupyterLab is not loaded
        "PYTHONUNBUFFERED": "1",
    }
    return {**own, **environ}


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}api").is_success
    except httpx.ConnectError:
        return False  # its file is there before it listens


def _address(directory: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the server listens, as its own file says."""
    import json

    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for path in (directory / "runtime").glob("jpserver-*.json"):
            url = json.loads(path.read_text() or "{}").get("url")
            if url and _answers(url):
                return str(url)
        time.sleep(0.05)
    raise AssertionError(f"The Jupyter server did not start:\n{(directory / 'log').read_text()}")
