"""What is written is true: commands, options, targets, versions, and what is in the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

from conda_store._version import __version__
from conda_store.app import CondaStore
from conda_store.cli import cli
from conda_store.hub import CondaStoreSpawnerMixin
from conda_store_labextension.connection import CondaStoreConnection
from conda_store_labextension.kernels import CondaStoreKernelSpecManager
from tests.wheel import tracked_files

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def all_commands(group: click.Group = cli, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command of the command line, those of groups too, by its words."""
    found: dict[tuple[str, ...], click.Command] = {words: group}
    for name, command in group.commands.items():
        deeper = (*words, name)
        found |= all_commands(command, deeper) if isinstance(command, click.Group) else {deeper: command}
    return found


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_every_command_has_a_help_that_says_something(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conda_store", *words, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: conda-store")
    assert len(done.stdout.splitlines()) > 5


def test_every_option_explains_itself() -> None:
    silent = [
        f"{' '.join(words)} {option.opts[0]}"
        for words, command in all_commands().items()
        for option in command.params
        if isinstance(option, click.Option) and len((option.help or "").split()) < 4
    ]
    assert silent == []


def test_the_options_that_the_readme_names_exist() -> None:
    known = {name for command in all_commands().values() for option in command.params for name in option.opts}
    known |= {f"--{name}" for name in (*CondaStore.aliases, *CondaStore.flags, "help-all")}
    named = set(re.findall(r"--[a-z][a-z-]+", README.partition("## Use it")[2]))
    assert named - known == set()
    assert {"--prefix", "--lock", "--archive", "--oci"} <= named


def test_the_document_of_the_command_line_names_every_command_and_no_other_option() -> None:
    text = (ROOT / "docs/command-line.md").read_text()
    assert [words for words in cli.commands if f"`{words}" not in text and words not in text.split("`")] == []
    known = {name for command in all_commands().values() for option in command.params for name in option.opts}
    assert set(re.findall(r"--[a-z][a-z-]+", text)) - known <= {"--help"}


def test_only_what_becomes_something_else_prints_no_json() -> None:
    speaking = {words: one for words, one in all_commands().items() if any(p.name == "url" for p in one.params)}
    silent = {words for words, one in speaking.items() if not any("--output" in p.opts for p in one.params)}
    assert len(speaking) > 25 and silent == {("run",)}


def test_the_reference_of_the_options_is_that_of_the_options() -> None:
    command = [sys.executable, ROOT / "docs/configuration.py"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs/configuration.md").read_text() == said, "run `make docs`"
    for kind in (CondaStore, *CondaStore.classes, CondaStoreConnection, CondaStoreKernelSpecManager):
        for name in kind.class_own_traits(config=True):
            assert f"### `c.{kind.__name__}.{name}`" in said


def test_the_options_that_documents_name_exist() -> None:
    kinds = (CondaStore, *CondaStore.classes, CondaStoreConnection, CondaStoreKernelSpecManager)
    known = {f"c.{kind.__name__}.{name}" for kind in kinds for name in kind.class_traits()}
    known |= {"c.ServerApp.kernel_spec_manager_class"}
    known |= {f"c.Spawner.{name}" for name in CondaStoreSpawnerMixin.class_own_traits()}
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        named = set(re.findall(r"`(c\.[A-Z]\w+\.\w+)", document.read_text()))
        assert named <= known, document.name


def test_the_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = README + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`make ([a-z-]+)`", texts)) | set(re.findall(r"^\$ make ([a-z-]+)$", texts, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"make ([a-z-]+)", listed)) == targets


def test_links_between_the_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == __version__


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [archive.read(name).decode() for name in names if name.endswith("/METADATA")]
    tracked = {name for name in tracked_files() if name.startswith(("conda_store/", "conda_store_labextension/"))}
    made = {name for name in names if ".dist-info/" not in name} - tracked
    assert tracked <= set(names)
    assert {name for name in made if "/documentation/" in name} == {
        f"conda_store/documentation/{one.stem}.json" for one in (ROOT / "docs").glob("*.md")
    }
    assert {name.rpartition("/")[2] for name in made if "/static/" in name} >= {"style.css", "pages.js", "icon.svg"}
    installed = f"conda_store-{__version__.replace('-', '.')}.data/data"  # below the environment's prefix
    places = (f"{installed}/share/jupyter/labextensions/conda-store/", f"{installed}/etc/jupyter/")
    made = {name for name in made if not name.startswith(("conda_store/static/", "conda_store/documentation/"))}
    assert {name for name in made if not name.startswith(places)} == set()
    assert f"{places[0]}package.json" in made
    assert f"Version: {__version__}" in metadata
    base = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    # The base install lies beside a user's own packages: it stays light.
    assert len(base) <= 6
