"""Killed at random points: nothing half-made is ever visible, and the next run succeeds and equals a clean one."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine import Node, tree_of
from tests.half_made import half_made

SEEDS = 50
GROUPS = 5
SOURCE = """\
name: killed
dependencies: [python, markupsafe, {pip: [cowsay]}]
variables: {TEAM: data}
"""


@dataclass(frozen=True)
class Outcome:
    """What a run left, and how long it took in seconds."""

    digest: str
    archive: str
    prefix: dict[str, Node]
    seconds: float


class Killable:
    """A build in a store of its own that can be run to its end, or killed."""

    def __init__(self, folder: Path, channel: Path, base_image: str) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.removing: subprocess.Popen[bytes] | None = None
        # Paths stand in prefixes: all runs use the same ones.
        self.artifacts = {name: folder / name for name in ("prefix", "lock.yml", "a.tar.gz", "image")}
        (folder / "environment.yaml").write_text(SOURCE)
        self.command = [
            *(sys.executable, "-m", "conda_store", "build", str(folder / "environment.yaml"), "--quiet"),
            *("--channel", str(channel), "--base-image", base_image, "--store", str(self.store)),
            *("--prefix", str(self.artifacts["prefix"]), "--lock", str(self.artifacts["lock.yml"])),
            *("--archive", str(self.artifacts["a.tar.gz"]), "--oci", str(self.artifacts["image"])),
        ]

    def start(self) -> subprocess.Popen[bytes]:
        """Start a run in a process group of its own."""
        return subprocess.Popen(self.command, stderr=subprocess.PIPE, start_new_session=True)

    def finish(self) -> Outcome:
        """Run to the end and read what is there."""
        started = time.monotonic()
        process = self.start()
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()
        image = json.loads((self.artifacts["image"] / "index.json").read_bytes())["manifests"][0]["digest"]
        archive = hashlib.sha256(self.artifacts["a.tar.gz"].read_bytes()).hexdigest()
        return Outcome(image, archive, tree_of(self.artifacts["prefix"]), time.monotonic() - started)

    def kill_after(self, seconds: float, whole_group: bool) -> None:
        """Start a run and kill it, or its process alone, after some time."""
        process = self.start()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL) if whole_group else process.kill()
        process.communicate()
        end_orphans(process.pid)

    def clear(self) -> None:
        """Forget everything that was made; it is removed meanwhile, which takes some disks as long as a run."""
        gone = Path(tempfile.mkdtemp(dir=self.folder.parent))
        for path in (self.store, *self.artifacts.values()):
            with suppress(FileNotFoundError):
                path.rename(gone / path.name)
        self.wait()
        self.removing = subprocess.Popen(["rm", "-rf", gone])

    def wait(self) -> None:
        """Until what was forgotten is gone."""
        if self.removing is not None:
            assert self.removing.wait() == 0


def end_orphans(group: int) -> None:
    """Wait for what a killed process started (uv, a compiling python) to end by itself: pipes and inputs are gone."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    os.killpg(group, signal.SIGKILL)


@pytest.fixture
def subject(sample_channel: Path, base_image: str, tmp_path: Path) -> Iterator[Killable]:
    made = Killable(tmp_path.resolve(), sample_channel, base_image)
    yield made
    made.wait()


@pytest.mark.parametrize("group", range(GROUPS))
def test_after_a_kill_nothing_half_made_is_visible_and_the_next_run_equals_a_clean_one(
    group: int, subject: Killable
) -> None:
    clean = subject.finish()
    for seed in range(group, SEEDS, GROUPS):
        chance = random.Random(seed)
        subject.clear()
        subject.kill_after(chance.uniform(0.1, clean.seconds), whole_group=chance.random() < 0.5)
        assert list(half_made(subject.store)) == [], f"seed {seed}"
        assert not subject.artifacts["prefix"].exists() or tree_of(subject.artifacts["prefix"]) == clean.prefix
        if chance.random() < 0.5:
            subject.kill_after(chance.uniform(0.1, clean.seconds), whole_group=True)
            assert list(half_made(subject.store)) == [], f"seed {seed}, second kill"
        outcome = subject.finish()
        assert outcome.digest == clean.digest, f"seed {seed}"
        assert outcome.archive == clean.archive, f"seed {seed}"
        assert outcome.prefix == clean.prefix, f"seed {seed}"
        left = sorted(path.name for path in subject.folder.iterdir())
        assert left == sorted(["environment.yaml", "store", *(path.name for path in subject.artifacts.values())])


def test_the_check_for_half_made_things_can_fail(subject: Killable) -> None:
    subject.finish()
    assert list(half_made(subject.store)) == []
    damaged = next(subject.store.glob("blobs/sha256/*/*"))
    damaged.unlink()
    damaged.write_bytes(b"half")
    assert len(list(half_made(subject.store))) == 1


def test_control_c_leaves_nothing_half_made(subject: Killable) -> None:
    seconds = subject.finish().seconds
    for part in (0.3, 0.6, 0.8):
        subject.clear()
        process = subject.start()
        time.sleep(seconds * part)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        if process.returncode == 0:
            continue
        assert process.returncode == 130, errors
        assert b"Interrupted" in errors and b"Traceback" not in errors
        assert list(half_made(subject.store)) == []
        assert sorted(path.name for path in subject.folder.iterdir() if path.name.startswith(".")) == []


def test_two_runs_at_once_in_one_store_both_succeed(subject: Killable) -> None:
    clean = subject.finish()
    subject.clear()
    runs = [subject.start() for _ in range(2)]
    errors = [run.communicate()[1].decode() for run in runs]
    # They race for the same prefix and image: one may find the other's half-way exchanged, never break it.
    assert 0 in [run.returncode for run in runs], errors
    assert list(half_made(subject.store)) == []
    assert subject.finish().prefix == clean.prefix
