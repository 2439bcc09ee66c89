"""Killed while layers are written, an image is published or its base is pulled: what is listed stays whole, and the
next request makes the rest."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from conda_store.builds.states import ArtifactState
from conda_store.builds.workshop import Workshop
from conda_store.packages.indexing import index_channel
from tests.forge import Forge, running_forge
from tests.half_made import half_made
from tests.invented_images import InventedLayout, layer_tar
from tests.registry_server import RegistryServer, running_registry
from tests.test_sharing import write_invented

BUILDS = 8
# Each goes on where the one before it ended, so that all of it is met.
KILLS = 4
FEW_STEPS = 3
PACKAGE_BYTES = 600_000
BASE_BYTES = 2_000_000
# Most kills come at once, the others so much later at most: some of these meet the database.
MOST_DELAY_SECONDS = 0.02
# What is made for the first time: all; the environment's own layer, configuration and manifest; the base below.
KINDS = ("layers", "publication", "base")


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packages for each image."""
    made = tmp_path_factory.mktemp("channel")
    for number in range(BUILDS + 1):
        for part in "ab":
            write_invented(made, f"p{number}{part}", "1", PACKAGE_BYTES)
    index_channel(made)
    return made


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A registry with a base of two layers for each image, as `base:<number>`."""
    directory = tmp_path_factory.mktemp("bases")
    layout, chance = InventedLayout(directory / "layout"), random.Random("bases")
    images = []
    for number in range(BUILDS + 1):
        layers = [layer_tar(data=chance.randbytes(BASE_BYTES // 4).hex()) for _ in "ab"]
        images.append(layout.image(layers).named(str(number)))
    layout.write_index(images)
    with running_registry(directory / "registry") as server:
        for number in range(BUILDS + 1):
            server.push(f"oci:{layout.directory}:{number}", f"base:{number}")
        yield server


@pytest.fixture
def forge(tmp_path: Path, channel: Path) -> Iterator[Forge]:
    with running_forge(tmp_path / "forge", channel) as made:
        yield made


def new_build(forge: Forge, kind: str, number: int, bases: RegistryServer) -> int:
    """A build whose image is still to be made, as far as the kind says."""
    forge.base = f"{bases.host}/base:{number}" if kind == "base" else "scratch"
    chosen = number if kind == "layers" else 0
    return forge.build(f"{kind}{number}", [f"p{chosen}a", f"p{chosen}b"])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_listed_is_whole_and_the_next_request_makes_the_rest(
    kind: str, forge: Forge, bases: RegistryServer
) -> None:
    if kind != "layers":
        forge.make_image(new_build(forge, "layers", 0, bases))
    steps = forge.make_image(new_build(forge, kind, 0, bases))
    seen: Counter[str] = Counter()
    for number in range(1, BUILDS + 1):
        chance = random.Random(f"{kind} {number}")
        build = new_build(forge, kind, number, bases)
        left = steps
        for _ in range(KILLS):
            if forge.find_state(build) != ArtifactState.READY:
                left -= kill_once(forge, build, chance.randint(1, max(left, FEW_STEPS)), chance, seen)
        check_repaired(forge, build, seen)
    # Otherwise nothing was tested.
    assert seen["interrupted"] >= BUILDS and seen["swept"] > 0, seen


def kill_once(forge: Forge, build: int, step: int, chance: random.Random, seen: Counter[str]) -> int:
    """Kill the making of an image: what was listed is served as before. Returns the steps that it went."""
    listed = forge.listed()
    interrupted, steps = forge.kill(build, step, chance.choice([0, 0, chance.uniform(0, MOST_DELAY_SECONDS)]))
    seen["interrupted"] += interrupted
    assert not interrupted or forge.listed() == listed
    assert list(half_made(forge.store)) == []
    forge.check_served(forge.listed())
    # The second time in a row an image is given up, until somebody asks again.
    forge.settle()
    return steps


def check_repaired(forge: Forge, build: int, seen: Counter[str]) -> None:
    """Make the image at last: it is served, and nothing lies about."""
    forge.make_image(build)
    mine = f"/{forge.bench.build(build).environment.name}"
    new = {name: digest for name, digest in forge.listed().items() if name[0].endswith(mine)}
    assert {tag for _, tag in new} >= {str(build), "latest"}
    forge.check_served(new)
    seen["swept"] += Workshop(forge.store, forge.bench.settings.policy).sweep()
    assert forge.unfinished() == []
