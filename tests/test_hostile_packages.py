"""Packages that would reach out of the prefix, bring each other down or are not what they say: refused by name.

Each is one build of the whole; a watched directory outside tells whether anything there was read or written.
"""

from __future__ import annotations

import bz2
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import zstandard

from conda_store.demo.conda_package import EPOCH, PackageFile
from conda_store.errors import CondaStoreError, PackageRefused
from conda_store.packages.archives import UnpackLimits
from tests.canary import Canary, watched
from tests.engine import run_build
from tests.invented import (
    EMPTY,
    SITE_PACKAGES,
    InventedChannel,
    add_python,
    conda_archive,
    info_tar,
    member,
    specification,
    tar_of,
    text_file,
    workshop_for,
)

# What writes a hostile package into a channel, given the directory outside; returns what the message must hold.
Case = Callable[[InventedChannel, Path], tuple[str, ...]]
CASES: dict[str, Case] = {}
SMALL = UnpackLimits(free_bytes=4 << 20)
UP = "../" * 40


def case(function: Case) -> Case:
    """Register a case under its function's name."""
    CASES[function.__name__] = function
    return function


def upward(path: Path) -> str:
    """A relative path that reaches `path` from any depth."""
    return UP + str(path)[1:]


def listed(path: str, kind: str = "hardlink", **other: Any) -> dict[str, Any]:
    """An entry of paths.json."""
    return {"_path": path, "path_type": kind, "sha256": EMPTY, "size_in_bytes": 0, **other}


# Paths in the package's list


