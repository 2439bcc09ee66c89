"""The kernel manager that this API's users have (PyPI `nb-conda-store-kernels` 0.1.5), unmodified, starts a kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conda_store.executors.local import LocalExecutor
from conda_store.storage.scratch import exclusive
from tests.conftest import CACHE
from tests.server import running
from tests.test_published_client import CLIENT
from tests.test_rest_streams import follow

# The manager names neither the client that it imports nor a release of it.
PACKAGES = [CLIENT, "nb-conda-store-kernels==0.1.5", "jupyter_client>=8,<9"]
YAML = "name: {name}\ndependencies: [python=3.11, ipykernel]\n"
STARTS_A_KERNEL = """
import sys
from jupyter_client.manager import KernelManager
from nb_conda_store_kernels.manager import CondaStoreKernelSpecManager

known = CondaStoreKernelSpecManager(conda_store_only=True)
(name,) = known.get_all_specs()
print(name)
kernel = KernelManager(kernel_spec_manager=known, kernel_name=name)
kernel.start_kernel()
client = kernel.blocking_client()
client.start_channels()
try:
    client.wait_for_ready(timeout=120)
    client.execute_interactive("import sys; print(sys.prefix)", timeout=60)
finally:
    client.stop_channels()
    kernel.shutdown_kernel(now=True)
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """The python of an environment with the kernel manager, installed once per checkout."""
    place = CACHE / "published-kernels"
    with exclusive(CACHE / "published-kernels.lock"):
        if not (place / "installed").exists():
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            subprocess.run([place / "bin/python", "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
            (place / "installed").touch()
    return place / "bin/python"


def test_a_kernel_of_an_environment_starts(python: Path, sample_channel: Path, tmp_path: Path) -> None:
    channel = sample_channel.as_uri()
    options = {"default_channels": [channel], "allowed_channels": [channel], "executor_class": LocalExecutor}
    for name in ("server", "jupyter"):
        (tmp_path / name).mkdir()
    with running(tmp_path / "server", build_artifacts=["LOCKFILE", "CONDA_PACK"], **options) as server:
        without = server.submit("without", text="name: {name}\ndependencies: [pytz]\n")
        build_id = server.submit("with", text=YAML)
        for one in (without, build_id):
            follow(server, one)
        environment = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path / "jupyter"),
            "TMPDIR": str(tmp_path / "jupyter"),
            "CONDA_STORE_URL": f"{server.root}{server.app.prefix}",
        }
        command = [python, "-c", STARTS_A_KERNEL]
        place = {"cwd": tmp_path / "jupyter", "env": environment}
        done = subprocess.run(command, **place, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    name, prefix = done.stdout.split()[:2]
    assert name == f"conda-store://default/with:{build_id}"
    assert Path(prefix) == tmp_path / "jupyter/conda-store" / str(build_id)
