"""Bad input through the whole command: a message that names the culprit and the way out, and never a traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conda_store.builds.workshop import Workshop
from conda_store.errors import CondaStoreError
from tests.broken_specifications import BROKEN
from tests.engine import run_build

# (name, source, what the message must say): everything that only a solve, a fetch or a lock can find out.
UNBUILDABLE = [
    ("misspelt package", "dependencies:\n  - python\n  - nunpy", r"line 4, column 5: .*'nunpy'.*Did you mean 'numpy'"),
    ("no such version", "dependencies:\n  - numpy>=3", r"line 3, column 5: .*'numpy>=3'.*Available: 2\."),
    ("unsolvable", "dependencies: [python, flask=3.1, werkzeug<3]", r"'werkzeug<3'.*Available"),
    ("conflict", "dependencies: [python, requests=2.31, urllib3>=3]", r"urllib3"),
    ("other platform", "platforms: [osx-arm64]\ndependencies: [numpy]", r"'numpy' exists for linux-64.*osx-arm64"),
    ("pip conflict", "dependencies: [python, flask=3.0, {pip: [flask>=3.1]}]", r"flask>=3.1.*conda package flask 3\.0"),
    ("pip misspelt", "dependencies: [python, {pip: [flaaaask-no-such]}]", r"flaaaask-no-such.*spelling"),
    ("pip without python", "dependencies: [markupsafe-no, {pip: [cowsay]}]", r"markupsafe-no"),
    ("foreign channel", "channels: ['https://example.invalid/c']\ndependencies: [python]", r"example\.invalid"),
    ("channel in a dependency", "dependencies: ['evil.example/c::python']", r"evil\.example"),
    ("file channel", "channels: ['file:///etc']\ndependencies: [python]", r"file:///etc"),
    (
        "bad override",
        "variables: {CONDA_OVERRIDE_CUDA: twelve}\ndependencies: [python]",
        r"CONDA_OVERRIDE_CUDA.*'twelve'",
    ),
]


@pytest.mark.parametrize(("source", "says"), [case[1:] for case in UNBUILDABLE], ids=[case[0] for case in UNBUILDABLE])
def test_what_cannot_be_built_says_why_and_what_to_do(
    source: str, says: str, workshop: Workshop, tmp_path: Path
) -> None:
    with pytest.raises(CondaStoreError) as caught:
        run_build(workshop, f"name: broken\n{source}\n", prefix=tmp_path / "prefix")
    assert re.search(says, str(caught.value), re.DOTALL), str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def lockfile(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A good lockfile."""
    path = tmp_path_factory.mktemp("lock") / "conda-lock.yml"
    run_build(workshop, "name: good\ndependencies: [markupsafe, python]", lock=path)
    return path.read_text()


BROKEN_LOCKS = [
    ("foreign URL", r"url: file://\S+/(markupsafe\S+)", r"url: https://evil.example/c/linux-64/\1", r"evil\.example"),
    ("no hash", r"  hash:\n    md5: \w+\n    sha256: \w+\n", "", r"'markupsafe' has no sha256"),
    ("another hash", r"sha256: \w{64}", "sha256: " + "0" * 64, r"sha256 .*the lock asks for 0000"),
    ("another name", r"- name: markupsafe", "- name: markupunsafe", r"markupunsafe"),
    ("unknown version", r"^version: 1", "version: 99", r"99"),
    ("not YAML", r"^version: 1", "version: [", r"line"),
    ("credentials", r"url: file://(/\S+markupsafe\S+)", r"url: https://u:secret@host.example\1", r"host\.example"),
]


@pytest.mark.parametrize(
    ("old", "new", "says"), [case[1:] for case in BROKEN_LOCKS], ids=[case[0] for case in BROKEN_LOCKS]
)
def test_a_broken_lockfile_is_refused_by_name(
    old: str, new: str, says: str, lockfile: str, sample_channel: Path, tmp_path: Path
) -> None:
    from conda_store.packages.channels import ChannelPolicy

    text, changes = re.subn(old, new, lockfile, count=1 if "name" in old or "url" in old else 0, flags=re.MULTILINE)
    assert changes
    fresh = Workshop(tmp_path / "store", ChannelPolicy().with_channels([sample_channel]))
    with pytest.raises(CondaStoreError) as caught:
        run_build(fresh, text, prefix=tmp_path / "prefix")
    assert re.search(says, str(caught.value), re.DOTALL), str(caught.value)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "prefix").exists()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The real command."""
    return subprocess.run(
        [sys.executable, "-m", "conda_store", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("case", BROKEN[:: max(1, len(BROKEN) // 10)], ids=lambda case: case.name)
def test_the_command_ends_with_one_message_and_no_traceback(case: object, tmp_path: Path) -> None:
    file = tmp_path / "environment.yaml"
    file.write_bytes(case.source)  # type: ignore[attr-defined]
    done = run("build", file, "--prefix", tmp_path / "prefix", "--store", tmp_path / "store")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert case.culprit in done.stderr  # type: ignore[attr-defined]
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["build", "missing.yaml", "--prefix", "{}/p"], "missing.yaml cannot be read: No such file"),
        (["build", "{}", "--prefix", "{}/p"], "Is a directory"),
        (["build", "{}/good.yaml"], "Nothing to make: add --prefix"),
        (["build", "{}/good.yaml", "--prefix", "{}/no/such/place"], "there is no directory"),
        (["build", "{}/good.yaml", "--prefix", "{}/full"], "is not an environment"),
        (["build", "{}/good.yaml", "--archive", "{}/a.rar"], "*.tar.gz or *.tar.zst"),
        (["build", "{}/good.yaml", "--prefix", "{}/" + "x" * 250], "Choose a shorter path"),
        (["build", "{}/good.yaml", "--prefix", "{}/p", "--store", "{}/good.yaml"], "cannot be made"),
        (["build", "{}/good.yaml", "--oci", "{}/full", "--base-image", "scratch"], "full"),
        (["build", "{}/good.yaml", "--oci", "{}/o", "--base-image", "oci:/nowhere"], "--base-image"),
        (["build", "{}/good.yaml", "--lock", "{}/l", "--platform", "linux-46"], "linux-46"),
    ],
)
def test_bad_arguments_are_named(arguments: list[str], says: str, sample_channel: Path, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("name: good\ndependencies: [markupsafe, python]\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("keep me")
    given = [argument.replace("{}", str(tmp_path)) for argument in arguments]
    store = [] if "--store" in arguments else ["--store", tmp_path / "store"]
    done = run(*given, "--channel", sample_channel, *store)
    assert done.returncode in (1, 2)
    assert says in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert (tmp_path / "full/mine.txt").read_text() == "keep me"


def test_a_prefix_line_is_a_warning_only(workshop: Workshop, tmp_path: Path) -> None:
    from tests.engine import Collected

    progress = Collected()
    source = "name: exported\nprefix: /home/ana/envs/exported\ndependencies: [markupsafe, python]\n"
    run_build(workshop, source, progress, lock=tmp_path / "conda-lock.yml")
    assert any("prefix" in warning and "line 2" in warning for warning in progress.warnings)
    assert "/home/ana" not in (tmp_path / "conda-lock.yml").read_text()
