"""What two environments have in common is made, stored and downloaded once: counted in layers and in bytes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conda_store.builds.environment import Environment
from conda_store.builds.runner import BuildResult
from conda_store.builds.workshop import Workshop
from conda_store.demo.conda_package import PackageFile, package_index, write_conda_package
from conda_store.demo.recipes import FIVE, SEVENTY
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.contents import Contents, Python
from conda_store.packages.indexing import index_channel
from conda_store.pieces.bytecode import machine_platform
from conda_store.pieces.grouping import BUCKETS, DEFAULT_BUDGET, arrange
from conda_store.pieces.layer import PREFIX, CompiledSet
from conda_store.registry.base import BaseImage
from conda_store.registry.images import Image, ImageMaker
from tests.engine import run_build

SUBDIR = machine_platform()
MOST_CHANGED_LAYERS = 3
MOST_DOWNLOADED_AGAIN = 0.10
MANY = 400


def specification(dependencies: Sequence[str]) -> str:
    """An environment.yaml."""
    return "name: shared\ndependencies:\n" + "".join(f"  - {text}\n" for text in dependencies)


def package_layers(image: Image) -> dict[str, tuple[str, ...]]:
    """The packages of each package layer by its digest."""
    return {layer.descriptor.digest: layer.packages for layer in image.layers if layer.packages}


def blobs(workshop: Workshop) -> dict[str, int]:
    """The size in bytes of every blob of a store by its digest."""
    found = (path for path in (workshop.directory / "blobs").rglob("*") if path.is_file())
    return {f"sha256:{path.name}": path.stat().st_size for path in found}


def write_invented(channel: Path, name: str, version: str, size: int) -> None:
    """A package of one file of `size` bytes that no compressor makes smaller."""
    content = random.Random(f"{name}-{version}").randbytes(size)
    index = package_index(name, version, subdir=SUBDIR)
    write_conda_package(channel, index, [PackageFile(f"share/{name}/data", content)], level=1)


# One package more, or another version of one --------------------------------------------------------------------


@pytest.fixture
def invented(tmp_path: Path) -> Workshop:
    """A new store and a channel of thirty packages, the first in two versions."""
    channel = tmp_path / "channel"
    for number in range(30):
        write_invented(channel, f"p{number}", "1", 100 * 2 ** (number % 10))
    write_invented(channel, "p0", "2", 101)
    index_channel(channel)
    return Workshop(tmp_path / "store", ChannelPolicy().with_channels([channel]))


@pytest.mark.parametrize(
    ("change", "changed"), [(["p0 ==1", "p29"], "p29"), (["p0 ==2"], "p0")], ids=["one more", "another version"]
)
def test_one_other_package_adds_its_pieces_and_the_environments_and_nothing_else(
    invented: Workshop, tmp_path: Path, change: list[str], changed: str
) -> None:
    def build(name: str, dependencies: list[str]) -> BuildResult:
        archive, layout = tmp_path / f"{name}.tar.gz", tmp_path / name
        return run_build(invented, specification(dependencies), oci=layout, archive=archive, base_images="scratch")

    others = [f"p{number}" for number in range(1, 29)]
    first = build("first", ["p0 ==1", *others])
    before = blobs(invented)
    second = build("second", [*change, *others])
    added = {digest: size for digest, size in blobs(invented).items() if digest not in before}

    (image,) = second.images
    layers = [layer for layer in image.layers if layer.descriptor.digest in added]
    assert [layer.packages for layer in layers] == [(changed,), ()]
    assert first.archive is not None and second.archive is not None
    members = set(second.archive.parts) - set(first.archive.parts)
    expected = {layer.descriptor.digest: layer.descriptor.size for layer in layers} | dict(members)
    documents = {image.config_digest, image.descriptor.digest}
    assert {digest: size for digest, size in added.items() if digest not in documents} == expected
    assert documents <= set(added) and len(members) == 2
    print(f"{change}: {sum(added.values()):,} bytes in {len(added)} blobs added to {sum(before.values()):,} bytes")


def test_another_numpy_replaces_one_layer_of_a_real_image(workshop: Workshop, base_image: str, tmp_path: Path) -> None:
    layers = []
    for number, numpy in enumerate(("numpy <2", "numpy >=2")):
        source = specification([*FIVE, "pandas <3", numpy])
        (image,) = run_build(workshop, source, oci=tmp_path / f"{number}", base_images=base_image).images
        layers.append(package_layers(image))
    assert [names for digest, names in layers[1].items() if digest not in layers[0]] == [("numpy",)]
    assert [names for digest, names in layers[0].items() if digest not in layers[1]] == [("numpy",)]


# Groups: more packages than layers ------------------------------------------------------------------------------


Sizes = dict[str, int]


def many_sizes(seed: int, classes: int) -> Sizes:
    """Four hundred packages whose sizes lie in this many size classes: few make ties, many make ranks."""
    chance = random.Random(seed)
    return {f"{seed}-{number}": chance.randrange(1, 2 ** chance.randint(1, classes)) for number in range(MANY)}


def changed_sizes(before: Sizes, name: str, change: str, size: int) -> Sizes:
    """`before` after one package was resized, removed or added."""
    after = {other: bytes_ for other, bytes_ in before.items() if change != "remove" or other != name}
    return after | {"resize": {name: size}, "remove": {}, "add": {"added": size}}[change]


def new_layers(before: Sizes, after: Sizes, changed: str, budget: int) -> list[tuple[str, ...]]:
    """Layers that one image has and the other had not: another set of packages, or the changed one among them."""
    known = set(arrange(before, budget))
    return [layer for layer in arrange(after, budget) if layer not in known or changed in layer]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    classes=st.integers(1, 34),
    position=st.integers(0, MANY - 1),
    change=st.sampled_from(["resize", "remove", "add"]),
    size=st.integers(0, 40).flatmap(lambda bits: st.integers(0, 2**bits)),
    budget=st.sampled_from([BUCKETS + 1, DEFAULT_BUDGET - 1, DEFAULT_BUDGET, 119]),
)
@example(seed=1, classes=1, position=0, change="resize", size=2**40, budget=DEFAULT_BUDGET)
@example(seed=1, classes=30, position=7, change="resize", size=0, budget=DEFAULT_BUDGET)
def test_one_change_among_four_hundred_changes_three_layers_at_most(
    seed: int, classes: int, position: int, change: str, size: int, budget: int
) -> None:
    before = many_sizes(seed, classes)
    name = list(before)[position]
    after = changed_sizes(before, name, change, size)
    layers = arrange(after, budget)
    assert len(layers) <= budget
    assert sorted(package for layer in layers for package in layer) == sorted(after)
    assert len(new_layers(before, after, name, budget)) <= MOST_CHANGED_LAYERS


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), classes=st.integers(1, 34), order=st.randoms(use_true_random=False))
def test_the_arrangement_does_not_depend_on_the_order_of_packages(
    seed: int, classes: int, order: random.Random
) -> None:
    sizes = list(many_sizes(seed, classes).items())
    shuffled = order.sample(sizes, len(sizes))
    assert arrange(dict(shuffled)) == arrange(dict(sizes))


def test_four_changes_at_once_change_more_than_three_layers() -> None:
    """The count above is one that can be too high."""
    before = many_sizes(3, 20)
    after = before | {"0": 5, "1": 5, "2": 5, "3": 2**39}
    assert len(new_layers(before, after, "0", DEFAULT_BUDGET)) > MOST_CHANGED_LAYERS


@pytest.fixture(scope="module")
def four_hundred(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A store and a channel of 400 packages, ranked from large to small; some have another version."""
    directory = tmp_path_factory.mktemp("four-hundred")
    for number in range(MANY):
        write_invented(directory / "channel", f"p{number:03}", "1", 20_000 >> (number // 40))
    for number, size in OTHER_VERSIONS.values():
        write_invented(directory / "channel", f"p{number:03}", str(size), size)
    write_invented(directory / "channel", "another", "1", 50_000)
    index_channel(directory / "channel")
    return Workshop(directory / "store", ChannelPolicy().with_channels([directory / "channel"]))


# What happens → (package, its bytes in the other version).
OTHER_VERSIONS = {
    "a large one, of about its size": (3, 20_001),
    "a small one, of about its size": (390, 40),
    "a small one grows into a layer of its own": (399, 90_000),
    "a large one shrinks into a group": (0, 10),
}


@pytest.mark.parametrize("change", [*OTHER_VERSIONS, "one more", "one less"])
def test_one_change_in_a_real_image_of_four_hundred(four_hundred: Workshop, tmp_path: Path, change: str) -> None:
    names = [f"p{number:03}" for number in range(MANY)]
    pins = dict.fromkeys(names, "==1")
    first = many_image(four_hundred, pins, tmp_path / "first")
    if change in OTHER_VERSIONS:
        number, size = OTHER_VERSIONS[change]
        pins[f"p{number:03}"] = f"=={size}"
    elif change == "one more":
        pins["another"] = "==1"
    else:
        del pins["p007"]
    second = many_image(four_hundred, pins, tmp_path / "second")
    known = {layer.descriptor.digest for layer in first.layers}
    new = [layer for layer in second.layers if layer.descriptor.digest not in known]
    assert 1 <= len([layer for layer in new if layer.packages]) <= MOST_CHANGED_LAYERS
    assert len(new) <= MOST_CHANGED_LAYERS + 1
    assert sorted(name for layer in second.layers for name in layer.packages) == sorted(pins)
    print(f"{change}: {len(new)} of {len(second.layers)} layers, {sum(layer.descriptor.size for layer in new):,} bytes")


def many_image(workshop: Workshop, pins: Mapping[str, str], layout: Path) -> Image:
    """The image of all these packages, on no base."""
    source = specification([f"{name} {version}" for name, version in pins.items()])
    (image,) = run_build(workshop, source, oci=layout, base_images="scratch").images
    return image


# What docker downloads again ------------------------------------------------------------------------------------


def test_docker_downloads_little_again_when_one_of_seventy_packages_changes(
    workshop: Workshop, base_image: str, tmp_path: Path
) -> None:
    result = run_build(workshop, specification(SEVENTY), oci=tmp_path / "image", base_images=base_image)
    (image,), lock = result.images, result.lock.platforms[SUBDIR]
    assert len(lock.conda) >= 70
    environment = Environment(workshop, lock, workshop.packages.ensure(lock.conda), {})
    python, packages = environment.python, environment.ownership.order
    assert python is not None
    compiled = environment.compiled(PREFIX)
    downloads = Downloads(ImageMaker(workshop.storage), image, compiled)
    assert [names for names, _ in downloads.keys(packages, python)] == [
        layer.packages for layer in image.layers if layer.packages
    ]
    changes = one_package_changes(packages, python)
    shares = sorted(downloads.again(packages, python, *change) / image.size for change in changes)
    average = sum(shares) / len(shares)
    print(
        f"{len(packages)} packages, {image.size:,} bytes: a package that changes, and is as large as before or a tenth "
        f"more or less, makes docker download {average:.2%} again on average ({average * image.size / 1e6:.1f} MB), "
        f"{shares[len(shares) // 2]:.2%} in the median, {shares[-1]:.0%} at worst"
    )
    assert len(shares) == 3 * len(packages)
    assert 0 < average <= MOST_DOWNLOADED_AGAIN


class Downloads:
    """What docker would download: it keeps a layer only when all below it are the same too."""

    def __init__(self, maker: ImageMaker, image: Image, compiled: CompiledSet) -> None:
        self.maker = maker
        self.sizes = {layer.packages: layer.descriptor.size for layer in image.layers if layer.packages}
        self.top = image.layers[-1].descriptor.size
        self.with_bytecode = {
            key for key, piece in compiled.shared.items() if piece.files or compiled.relocated.get(key)
        }

    def keys(self, packages: Sequence[Contents], python: Python) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Names and content of every package layer, bottom first; python matters where modules are compiled by it."""
        found = []
        for group in self.maker.arrange(packages, BaseImage("scratch", SUBDIR)):
            content = [package.key for package in group]
            content += [python.sha256 for package in group if package.key in self.with_bytecode]
            found.append((tuple(package.name for package in group), tuple(content)))
        return found

    def again(
        self, packages: Sequence[Contents], python: Python, changed: Sequence[Contents], other_python: Python
    ) -> int:
        """Bytes above the first layer that differs."""
        before, after = self.keys(packages, python), self.keys(changed, other_python)
        same = 0
        while same < len(before) and before[same] == after[same]:
            same += 1
        return sum(self.sizes[names] for names, _ in after[same:]) + self.top


def one_package_changes(packages: Sequence[Contents], python: Python) -> Iterator[tuple[list[Contents], Python]]:
    """Every package in turn in another version of nine, ten or eleven tenths of its size.

    Another python package is another key of the bytecode of all that are compiled with it.
    """
    for number, package in enumerate(packages):
        for tenths in (9, 10, 11):
            key = sha256(f"{package.key}-{tenths}".encode()).hexdigest()
            other = replace(package, key=key, size=package.size * tenths // 10)
            other_python = replace(python, sha256=key) if package.name == "python" else python
            yield [*packages[:number], other, *packages[number + 1 :]], other_python
