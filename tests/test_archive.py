"""The portable archive: GNU tar unpacks it, conda-unpack settles it anywhere, conda-pack would make the same."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import conda_pack
import pytest

from conda_store.builds.runner import BuildResult
from conda_store.builds.workshop import Workshop
from conda_store.errors import BadInput
from conda_store.pieces.compression import compression_for
from tests.engine import run_build

SOURCE = """\
name: portable
dependencies: [python, numpy, flask, pip, {pip: [cowsay]}]
variables: {TEAM: "it's data"}
"""
# What conda-pack writes itself, besides the environment: its text names itself and the order of its own records.
ITS_OWN = {"bin/activate", "bin/activate.fish", "bin/deactivate", "bin/conda-unpack", "bin/conda_unpack_progress.py"}


@pytest.fixture(scope="module")
def made(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BuildResult]:
    """A folder with `prefix`, `a.tar.gz` and `a.tar.zst` of one environment, and conda-pack's `theirs.tar`."""
    folder = tmp_path_factory.mktemp("archive").resolve()
    result = run_build(workshop, SOURCE, prefix=folder / "prefix", archive=folder / "a.tar.gz")
    run_build(workshop, SOURCE, archive=folder / "a.tar.zst")
    conda_pack.pack(prefix=str(folder / "prefix"), output=str(folder / "theirs.tar"))
    return folder, result


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.zst"])
@pytest.mark.parametrize("length", [20, 200])
def test_an_archive_unpacks_with_gnu_tar_and_runs_from_anywhere(
    made: tuple[Path, BuildResult], name: str, length: int, tmp_path: Path
) -> None:
    folder, _ = made
    place = path_of_length(length, tmp_path)
    try:
        subprocess.run(["tar", "-xf", folder / name, "-C", place], check=True)
        subprocess.run([place / "bin/python", place / "bin/conda-unpack"], check=True)
        code = "import numpy, flask, cowsay, sys, os; print(sys.prefix, os.environ['TEAM'])"
        script = f'. "{place}/bin/activate" && python -c "{code}" && flask --version && cowsay -t moo'
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == f"{place} it's data"
        assert "Flask" in done.stdout and "moo" in done.stdout
        assert str(folder) not in "".join(text_files(place))
    finally:
        subprocess.run(["rm", "-rf", place], check=True)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.zst"])
def test_an_archive_holds_what_conda_pack_would_have_put_there(
    made: tuple[Path, BuildResult], name: str, tmp_path: Path
) -> None:
    folder, _ = made
    ours = tmp_path / "ours.tar"
    tool = {"a.tar.gz": "gzip", "a.tar.zst": "zstd"}[name]
    with ours.open("wb") as stream:
        subprocess.run([tool, "-dc", folder / name], stdout=stream, check=True)
    our_files, their_files = contents(ours), contents(folder / "theirs.tar")
    assert our_files.keys() == their_files.keys()
    assert [path for path in our_files if our_files[path] != their_files[path]] == []
    assert len(our_files) > 1000


def test_conda_unpack_replaces_what_conda_pack_would_replace(made: tuple[Path, BuildResult]) -> None:
    folder, _ = made
    ours = unpack_records(folder / "a.tar.gz")
    # conda-pack also lists files that no package owns: the environment's own, which hold no prefix.
    theirs = {record for record in unpack_records(folder / "theirs.tar") if record[1] != str(folder / "prefix")}
    assert ours == theirs
    assert any(mode == "text" for _, _, mode in ours)


def test_python_reads_the_archive_as_one_file_and_no_path_twice(made: tuple[Path, BuildResult]) -> None:
    folder, result = made
    with tarfile.open(folder / "a.tar.gz") as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
    assert result.archive is not None
    assert result.archive.size == (folder / "a.tar.gz").stat().st_size


def test_a_second_archive_makes_no_member_and_is_the_same_file(
    made: tuple[Path, BuildResult], workshop: Workshop, tmp_path: Path
) -> None:
    folder, first = made
    again = run_build(workshop, SOURCE, archive=tmp_path / "again.tar.gz").archive
    assert again is not None and first.archive is not None
    assert again.made == 0
    assert again.etag == first.archive.etag
    assert (tmp_path / "again.tar.gz").read_bytes() == (folder / "a.tar.gz").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.tar.gz"]


def test_a_name_that_says_no_kind_is_refused() -> None:
    with pytest.raises(BadInput, match=r"'environment.rar'.*\*\.tar\.gz or \*\.tar\.zst"):
        compression_for(Path("environment.rar"))


def path_of_length(length: int, tmp_path: Path) -> Path:
    """A new, empty directory whose path has `length` bytes."""
    root = Path("/tmp") if length < len(os.fsencode(tmp_path)) + 2 else tmp_path
    name = f"{os.getpid()}-{abs(hash(tmp_path))}"
    rest = length - len(os.fsencode(root)) - 1
    place = root / (name + "x" * rest)[:rest]
    place.mkdir()
    assert len(os.fsencode(place)) == length
    return place


def text_files(place: Path) -> list[str]:
    """The text of everything in `bin` and of all configuration below `place`."""
    files = [path for path in [*place.glob("bin/*"), *place.rglob("*.py")] if path.is_file()]
    return [path.read_text(errors="replace") for path in files]


def contents(archive: Path) -> dict[str, tuple[str, bytes]]:
    """Path → (kind, content or target) of a tar; bytecode, conda-pack's own scripts and records' spaces aside."""
    found = {}
    with tarfile.open(archive) as stream:
        for member in stream:
            if member.name in ITS_OWN or "/__pycache__/" in member.name:
                continue
            data = stream.extractfile(member) if member.isfile() or member.islnk() else None
            kind = "link" if member.issym() else "file"
            content = data.read() if data else member.linkname.encode()
            if member.name.startswith("conda-meta/") and member.name.endswith(".json"):
                # conda-pack indents them.
                content = json.dumps(json.loads(content), sort_keys=True).encode()
            found[member.name] = (kind, content)
    return found


def unpack_records(path: Path) -> set[tuple[str, str, str]]:
    """What `bin/conda-unpack` in an archive replaces."""
    with tarfile.open(path) as archive:
        stream = archive.extractfile("bin/conda-unpack")
        assert stream is not None
        text = stream.read().decode()
    body = text.partition("_prefix_records = [")[2].partition("\n]\n")[0]
    return set(eval(f"[{body}]"))  # noqa: S307  our own file