@case
def path_leads_upwards(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", paths=[listed(upward(outside / "secret"))]), "leads out", "secret"


@case
def path_is_absolute(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", paths=[listed(str(outside / "secret"))]), "absolute", "secret"


@case
def path_leads_upwards_in_the_old_list(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    info = {"paths.json": None, "files": f"{upward(outside / 'secret')}\n".encode()}
    return channel.add("evil", info=info), "secret"


@case
def prefix_is_looked_for_outside_in_the_old_list(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    path = upward(outside / "secret")
    info = {"paths.json": None, "files": f"{path}\n".encode(), "has_prefix": f"{path}\n".encode()}
    return channel.add("evil", info=info, format="tar.bz2"), "secret"


@case
def path_is_a_directory(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("share/x/y")], paths=[listed("share/x", "directory")]), "share/x", "directory"


@case
def path_is_listed_twice(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("share/x")], paths=[listed("share/x"), listed("share/x")]), "share/x", "twice"


@case
def path_is_listed_twice_in_two_forms(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    both = [listed("share/x"), listed("share/./x")]
    return channel.add("evil", [text_file("share/x")], paths=both), "share/"


@case
def path_holds_a_newline(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("share/a\nb")]), r"share/a\nb", "control"


@case
def path_holds_nul(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", paths=[listed("share/a\0b")]), r"share/a\x00b"


@case
def path_is_no_utf8(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    document = b'{"paths_version": 1, "paths": [{"_path": "share/\xff", "path_type": "hardlink"}]}'
    return channel.add("evil", info={"paths.json": document}), "paths.json"


@case
def path_is_missing_from_the_archive(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", paths=[listed("share/missing")]), "share/missing"


@case
def path_is_the_environments_own_history(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("conda-meta/history")]), "conda-meta/history"


@case
def path_is_another_packages_record(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("conda-meta/python-3.0-0.json")]), "conda-meta/python-3.0-0.json"


@case
def path_makes_a_record_a_folder(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("conda-meta/evil-1.0-0.json/x")]), "conda-meta/evil-1.0-0.json"


@case
def path_makes_the_records_a_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    files = [text_file("share/x"), PackageFile("conda-meta", link_target="share")]
    return channel.add("evil", files), "conda-meta"


@case
def path_is_the_environments_own_tag(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("CACHEDIR.TAG")]), "CACHEDIR.TAG"


@case
def path_is_the_environments_own_script(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    name = "etc/conda/activate.d/conda-store-variables.sh"
    return channel.add("evil", [text_file(name, f"touch {outside}/made\n")]), name


@case
def activation_is_a_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    files = [text_file("share/x"), PackageFile("etc/conda/activate.d", link_target="../../share")]
    return channel.add("evil", files), "etc/conda/activate.d"


@case
def bytecode_folder_is_a_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    files = [text_file("share/x"), PackageFile(f"{SITE_PACKAGES}/__pycache__", link_target="../../../share")]
    return channel.add("evil", files), "__pycache__"


# Links


@case
def symlink_points_out(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [PackageFile("share/link", link_target=upward(outside))]), "share/link", "outside"


@case
def symlink_is_absolute(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [PackageFile("share/link", link_target=str(outside / "secret"))]), "share/link"


@case
def symlink_points_out_through_another(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    deep = PackageFile("a/b/c/top", link_target="../../..")
    files = [deep, PackageFile("a/b/c/out", link_target="top/../../" + "x"), text_file("x")]
    return channel.add("evil", files), "a/b/c/out"


@case
def file_goes_through_a_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [PackageFile("a", link_target=str(outside)), text_file("a/planted")]), "'a"


@case
def file_is_written_through_a_symlink_of_its_name(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    members = [member("a", kind=tarfile.SYMTYPE, target=str(outside / "secret")), member("a", b"planted")]
    return channel.add_archive("evil", conda_archive("evil-1.0-0", tar_of(*members), info_tar("evil", ["a"]))), "'a'"


@case
def hard_link_goes_through_a_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    members = [
        member("a", kind=tarfile.SYMTYPE, target=str(outside)),
        member("stolen", kind=tarfile.LNKTYPE, target="a/secret"),
    ]
    data = conda_archive("evil-1.0-0", tar_of(*members), info_tar("evil", ["stolen"]))
    return channel.add_archive("evil", data), "stolen"


@case
def hard_link_leads_out(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    members = [member("stolen", kind=tarfile.LNKTYPE, target=upward(outside / "secret"))]
    data = conda_archive("evil-1.0-0", tar_of(*members), info_tar("evil", ["stolen"]))
    return channel.add_archive("evil", data), "stolen"


@case
def hard_link_leads_out_of_an_old_archive(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    files = [text_file("share/x"), PackageFile("stolen", hardlink_to=str(outside / "secret"))]
    return channel.add("evil", files, format="tar.bz2"), "stolen"


@case
def symlink_is_listed_as_a_file_with_a_placeholder(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    entry = listed("share/x", prefix_placeholder="secret", file_mode="text")
    return channel.add("evil", [PackageFile("share/x", link_target=str(outside / "secret"))], paths=[entry]), "share/x"


@case
def file_is_listed_as_a_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("share/x")], paths=[listed("share/x", "softlink")]), "share/x"


@case
def metadata_is_a_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    package = tar_of(member("info", kind=tarfile.SYMTYPE, target=str(outside / "folder")))
    data = conda_archive("evil-1.0-0", package, tar_of(member("info/planted", b"x")))
    return channel.add_archive("evil", data), "info"


@case
def list_of_files_is_a_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    link = PackageFile("info/paths.json", link_target=str(outside / "secret"))
    return channel.add("evil", [link], paths=[], info={"paths.json": None}), "paths.json"


@case
def index_is_a_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    link = PackageFile("info/index.json", link_target=str(outside / "folder/index.json"))
    return channel.add("evil", [link], paths=[], info={"index.json": None}, format="tar.bz2"), "index.json"


# Names, entry points and metadata


@case
def entry_point_holds_a_newline(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_entry_point(channel, "tool = a:b\nimport os"), "import os"


@case
def entry_point_leads_upwards(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_entry_point(channel, f"{upward(outside / 'made')} = a:b"), "made"


@case
def entry_point_is_code(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_entry_point(channel, "tool = os:system('id')"), "system"


@case
def entry_point_replaces_the_packages_own_file(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    files = [PackageFile("bin/tool", link_target="../share/x"), text_file("share/x")]
    return with_entry_point(channel, "tool = a:b", files), "bin/tool"


@case
def entry_points_are_a_number(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    add_python(channel)
    link = {"noarch": {"type": "python", "entry_points": 5}, "package_metadata_version": 1}
    return channel.add("evil", noarch="python", depends=["python"], link=link), "link.json"


def with_entry_point(channel: InventedChannel, text: str, files: Any = ()) -> str:
    add_python(channel)
    link = {"noarch": {"type": "python", "entry_points": [text]}, "package_metadata_version": 1}
    return channel.add("evil", files, noarch="python", depends=["python"], link=link)


@case
def noarch_python_without_python(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("site-packages/x.py", "")], noarch="python"), "no python"


@case
def python_puts_modules_outside(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    stem = add_python(channel, python_site_packages_path=upward(outside), stated={"depends": []})
    channel.add("evil", [text_file("site-packages/planted.py")], noarch="python", depends=["python"])
    return stem, "leads out"


@case
def python_puts_modules_among_the_records(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    stem = add_python(channel, python_site_packages_path="conda-meta")
    channel.add("evil", [text_file("site-packages/history")], noarch="python", depends=["python"])
    return stem, "conda-meta"


@case
def name_is_another(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    data = conda_archive("evil-1.0-0", tar_of(), info_tar("good"))
    return channel.add_archive("evil", data), "good-1.0-0"


@case
def name_leads_upwards(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    data = conda_archive("evil-1.0-0", tar_of(), info_tar(upward(outside / "made")))
    return channel.add_archive("evil", data), "made"


@case
def version_is_another(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", stated={"version": "2.0"}), "evil-1.0-0"


@case
def build_holds_a_slash(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    data = conda_archive("evil-1.0-0", tar_of(), info_tar("evil", build="../../made"))
    return channel.add_archive("evil", data, build="../../made"), "evil"


@case
def index_nests_without_end(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", info={"index.json": b"[" * 200_000}), "index.json"


@case
def list_of_files_nests_without_end(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", info={"paths.json": b'{"paths":' * 100_000}), "paths.json"


@case
def links_nest_without_end(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", info={"link.json": b'{"noarch":' * 100_000}), "link.json"


@case
def index_is_missing(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", info={"index.json": None}), "index.json"


@case
def index_has_a_time_that_is_none(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", timestamp="yesterday", stated={"timestamp": EPOCH}), "index.json"


@case
def index_has_a_time_without_end(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", timestamp=float("inf"), stated={"timestamp": EPOCH}), "index.json"


@case
def index_depends_on_a_number(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", depends=7, stated={"depends": []}), "index.json"


# Archives


@case
def digest_is_another(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("share/x")], stated={"sha256": "0" * 64}), "0" * 64


@case
def archive_is_cut_off(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    whole = conda_archive("evil-1.0-0", tar_of(member("a", os.urandom(50_000))), info_tar("evil", ["a"]))
    return channel.add_archive("evil", whole[:30_000]), "cannot be read"


@case
def inner_archive_is_cut_off(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    tar = tar_of(member("a", os.urandom(50_000)))
    return channel.add_archive("evil", conda_archive("evil-1.0-0", tar[:20_000], info_tar("evil", ["a"]))), "archive"


@case
def archive_is_no_zip(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", b"<html>404</html>"), "cannot be read"


@case
def old_archive_is_no_archive(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", b"<html>404</html>", ".tar.bz2"), "cannot be read"


@case
def archive_is_empty(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", b""), "cannot be read"


@case
def archive_holds_nothing(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", conda_archive("evil-1.0-0", tar_of(), tar_of())), "info"


def with_member(channel: InventedChannel, *bad: Any, suffix: str = ".conda") -> str:
    info = info_tar("evil")
    if suffix == ".conda":
        return channel.add_archive("evil", conda_archive("evil-1.0-0", tar_of(*bad), info))
    index = json.dumps({"name": "evil"}).encode()
    return channel.add_archive("evil", bz2.compress(tar_of(member("info/index.json", index), *bad)), suffix)


@case
def member_is_absolute(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member(str(outside / "made"), b"x")), "made"


@case
def member_leads_upwards(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member(upward(outside / "made"), b"x")), "made"


@case
def member_of_an_old_archive_is_absolute(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member(str(outside / "made"), b"x"), suffix=".tar.bz2"), "made"


@case
def member_of_an_old_archive_leads_upwards(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member(upward(outside / "made"), b"x"), suffix=".tar.bz2"), "made"


@case
def member_is_a_pipe(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member("share/pipe", kind=tarfile.FIFOTYPE)), "share/pipe", "pipe"


@case
def member_is_a_device(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member("share/zero", kind=tarfile.CHRTYPE), suffix=".tar.bz2"), "share/zero", "device"


@case
def archive_is_a_bomb(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member("share/zeros", bytes(20 << 20))), "bomb"


@case
def name_in_the_archive_is_a_bomb(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    data = header_bomb(20 << 20)
    return channel.add_archive("evil", conda_archive("evil-1.0-0", data, info_tar("evil"))), "bomb"


@case
def name_in_an_old_archive_is_a_bomb(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", bz2.compress(header_bomb(20 << 20)), ".tar.bz2"), "bomb"


def header_bomb(size: int) -> bytes:
    """A tar whose one member has a name of `size` bytes: readers hold names in memory."""
    made = tarfile.TarInfo("././@LongLink")
    made.type, made.size = tarfile.GNUTYPE_LONGNAME, size
    return made.tobuf(tarfile.GNU_FORMAT) + b"a" * size + tarfile.TarInfo("x").tobuf() + bytes(1024)


@case
def archive_hides_a_part_from_its_directory(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    hidden = tar_of(member(str(outside / "made"), b"x"), member("share/zeros", bytes(20 << 20)))
    data = conda_archive("evil-1.0-0", tar_of(member("share/x")), info_tar("evil", ["share/x"]), hidden)
    return channel.add_archive("evil", data), "archive"


@case
def archive_is_compressed_twice(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, tar in (("info", info_tar("evil")), ("pkg", tar_of(member("share/x")))):
            archive.writestr(f"{part}-evil-1.0-0.tar.zst", zstandard.compress(tar))
    return channel.add_archive("evil", buffer.getvalue()), "cannot be read"


@case
def header_of_the_zip_is_another(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    data = conda_archive("evil-1.0-0", tar_of(member("share/x")), info_tar("evil", ["share/x"]))
    return (
        channel.add_archive("evil", data.replace(b"metadata.json", b"pkg-x.tar.zst", 1)),
        "metadata.json",
        "directory",
    )


@case
def size_stands_twice_in_a_header(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    """A reader that takes the second size finds the inner tar's members, where others see one file's content."""
    inner = tar_of(member(str(outside / "made"), b"x"), member("a", kind=tarfile.SYMTYPE, target=str(outside)))
    outer, _ = member("share/x")
    outer.pax_headers = {"size": str(len(inner))}
    tar = outer.tobuf(tarfile.PAX_FORMAT) + inner + bytes(-len(inner) % 512) + bytes(1024)
    entry = {"files": ["share/x", "a"]}
    return channel.add_archive("evil", conda_archive("evil-1.0-0", tar, info_tar("evil", **entry))), "'a'"


# Packages that contradict each other


@case
def file_against_directory(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    first = channel.add("evil", [text_file("share/x")], depends=["other"])
    return first, channel.add("other", [text_file("share/x/y")]), "'share/x'"


@case
def path_in_another_packages_symlink(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    files = [text_file("share/real"), PackageFile("share/link", link_target=".")]
    first = channel.add("evil", files, depends=["other"])
    return first, channel.add("other", [text_file("share/link/y")]), "'share/link'", "symlink"


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
