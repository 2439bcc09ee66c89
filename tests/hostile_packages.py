"""Hostile packages by what their lists, links and metadata say; archives are in `hostile_archives.py`."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conda_store.demo.conda_package import EPOCH, PackageFile
from tests.invented import (
    EMPTY,
    SITE_PACKAGES,
    InventedChannel,
    add_python,
    conda_archive,
    info_tar,
    member,
    tar_of,
    text_file,
)

# What writes a hostile package into a channel, given the directory outside; returns what the message must hold.
Case = Callable[[InventedChannel, Path], tuple[str, ...]]
CASES: dict[str, Case] = {}
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
