"""Packages that share paths, links, placeholders and odd names: prefix, image and archive are what rattler makes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from conda_store.demo.conda_package import PackageFile
from conda_store.packages.locked import LockedWheel
from tests.agreement import (
    IMAGE_PREFIX,
    bytecode_faults,
    differences,
    is_bytecode,
    leaves,
    records,
    unpack_image,
    unpack_with_python,
    unpack_with_tar,
    without,
    writable_links,
)
from tests.invented import (
    SHORT,
    SITE_PACKAGES,
    InventedChannel,
    add_python,
    build_with_wheels,
    compiled_module,
    make_wheel,
    placeholder_file,
    rattler_prefix,
    specification,
    text_file,
    workshop_for,
)

ARCHIVE_TOOLS = ("activate", "activate.fish", "deactivate", "conda-unpack", "conda_unpack_progress.py")
PYC = f"cpython-{SHORT.replace('.', '')}.pyc"


class Made(NamedTuple):
    """One environment five ways: made by the engine and by rattler, for the prefix and for the image's place."""

    prefix: Path
    image: Path
    reference: Path
    image_reference: Path
    archives: tuple[Path, Path]


class Place:
    """A channel and a store of its own for one test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.channel = InventedChannel(directory / "channel")
        self.workshop = workshop_for(directory / "store", self.channel)

    def make(self, names: Sequence[str], wheels: Sequence[LockedWheel] = ()) -> Made:
        """Build the environment of these packages every way."""
        base = self.directory
        prefix, archive = base / "prefix", base / "archive.tar.gz"
        targets = {"prefix": prefix, "archive": archive, "oci": base / "oci", "base_images": "scratch"}
        build_with_wheels(self.workshop, specification(*names), wheels, **targets)
        for target, final in ((base / "reference", prefix), (base / "image-reference", IMAGE_PREFIX)):
            rattler_prefix(self.channel.directory, names, target, final, base / "cache")
        image = unpack_image(base / "oci", base / "image")
        archives = unpack_with_python(archive, base / "by-python"), unpack_with_tar(archive, base / "by-tar")
        return Made(prefix, image, base / "reference", base / "image-reference", archives)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def agree(
    made: Made,
    wheel_files: dict[str, bytes] | None = None,
    compiled: Callable[[str], bool] = is_bytecode,
    holds_prefix: Sequence[str] = (),
    contested: Sequence[str] = (),
) -> None:
    """Prefix and image are rattler's plus bytecode and wheels; the archive is the prefix.

    `compiled` names bytecode that conda-store may add or replace; `holds_prefix` are files that hold the prefix;
    `contested` are entry points that rattler would write into another package's file, in no fixed order.
    """
    aside = {*contested, *(wheel_files or {})}
    for root, reference in ((made.prefix, made.reference), (made.image, made.image_reference)):
        mine, theirs = (
            without(leaves(tree), lambda name: name in aside or ".dist-info/" in name or compiled(name))
            for tree in (root, reference)
        )
        assert differences(mine, theirs) == {}
        assert {name: (root / name).read_bytes() for name in wheel_files or {}} == (wheel_files or {})
    prefix, image = leaves(made.prefix), leaves(made.image)
    apart = {*holds_prefix, *(bytecode_of(name) for name in holds_prefix)}
    assert differences(without(image, apart.__contains__), without(prefix, apart.__contains__)) == {}
    assert image.keys() == prefix.keys()
    tools = {f"bin/{name}" for name in ARCHIVE_TOOLS}
    for archive in made.archives:
        unpacked = without(leaves(archive), lambda name: name in tools | apart)
        assert differences(unpacked, without(prefix, apart.__contains__)) == {}
    assert bytecode_faults(made.prefix) == bytecode_faults(made.image) == []
    assert writable_links(made.prefix) == []
    assert records(made.prefix).keys() == records(made.reference).keys() == records(made.image).keys()
    assert {k: v[:3] for k, v in records(made.prefix).items()} == {k: v[:3] for k, v in records(made.reference).items()}


def bytecode_of(module: str) -> str:
    folder, _, name = module.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{PYC}"


# Random environments

MODULE_PATHS = [f"{SITE_PACKAGES}/{name}.py" for name in ("one", "two", "shared/__init__", "shared/three")]
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
