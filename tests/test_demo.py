"""`conda-store demo`: reaches "ready", and every line that it prints works as printed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import need
from tests.containers import running_docker

ROOT = Path(__file__).parent.parent


@contextmanager
def running_demo(directory: Path, channel: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command, and what it printed until it was ready."""
    command = [sys.executable, "-m", "conda_store", "demo", "--directory", directory, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--channel", channel], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if "Ctrl-C ends it" in line:
                break
        yield process, lines
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def told(lines: list[str], what: str) -> str:
    """What the demo printed behind a word, at the end: the log before has such words too."""
    return next(match[1].strip() for line in reversed(lines) if (match := re.match(rf"  {what} +(.*)", line)))


@pytest.mark.docker
def test_every_line_that_the_demo_prints_works_and_a_second_start_builds_nothing(
    sample_channel: Path, tmp_path: Path
) -> None:
    need("curl")
    with running_demo(tmp_path / "d", sample_channel) as (process, lines):
        assert "ready: default/data-science" in lines, "\n".join(lines)
        page = subprocess.run(["curl", "-fsS", told(lines, "page")], capture_output=True, text=True, check=True)
        assert "data-science" in page.stdout
        subprocess.run([told(lines, "prefix"), "-c", "import numpy, pandas"], check=True)
        for what, file in (("lockfile", "conda-lock.yml"), ("archive", "data-science.tar.gz")):
            subprocess.run(["bash", "-c", f"{told(lines, what)} -fsS"], cwd=tmp_path, check=True)
            assert (tmp_path / file).stat().st_size > 1000
        with running_docker() as docker:
            for what in ("image", "on demand"):
                image = told(lines, what).split()[-1].replace("localhost", "127.0.0.1")
                docker.fetch(image)
                assert "42" in docker.output(image, "python", "-c", "import numpy; print(40 + 2)")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    with running_demo(tmp_path / "d", sample_channel) as (process, lines):
        assert told(lines, "page").endswith("/build/1/")
    assert [path.name for path in (tmp_path / "d/environments/default").iterdir()] == ["data-science"]
