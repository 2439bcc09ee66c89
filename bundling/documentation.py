"""Builds docs/ by Sphinx into conda_store/documentation, one fragment of HTML for each document."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "conda_store" / "documentation"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        options = ["-q", "-b", "json", "-d", f"{folder}/trees"]
        subprocess.run([sys.executable, "-m", "sphinx", *options, ROOT / "docs", f"{folder}/out"], check=True)
        shutil.rmtree(TARGET, ignore_errors=True)
        TARGET.mkdir()
        for fragment in sorted(Path(folder, "out").glob("*.fjson")):
            if fragment.stem not in ("genindex", "search"):
                # Who has no mouse scrolls a long line, too, once it can be focused.
                text = fragment.read_text().replace("<pre>", '<pre tabindex=\\"0\\">')
                (TARGET / f"{fragment.stem}.json").write_text(text)
