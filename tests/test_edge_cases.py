"""Packages that share paths, links, placeholders and odd names: prefix, image and archive are what rattler makes."""

from __future__ import annotations

import json
import random
import shutil
import stat
from pathlib import Path

import pytest

from conda_store.demo.conda_package import PLACEHOLDER, PackageFile
from conda_store.errors import PackageRefused
from conda_store.packages.locked import LockedWheel
from tests.agreement import (
    IMAGE_PREFIX,
    Place,
    agree,
    differences,
    leaves,
    unpack_image,
    unpack_with_tar,
)
from tests.engine import Collected, run_build
from tests.invented import (
    SHORT,
    SITE_PACKAGES,
    add_python,
    compiled_module,
    make_wheel,
    placeholder_file,
    specification,
    text_file,
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# Random environments

MODULE_PATHS = [f"{SITE_PACKAGES}/{name}.py" for name in ("one", "two", "shared/__init__", "shared/three")]
VERSION = {"package_metadata_version": 1}
PLAIN_PATHS = ["share/data", "bin/tool", "etc/settings", "lib/libx.so", "share/doc/readme"]


class Graph:
    """A random environment: packages whose paths and dependencies are drawn, with `python` below all."""

    def __init__(self, seed: int, place: Place) -> None:
        self.draw = random.Random(seed)
        self.place = place
        self.names = [f"{self.draw.choice(['_', '', 'x-'])}p{n}-{seed}" for n in range(self.draw.randint(2, 6))]
        self.draw.shuffle(self.names)
        self.holds_prefix: set[str] = set()
        self.contested: set[str] = set()
        self.wheel_files: dict[str, bytes] = {}
        add_python(place.channel)
        for number, name in enumerate(self.names):
            self.add(name, [other for other in self.names[:number] if self.draw.random() < 0.4])

    def add(self, name: str, depends: list[str]) -> None:
        noarch = self.draw.random() < 0.4
        options = {"noarch": "python", "link": self.link(name)} if noarch else {}
        files = [text_file(f"share/{name}", "x" * self.draw.choice([10, 3_000, 200_000]))]
        taken = {"bin/tool"} if "tool = " in str(options) else set()
        for path in sorted({*self.draw.sample(PLAIN_PATHS, self.draw.randint(1, 4))} - taken):
            files.append(self.plain(path, name))
        for path in self.draw.sample(MODULE_PATHS, self.draw.randint(0, 3)):
            files += self.module(path, name, noarch)
        self.place.channel.add(name, files, depends=["python", *depends], **options)

    def plain(self, path: str, name: str) -> PackageFile:
        kind = self.draw.choice(["file", "file", "executable", "link", "text", "binary"])
        if kind == "link" and path != "bin/tool":
            return PackageFile(path, link_target=f"../share/{name}" if path.count("/") == 1 else f"../{name}")
        if kind == "text":
            self.holds_prefix.add(path)
            return placeholder_file(path, f"{name} in PREFIX and PREFIX/x\n")
        if kind == "binary":
            self.holds_prefix.add(path)
            return placeholder_file(path, name.encode() + b"\0PREFIX/a:PREFIX/b\0rest", 0o755)
        return text_file(path, f"{path} of {name}", mode=0o755 if kind == "executable" else 0o644)

    def module(self, path: str, name: str, noarch: bool) -> list[PackageFile]:
        kind = self.draw.choice(
            ["plain", "plain", "broken", "compiled", "only compiled", "holding", "holding and compiled"]
        )
        place = path.replace(SITE_PACKAGES, "site-packages") if noarch else path
        if kind == "broken":
            return [text_file(place, f"this is {name}, no python\n")]
        if kind.startswith("holding"):
            self.holds_prefix.add(path)
            source = placeholder_file(place, f"where = 'PREFIX', '{name}'\n")
        else:
            source = text_file(place, f"name = '{name}'\n" * self.draw.randint(1, 3))
        if kind == "only compiled":
            return [] if noarch else [compiled_module(place, source.content or b"")]
        brings = kind.endswith("compiled") and not noarch
        return [source, compiled_module(place, source.content or b"")] if brings else [source]

    def link(self, name: str) -> dict[str, object]:
        points = ["tool = one:main"] if self.draw.random() < 0.4 else [f"{name} = two:run.it"]
        self.contested.update({"bin/tool"} if points[0].startswith("tool ") else ())
        self.holds_prefix.update(f"bin/{point.split(' ')[0]}" for point in points)
        return {"noarch": {"type": "python", "entry_points": points}, "package_metadata_version": 1}

    def wheels(self) -> list[LockedWheel]:
        made = []
        for number in range(self.draw.choice([0, 0, 1, 2])):
            chosen = {path: f"wheel = {number}\n".encode() for path in self.draw.sample(MODULE_PATHS, 2)}
            self.wheel_files |= chosen
            short = {path.removeprefix(f"{SITE_PACKAGES}/"): data for path, data in chosen.items()}
            made.append(make_wheel(self.place.directory / "wheels", f"wheel{number}", short))
        return made


@pytest.mark.parametrize("seed", range(40))
def test_random_packages_that_share_paths_agree_everywhere(place: Place, seed: int) -> None:
    graph = Graph(seed, place)
    made = place.make(["python", *graph.names], graph.wheels())
    agree(made, graph.wheel_files, holds_prefix=sorted(graph.holds_prefix), contested=sorted(graph.contested))


# Single cases


def test_placeholders_entry_points_links_and_old_packages(place: Place) -> None:
    channel = place.channel
    add_python(channel)
    prefix = str(place.directory / "prefix")
    long = f"#!PREFIX/bin/python{SHORT} -O\nprint('PREFIX')\n"
    binary = b"\x7fELF\0PREFIX/lib:PREFIX/share\0\0tail PREFIX\0end"
    channel.add(
        "_holds",
        [
            placeholder_file("bin/holds", long, 0o755),
            placeholder_file("lib/libholds.so", binary, 0o755),
            placeholder_file("share/holds.txt", "PREFIX:PREFIX\n", 0o600),
            text_file("share/odd mode", "x", mode=0o4777),
            text_file("share/naïve ☃ name", "snow"),
            text_file("share/empty", b"\n"),
        ],
    )
    channel.add(
        "links",
        [
            text_file("lib/libx.so.1.2", "library", mode=0o755),
            PackageFile("lib/libx.so", link_target="libx.so.1"),
            PackageFile("lib/libx.so.1", link_target="libx.so.1.2"),
            text_file("share/folder/file", "inside"),
            PackageFile("share/to-folder", link_target="folder"),
            PackageFile("share/up", link_target="../lib/libx.so"),
            PackageFile("share/hanging", link_target="nowhere"),
            PackageFile("lib/hard", hardlink_to="lib/libx.so.1.2"),
        ],
    )
    old = [text_file("share/old"), placeholder_file("bin/old", "#!PREFIX/bin/sh\n", 0o755)]
    channel.add("old", [*old, PackageFile("share/old-link", link_target="old")], info={"paths.json": None})
    channel.add("older", [text_file("share/older")], info={"paths.json": None}, format="tar.bz2")
    link = {"noarch": {"type": "python", "entry_points": ["tool = pkg.sub:main", "other=pkg:a.b"]}}
    sources = [text_file(f"site-packages/pkg/{name}.py", "a = main = 1\n") for name in ("__init__", "sub")]
    script = placeholder_file("python-scripts/script", "#!PREFIX/bin/python\n", 0o755)
    channel.add("pure", [*sources, script], noarch="python", depends=["python"], link={**link, **VERSION})
    made = place.make(["python", "_holds", "links", "old", "older", "pure"])
    holding = ["bin/holds", "lib/libholds.so", "share/holds.txt", "bin/old", "bin/script", "bin/tool", "bin/other"]
    agree(made, holds_prefix=holding)
    for root, where in ((made.prefix, prefix), (made.image, str(IMAGE_PREFIX))):
        assert (root / "share/holds.txt").read_text() == f"{where}:{where}\n"
        library = (root / "lib/libholds.so").read_bytes()
        assert library.startswith(f"\x7fELF\0{where}/lib:{where}/share\0".encode())
        assert library.endswith(b"\0end") and len(library) == len(binary.replace(b"PREFIX", PLACEHOLDER.encode()))
        assert "from pkg.sub import main" in (root / "bin/tool").read_text()
        assert "sys.exit(a.b())" in (root / "bin/other").read_text()
        assert (root / "share/to-folder/file").read_text() == "inside"
        assert (root / "lib/hard").read_bytes() == b"library"
        assert stat.S_IMODE((root / "share/odd mode").stat().st_mode) & 0o7000 == 0
    assert not any(path.stat().st_nlink > 1 for path in made.image.rglob("*") if path.is_file())


def test_a_link_script_is_skipped_and_named(place: Place) -> None:
    script = text_file("bin/.eager-post-link.sh", f"#!/bin/sh\ntouch '{place.directory}/ran'\n", mode=0o755)
    stem = place.channel.add("eager", [script, text_file("share/eager")])
    progress = Collected()
    run_build(place.workshop, specification("eager"), progress, prefix=place.directory / "prefix")
    assert [text for text in progress.warnings if stem in text and "bin/.eager-post-link.sh" in text]
    assert not (place.directory / "ran").exists()
    assert (place.directory / "prefix/share/eager").exists()


@pytest.mark.parametrize("later", ["points", "file", "link"])
def test_an_entry_point_and_a_file_at_one_path(place: Place, later: str) -> None:
    """rattler would write the entry point into whatever stands there, and so into the package store."""
    add_python(place.channel)
    brings = {
        "points": {"noarch": "python", "link": {"noarch": {"type": "python", "entry_points": ["tool = one:main"]}}},
        "file": {"files": [text_file("bin/tool", "the file", mode=0o755)]},
        "link": {"files": [text_file("share/big", "b" * 9999), PackageFile("bin/tool", link_target="../share/big")]},
    }
    brings["points"]["link"] |= VERSION
    names = [name for name in brings if name != later]
    for name in names:
        place.channel.add(name, depends=["python"], **brings[name])
    place.channel.add(later, depends=["python", *names], **brings[later])
    before = place.directory / "prefix"
    targets = {"archive": place.directory / "a.tar.gz", "oci": place.directory / "oci", "base_images": "scratch"}
    run_build(place.workshop, specification("python", *brings), prefix=before, **targets)
    image = unpack_image(place.directory / "oci", place.directory / "image")
    archive = unpack_with_tar(place.directory / "a.tar.gz", place.directory / "by-tar")
    for root in (before, image, archive):
        tool = root / "bin/tool"
        assert tool.is_symlink() == (later == "link")
        assert (
            tool.read_text() == "the file"
            if later == "file"
            else "from one import" in tool.read_text() or later == "link"
        )
        assert (root / "share/big").read_text() == "b" * 9999
    assert {path.read_text() for path in (place.workshop.directory / "packages").glob("??/*/package/bin/tool")} >= {
        "the file"
    }


def test_two_files_of_one_package_at_one_place_are_refused(place: Place) -> None:
    add_python(place.channel)
    files = [text_file("site-packages/one.py"), text_file(f"{SITE_PACKAGES}/one.py")]
    stem = place.channel.add("twice", files, noarch="python", depends=["python"])
    with pytest.raises(PackageRefused, match=f"{stem}.*{SITE_PACKAGES}/one.py"):
        run_build(place.workshop, specification("twice"), prefix=place.directory / "prefix")


def test_building_changes_nothing_in_the_store(place: Place) -> None:
    """Everything in a prefix is linked from the store, so one careless write would change every environment."""
    graph = Graph(1234, place)
    place.make(["python", *graph.names])
    packages = place.workshop.directory / "packages"
    before = leaves(packages)
    shutil.rmtree(place.directory / "prefix")
    run_build(place.workshop, specification("python", *graph.names), prefix=place.directory / "prefix")
    assert differences(leaves(packages), before) == {}
    for package in packages.glob("??/*"):
        rows = {row[0]: row for row in json.loads((package / "files.json").read_bytes())}
        sizes = {name: (package / "package" / name).lstat().st_size for name in rows if rows[name][4] is None}
        assert sizes == {name: row[3] for name, row in rows.items() if row[4] is None}


def test_an_environment_without_python(place: Place) -> None:
    place.channel.add("data", [text_file("share/data.csv", "1,2"), text_file("lib/python3.11/x.py", "x = 1")])
    made = place.make(["data"])
    assert leaves(made.prefix) == leaves(made.reference)
    assert differences(leaves(made.image), leaves(made.image_reference)) == {}
