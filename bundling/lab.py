"""Builds the JupyterLab extension into conda_store_labextension/static; `--link` shows a checkout's to Jupyter.

An editable install puts no data files in place: `make develop` links them below the environment's `share` and `etc`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from node import ROOT, npm, packages

LINKS = {
    "share/jupyter/labextensions/conda-store": "conda_store_labextension/static",
    "etc/jupyter/jupyter_server_config.d/conda-store.json": "jupyter_config/jupyter_server_config.d/conda-store.json",
}


def link(prefix: Path) -> None:
    """Show Jupyter this checkout's extension, as `pip install` shows it a copy."""
    for name, source in LINKS.items():
        place = prefix / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(ROOT / source)


if __name__ == "__main__":
    packages()
    npm("run", "--silent", "build:lab")
    if "--link" in sys.argv[1:]:
        link(Path(sys.prefix))
