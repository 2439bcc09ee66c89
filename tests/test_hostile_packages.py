"""Packages that would reach out of the prefix, bring each other down or are not what they say: refused by name.

Each is one build of the whole; a watched directory outside tells whether anything there was read or written.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conda_store.errors import CondaStoreError, PackageRefused
from conda_store.packages.archives import UnpackLimits
from tests.canary import Canary, watched
from tests.engine import run_build
from tests.hostile_archives import with_member
from tests.hostile_packages import CASES
from tests.invented import (
    InventedChannel,
    member,
    specification,
    text_file,
    workshop_for,
)

SMALL = UnpackLimits(free_bytes=4 << 20)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Canary]:
    with watched(tmp_path / "outside") as canary:
        yield canary


def test_the_watch_tells_of_every_touch(outside: Canary) -> None:
    assert outside.touched() == []
    (outside.directory / "secret").read_bytes()
    assert "secret" in str(outside.touched())
    (outside.directory / "folder/made").touch()
    assert "made" in str(outside.touched())
    assert "folder/made" in str(outside.touched())


# Alone these packages are good: only together, or without python, they are refused.
GOOD_ALONE = {"file_against_directory", "path_in_another_packages_symlink", "noarch_python_without_python"} | {
    "entry_point_replaces_the_packages_own_file"
}


def honest_digests(channel: InventedChannel, name: str) -> set[str]:
    """Digests of packages that may stay in the store after a refusal."""
    listed = [record for subdir in channel.indexes.values() for record in subdir.values()]
    bad = set() if name in GOOD_ALONE else {"evil"}
    if name.startswith("python_"):
        bad = {"python"}
    return {record["sha256"] for record in listed if record["name"] not in bad}


@pytest.mark.parametrize("name", CASES)
def test_refused_by_name_before_anything_is_linked(tmp_path: Path, outside: Canary, name: str) -> None:
    channel = InventedChannel(tmp_path / "channel")
    culprits = CASES[name](channel, outside.directory)
    channel.add("honest", [text_file("share/honest")])
    workshop = workshop_for(tmp_path / "store", channel)
    workshop.packages.limits = SMALL
    targets = {"prefix": tmp_path / "prefix", "archive": tmp_path / "a.tar.gz", "oci": tmp_path / "oci"}
    with pytest.raises(CondaStoreError) as caught:
        run_build(workshop, specification("evil"), base_images="scratch", **targets)
    assert [text for text in culprits if text not in caught.value.message] == [], caught.value.message
    assert outside.touched() == [] and outside.leaked_into(workshop.directory) == []
    assert [path for path in targets.values() if path.exists()] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["channel", "outside", "store"]
    assert list((workshop.directory / "packages/tmp").iterdir()) == []
    refused = {folder.name for folder in (workshop.directory / "packages").glob("??/*")} - honest_digests(channel, name)
    assert refused == set()
    run_build(workshop, specification("honest"), base_images="scratch", **targets)
    assert (tmp_path / "prefix/share/honest").read_text() == "share/honest\n"


def test_an_archive_of_too_many_files_is_a_bomb(tmp_path: Path) -> None:
    channel = InventedChannel(tmp_path / "channel")
    stem = channel.add("evil", [text_file(f"share/{number}") for number in range(60)])
    workshop = workshop_for(tmp_path / "store", channel)
    workshop.packages.limits = UnpackLimits(entries=50)
    with pytest.raises(PackageRefused, match=rf"{stem}: .* 50 files; it is refused as a decompression bomb"):
        run_build(workshop, specification("evil"), prefix=tmp_path / "prefix")
    workshop.packages.limits = UnpackLimits(entries=70)
    run_build(workshop, specification("evil"), prefix=tmp_path / "prefix")


COMMANDS = [
    *("path_leads_upwards", "path_is_absolute", "symlink_points_out", "file_goes_through_a_symlink"),
    *("file_against_directory", "path_is_a_directory", "path_in_another_packages_symlink"),
    *("entry_point_holds_a_newline", "archive_is_a_bomb", "digest_is_another", "index_nests_without_end"),
]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_says_so_in_one_message_and_ends_with_status_one(
    tmp_path: Path, outside: Canary, name: str
) -> None:
    channel = InventedChannel(tmp_path / "channel")
    culprits = CASES[name](channel, outside.directory)
    file = tmp_path / "environment.yaml"
    file.write_text(specification("evil"))
    # The default limits let the small bomb through.
    if name == "archive_is_a_bomb":
        culprits = (with_member(channel, member("share/zeros", bytes(300 << 20))), "bomb")
    options = ["--prefix", "prefix", "--archive", "a.tar.gz", "--oci", "oci", "--store", "store"]
    command = [sys.executable, "-m", "conda_store", "build", file, "--channel", channel.directory, *options]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [*command, "--base-image", "scratch"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    message = " ".join(done.stderr.split())
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in message
    assert [text for text in culprits if text not in message] == [], message
    assert outside.touched() == [] and outside.leaked_into(tmp_path / "store") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["channel", "environment.yaml", "outside", "store"]
