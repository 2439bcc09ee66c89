"""The installed prefix and the image of whole environments, file by file against rattler's own."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from conda_store.builds.workshop import Workshop
from conda_store.demo.recipes import SEVENTY
from tests.agreement import (
    IMAGE_PREFIX,
    Place,
    agree,
    bytecode_faults,
    differences,
    is_bytecode,
    leaves,
    modules_below,
    records,
    unpack_image,
    without,
    writable_links,
)
from tests.conftest import CACHE
from tests.engine import run_build
from tests.invented import SITE_PACKAGES, add_python, rattler_prefix, specification, text_file


def test_seventy_real_packages_are_what_rattler_installs(
    workshop: Workshop, sample_channel: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "prefix"
    run_build(workshop, specification(*SEVENTY), prefix=prefix, oci=tmp_path / "oci", base_images="scratch")
    cache = CACHE / "reference"
    stems = rattler_prefix(sample_channel, SEVENTY, tmp_path / "reference", prefix, cache)
    rattler_prefix(sample_channel, SEVENTY, tmp_path / "image-reference", IMAGE_PREFIX, cache)
    assert len(stems) >= 70
    image = unpack_image(tmp_path / "oci", tmp_path / "image")
    for root, reference in ((prefix, "reference"), (image, "image-reference")):
        mine, theirs = leaves(root), leaves(tmp_path / reference)
        # Bytecode that packages bring is kept; where a module holds the prefix it is made anew.
        made = {name for name in mine.keys() - theirs.keys() if is_bytecode(name)}
        relocated = {name for name in theirs if is_bytecode(name) and mine.get(name) != theirs[name]}
        assert len(relocated) < 10
        aside = made | relocated
        assert differences(without(mine, aside.__contains__), without(theirs, aside.__contains__)) == {}
        assert bytecode_faults(root) == []
        assert len(modules_below(root)) > 3000
        assert records(root) == records(tmp_path / reference)
    assert leaves(prefix).keys() == leaves(image).keys()
    assert writable_links(prefix) == []
    check_python_takes_the_bytecode(prefix)


def check_python_takes_the_bytecode(prefix: Path) -> None:
    """`python -v` says for every module where its code came from, and whether its bytecode was stale."""
    code = "import numpy, pandas, scipy.linalg, sklearn, matplotlib, flask, requests, sphinx, sympy, ipykernel"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(prefix.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [prefix / "bin/python", "-v", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    taken = re.findall(r"^# code object from '?(.*?)'?$", done.stderr, re.MULTILINE)
    assert len([path for path in taken if path.endswith(".pyc")]) > 500
    assert [path for path in taken if path.startswith(str(prefix)) and not path.endswith(".pyc")] == []
    assert not re.findall(r"bytecode is stale.*", done.stderr)


@pytest.mark.parametrize("count", [130, 400])
def test_many_invented_packages_agree_everywhere(tmp_path: Path, count: int) -> None:
    """More packages than layers, so that many share one; some share paths within a layer and across layers."""
    place = Place(tmp_path)
    draw = random.Random(count)
    add_python(place.channel)
    names = [f"{'_' if number % 7 == 0 else ''}many{number}" for number in range(count - 1)]
    for number, name in enumerate(names):
        files = [text_file(f"share/many/{name}", "x" * draw.randint(1, 4000))]
        if number % 3 == 0:
            files.append(text_file(f"share/shared{draw.randint(0, 20)}", f"from {name}"))
        if number % 5 == 0:
            files.append(text_file(f"{SITE_PACKAGES}/shared{draw.randint(0, 10)}.py", f"name = '{name}'\n"))
        depends = draw.sample(names[:number], min(number, draw.randint(0, 2)))
        place.channel.add(name, files, depends=depends)
    made = place.make(["python", *names])
    agree(made)
    assert len(records(made.prefix)) == count


def test_an_environment_is_replaced_in_one_step_and_a_foreign_directory_never(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.channel.add("first", [text_file("share/first")])
    place.channel.add("second", [text_file("share/second")])
    prefix = tmp_path / "prefix"
    run_build(place.workshop, specification("first"), prefix=prefix)
    run_build(place.workshop, specification("second"), prefix=prefix)
    assert not (prefix / "share/first").exists() and (prefix / "share/second").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["channel", "prefix", "store"]
