"""The wheel of this checkout, built as a user's pip builds it, and what is made once for all workers of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conda_store.storage.scratch import exclusive

__all__ = ["build_wheel", "of_all_workers", "tracked_files", "wheel"]

ROOT = Path(__file__).parent.parent


def of_all_workers(factory: pytest.TempPathFactory) -> Path:
    """A directory of this run that all workers of pytest-xdist have in common."""
    mine = factory.getbasetemp()
    return mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine


def tracked_files() -> list[str]:
    """What git knows of, as it lies here now."""
    said = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in said.strip("\0").split("\0") if (ROOT / name).exists()]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by whichever worker comes first, as on a machine without node: what browsers get takes it a minute."""
    place = of_all_workers(tmp_path_factory) / "wheel"
    with exclusive(place.with_suffix(".lock")):
        if not list(place.glob("*.whl")):
            shutil.rmtree(place, ignore_errors=True)
            (place / "bin").mkdir(parents=True)
            (place / "bin/sh").symlink_to("/bin/sh")
            build_wheel(place / "source", place, path=str(place / "bin"))
    (found,) = place.glob("conda_store-*.whl")
    return found


def build_wheel(source: Path, target: Path, path: str) -> None:
    """Build it into `target`, of a clean copy at `source`, by what is on `path` and what pip fetches for it."""
    for name in tracked_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    if (ROOT / "node_modules").exists():
        # As `make develop` fetched it; bundling fetches it again where package-lock.json is newer.
        (source / "node_modules").symlink_to(ROOT / "node_modules")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", target, source]
    subprocess.run(command, check=True, env=os.environ | {"PATH": path})
    shutil.rmtree(source)
