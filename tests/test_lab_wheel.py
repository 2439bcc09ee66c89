"""One wheel brings the panel: the bundle once, the same bytes every time, found by Jupyter as soon as it is there."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_old_databases import Installed
from tests.wheel import build_wheel

ROOT = Path(__file__).parent.parent
PANEL = "share/jupyter/labextensions/conda-store"
SETTING = "etc/jupyter/jupyter_server_config.d/conda-store.json"
ALLOWED_BYTES = 300_000


@pytest.fixture(scope="module")
def inside(wheel: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel, opened."""
    with zipfile.ZipFile(wheel) as archive:
        yield archive


def below_prefix(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """What pip puts below the environment's prefix, by where."""
    split = {name: name.partition(".data/data/")[2] for name in archive.namelist()}
    return {place: archive.read(name) for name, place in split.items() if place}


def test_the_bundle_is_in_the_wheel_once_and_as_jupyter_wants_it(inside: zipfile.ZipFile) -> None:
    names = inside.namelist()
    assert len(names) == len(set(names))
    assert [name for name in names if name.startswith("conda_store_labextension/") and not name.endswith(".py")] == []
    found = below_prefix(inside)
    assert all(name == SETTING or name.startswith(f"{PANEL}/") for name in found), sorted(found)
    assert len([name for name in found if "/remoteEntry." in name]) == 1
    assert json.loads(found[SETTING])["ServerApp"]["jpserver_extensions"] == {"conda_store_labextension": True}
    package = json.loads(found[f"{PANEL}/package.json"])
    load = package["jupyterlab"]["_build"]["load"]
    assert f"{PANEL}/{load}" in found and f"{PANEL}/schemas/conda-store/plugin.json" in found
    assert json.loads(found[f"{PANEL}/install.json"])["packageName"] == "conda-store"
    contents = [data for name, data in found.items() if name.endswith(".js")]
    assert len(contents) == len(set(contents))


def test_the_bundle_is_small_and_names_no_folder_of_who_built_it(inside: zipfile.ZipFile) -> None:
    scripts = {name: data for name, data in below_prefix(inside).items() if name.endswith(".js")}
    assert sum(len(gzip.compress(data)) for data in scripts.values()) < ALLOWED_BYTES
    home = str(ROOT).encode()
    assert [name for name, data in scripts.items() if home in data or b"node_modules/" in data] == []


def test_a_second_build_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    """The first one had no node but PyPI's; this one has the machine's, and another hour."""
    build_wheel(wheel.parent / "source", tmp_path, path=os.environ["PATH"])
    again = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert one.namelist() == other.namelist()
        assert [name for name in one.namelist() if one.read(name) != other.read(name)] == []
    assert again.read_bytes() == wheel.read_bytes()


def test_pip_alone_puts_it_in_place_and_takes_it_away(wheel: Path, tmp_path: Path) -> None:
    installed = Installed(tmp_path, wheel)
    before = files(tmp_path)
    installed.pip("install", "--no-deps", installed.wheel)
    panel = said_by(installed, "from jupyterlab.labextensions import main; main()")
    assert re.search(r"conda-store v\S+ enabled OK \(python, conda-store\)", panel), panel
    server = said_by(installed, "from jupyter_server.serverapp import main; main()", "extension")
    assert re.search(r"conda_store_labextension enabled\n.*\n +conda_store_labextension \S+ OK", server), server
    installed.pip("uninstall", "--yes", "conda-store")
    assert files(tmp_path) - before == set()


def files(directory: Path) -> set[Path]:
    """All of them."""
    return {path for path in directory.rglob("*") if path.is_file()}


def said_by(installed: Installed, program: str, *words: str) -> str:
    """What a program of Jupyter lists, without its colours; there is no configuration but the installation's."""
    empty = Path(os.devnull)
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(empty), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [installed.python, "-c", program, *words, "list"]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)
    return re.sub(r"\x1b\[\d+m", "", done.stdout + done.stderr)
