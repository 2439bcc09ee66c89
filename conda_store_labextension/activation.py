"""What a shell would have in its environment after `conda activate`, for a program that no shell starts.

Nothing of conda is needed: variables of the environment, then its scripts in `etc/conda/activate.d`, which bash reads.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from conda_store.errors import BadInput

_SECONDS = 60
# What another environment left: it would be taken for this one's.
_FOREIGN = ("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER", "PYTHONHOME", "VIRTUAL_ENV")
# What bash makes of them is its own; BASH_ENV would be read before the scripts.
_OF_BASH = ("_", "BASH_ENV", "OLDPWD", "PWD", "SHLVL")
_SCRIPT = 'for one in "$1"/etc/conda/activate.d/*.sh; do . "$one" >&2; done; exec env -0'


def activated(prefix: Path, title: str, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the environment at `prefix` activated, which is called `title`. Raises `BadInput`."""
    found = {name: value for name, value in environ.items() if name not in _FOREIGN}
    found["PATH"] = os.pathsep.join([str(prefix / "bin"), *filter(None, [environ.get("PATH")])])
    found |= {"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": title, "CONDA_SHLVL": "1"}
    found |= _variables(prefix)
    return _after_scripts(prefix, found) if any(prefix.glob("etc/conda/activate.d/*.sh")) else found


def _variables(prefix: Path) -> dict[str, str]:
    """Those of packages, then those of the environment (conda: `env_vars.d`, `conda-meta/state`)."""
    found: dict[str, str] = {}
    for path in sorted(prefix.glob("etc/conda/env_vars.d/*.json")):
        found |= _texts(_read(path))
    state = _read(prefix / "conda-meta" / "state")
    return found | _texts(state.get("env_vars"))


def _read(path: Path) -> dict[str, object]:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _texts(said: object) -> dict[str, str]:
    found = said if isinstance(said, dict) else {}
    return {str(name): value for name, value in found.items() if isinstance(value, str)}


def _after_scripts(prefix: Path, environ: dict[str, str]) -> dict[str, str]:
    shell = shutil.which("bash")
    if shell is None:
        raise BadInput("Environments are activated by bash, and there is none on PATH: install it.")
    command = [shell, "--noprofile", "--norc", "-c", _SCRIPT, "conda-store", str(prefix)]
    given = {name: value for name, value in environ.items() if name not in _OF_BASH}
    try:
        done = subprocess.run(command, env=given, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise BadInput(f"The scripts in {prefix}/etc/conda/activate.d take more than {_SECONDS} seconds.") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason"]
        raise BadInput(f"The environment at {prefix} cannot be activated: {said[-1]}")
    lines = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    kept = {name: environ[name] for name in _OF_BASH if name in environ}
    return {name: value for name, value in found.items() if name not in _OF_BASH} | kept
