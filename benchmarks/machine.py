"""On what the figures were taken: enough to compare them, nothing that tells whose machine it was."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import conda_store
from benchmarks.api_servers import RIVAL as API_RIVAL

RIVALS = ("py-rattler", "conda-pack")
LIBRARIES = ("isal", "zstandard")


def describe_machine() -> dict[str, str]:
    """What → description, in the order in which it is told."""
    return {
        "Processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores usable",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "Load when the run began": f"{os.getloadavg()[0]:.1f}",
        "System": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "conda-store": conda_store.__version__,
        "Rivals": ", ".join(
            [*(f"{name} {version(name)}" for name in RIVALS), _igzip(), _tar(), _docker_registry(), API_RIVAL]
        ),
        "Libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _igzip() -> str:
    return _first_line("igzip", "--version")


def _tar() -> str:
    return _first_line("tar", "--version")


def _docker_registry() -> str:
    # It says where its source is, then its version.
    return f"docker-registry {_first_line('docker-registry', '--version').rpartition(' ')[2]}"


def _first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().partition("\n")[0]
