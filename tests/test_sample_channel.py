"""The sample channel is a real one: it solves, installs and runs, and its packages are what they say."""

import asyncio
import io
import json
import platform
import subprocess
import sys
import tarfile
import zipfile
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest
import rattler
import zstandard
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from conda_store.demo.conda_package import EPOCH, PLACEHOLDER, PackageFile, package_index, write_conda_package
from conda_store.demo.dependencies import conda_constraint, conda_depends
from conda_store.demo.native_libraries import needed_libraries
from conda_store.demo.python_package import write_python_package
from conda_store.demo.recipes import FIVE, SEVENTY
from conda_store.demo.sample_channel import make_sample_channel
from conda_store.demo.target import Target, foreign_platform, running_platform
from conda_store.demo.wheels import download_wheels
from conda_store.demo.whole_directory import make_whole
from conda_store.errors import BadInput, FetchFailed
from conda_store.packages.indexing import index_channel

HERE = running_platform()


def solve(channel: Path, specs: list[str], subdir: str = HERE) -> list[rattler.RepoDataRecord]:
    async def ask() -> list[rattler.RepoDataRecord]:
        return await rattler.solve([channel.as_uri()], specs, platforms=[subdir, "noarch"], virtual_packages=[])

    return asyncio.run(ask())


def install(records: list[rattler.RepoDataRecord], prefix: Path, cache: Path) -> None:
    async def link() -> None:
        await rattler.install(records, prefix, cache_dir=cache, show_progress=False)

    asyncio.run(link())


def read_package(path: Path) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Every entry of a `.conda` package, `info/` included."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".tar.zst"):
                data = zstandard.ZstdDecompressor().stream_reader(archive.read(name)).read()
                with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                    for entry in tar:
                        file = tar.extractfile(entry) if entry.isreg() else None
                        found[entry.name] = (entry, file.read() if file else b"")
    return found


@pytest.fixture(scope="session")
def seventy(sample_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("seventy")
    install(solve(sample_channel, SEVENTY), scratch / "prefix", scratch / "cache")
    return scratch / "prefix"


def test_five_and_seventy_solve_to_what_they_are_called(sample_channel: Path) -> None:
    assert 5 <= len(solve(sample_channel, FIVE)) <= 7
    assert 70 <= len(solve(sample_channel, SEVENTY)) <= 80
    assert len(solve(sample_channel, FIVE, foreign_platform())) >= 4


def test_older_versions_fit_together(sample_channel: Path) -> None:
    records = solve(sample_channel, ["flask 3.0.*", "requests <2.32", "pandas <3"])
    versions = {record.name.normalized: str(record.version) for record in records}
    assert versions["flask"].startswith("3.0.") and versions["pandas"].startswith("2.")


@pytest.mark.parametrize("subdir", [HERE, "noarch"])
def test_every_package_of_this_platform_can_be_installed(sample_channel: Path, subdir: str) -> None:
    repodata = json.loads((sample_channel / subdir / "repodata.json").read_text())
    for record in repodata["packages.conda"].values():
        assert solve(sample_channel, [f"{record['name']} =={record['version']}"]), record["name"]


def test_seventy_runs_from_its_prefix(seventy: Path) -> None:
    modules = "ssl, sqlite3, ctypes, lzma, bz2, zlib, readline, hashlib, numpy, pandas, scipy.stats, sklearn.svm, flask"
    code = f"import {modules}; print(pandas.Series([1, 2]).sum(), numpy.__file__)"
    done = subprocess.run([seventy / "bin" / "python", "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3", str(seventy / Target(HERE).site_packages / "numpy" / "__init__.py")]


def test_commands_of_pure_and_binary_packages_run(seventy: Path) -> None:
    for command in ("f2py", "flask", "pip"):
        argument = "-v" if command == "f2py" else "--version"
        done = subprocess.run([seventy / "bin" / command, argument], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_python_takes_its_libraries_from_its_own_prefix(seventy: Path) -> None:
    folder = seventy / "lib" / Target(HERE).python_name / "lib-dynload"
    libraries = needed_libraries([seventy / "bin" / "python", *folder.glob("*.so")])
    assert {"libssl.so.3", "libcrypto.so.3"} & set(libraries) or not libraries
    assert [str(path) for path in libraries.values() if not path.resolve().is_relative_to(seventy.resolve())] == []


def test_python_accepts_the_bytecode_of_binary_packages(seventy: Path) -> None:
    code = "import sys, numpy.linalg, pandas, json, asyncio"
    done = subprocess.run([seventy / "bin" / "python", "-v", "-B", "-c", code], capture_output=True, text=True)
    stale = [line for line in done.stderr.splitlines() if "bytecode is stale" in line]
    assert stale == []
    assert f"matches {seventy}/{Target(HERE).site_packages}/numpy/__init__.py" in done.stderr


@pytest.mark.parametrize("name", ["numpy", "python", "markupsafe", "matplotlib"])
def test_a_binary_package_is_what_it_says(sample_channel: Path, name: str) -> None:
    for path in (sample_channel / HERE).glob(f"{name}-*.conda"):
        entries = read_package(path)
        paths = json.loads(entries["info/paths.json"][1])["paths"]
        assert [p["_path"] for p in paths] == sorted(entry for entry in entries if not entry.startswith("info/"))
        for described in paths:
            entry, content = entries[described["_path"]]
            assert entry.mtime == EPOCH
            assert ("prefix_placeholder" in described) == (PLACEHOLDER.encode() in content)
            if described["path_type"] == "hardlink":
                assert described["sha256"] == sha256(content).hexdigest()
                assert described["size_in_bytes"] == len(content)


@pytest.mark.parametrize("name", ["numpy", "python"])
def test_bytecode_holds_time_and_size_of_its_source(sample_channel: Path, name: str) -> None:
    path = next((sample_channel / HERE).glob(f"{name}-*.conda"))
    entries = read_package(path)
    compiled = [entry for entry in entries if entry.endswith(".pyc")]
    assert len(compiled) > 100
    for entry in compiled:
        folder, _, cached = entry.rpartition("/__pycache__/")
        info, source = entries[f"{folder}/{cached.partition('.')[0]}.py"]
        header = MAGIC_NUMBER + b"".join(n.to_bytes(4, "little") for n in (0, int(info.mtime), len(source)))
        assert entries[entry][1][:16] == header


def test_no_package_names_the_machine_that_made_it_in_its_text(sample_channel: Path) -> None:
    path = next((sample_channel / HERE).glob("python-*.conda"))
    named = [
        name
        for name, (_, content) in read_package(path).items()
        if sys.base_prefix.encode() in content and not content.startswith(b"\x7fELF")
    ]
    assert named == []


def test_python_is_packed_alike_each_time(sample_channel: Path, tmp_path: Path) -> None:
    again = write_python_package(Target(HERE), tmp_path)
    assert again.name == f"python-{platform.python_version()}-0_cpython.conda"
    assert again.read_bytes() == (sample_channel / HERE / again.name).read_bytes()


def test_a_complete_channel_is_left_as_it_is(sample_channel: Path) -> None:
    before = sample_channel.stat().st_mtime_ns
    lines: list[str] = []
    assert make_sample_channel(sample_channel, lines.append) == sample_channel
    assert (lines, sample_channel.stat().st_mtime_ns) == ([], before)


def test_other_peoples_directory_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(BadInput, match="holds something else"):
        make_sample_channel(tmp_path)


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(directory: Path) -> None:
        (directory / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_whole(tmp_path / "made", {"version": 1}, interrupted)
    assert [path.name for path in tmp_path.iterdir()] == [".made.lock"]


def test_another_recipe_replaces_and_sweeps_what_a_kill_left(tmp_path: Path) -> None:
    (tmp_path / ".made.making-killed").mkdir()
    for version in (1, 2):
        made = make_whole(tmp_path / "made", {"version": version}, lambda d, v=version: (d / f"v{v}").touch())  # type: ignore[misc]
    assert sorted(path.name for path in made.iterdir()) == ["made-from.json", "v2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".made.lock", "made"]


def test_pip_says_what_it_could_not_fetch(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match=r"pip could not fetch numpy==0\.0\.0\.1"):
        download_wheels(["numpy==0.0.0.1"], tmp_path)


@pytest.mark.parametrize(
    ("python", "conda"),
    [
        ("", ""),
        (">=1.2", ">=1.2"),
        ("<2", "<2.0a0"),
        ("<2rc1", "<2rc1"),
        ("~=1.4", ">=1.4,1.*"),
        ("~=1.4.2", ">=1.4.2,1.4.*"),
        ("==1.*", "1.*"),
        ("==1.2", "==1.2"),
        ("===1.2", "==1.2"),
        ("!=1.2.*,>1", "!=1.2.*,>1"),
    ],
)
def test_python_versions_in_condas_words(python: str, conda: str) -> None:
    assert conda_constraint(SpecifierSet(python)) == conda
    assert rattler.MatchSpec(f"a {conda}".strip())


def test_extras_become_dependencies() -> None:
    added = [Requirement('fqdn>1; extra == "format"'), Requirement("attrs"), Requirement('x; extra == "other"')]
    wanted = [Requirement("JSON_schema[format]>=4"), Requirement('w; sys_platform == "win32"')]
    depends = conda_depends(wanted, {"sys_platform": "linux"}, lambda name, extra: added)
    assert depends == ["fqdn >1", "json-schema >=4"]


@pytest.mark.parametrize("format", ["conda", "tar.bz2"])
def test_an_invented_package_installs(tmp_path: Path, format: str) -> None:
    files = [
        PackageFile("bin/tool", f"#!/bin/sh\necho {PLACEHOLDER}\n".encode(), 0o755, placeholder=PLACEHOLDER),
        PackageFile("bin/alias", link_target="tool"),
        PackageFile("share/größe.txt", b"1\n"),
        PackageFile("lib/blob", b"\0" + PLACEHOLDER.encode() + b"\0", placeholder=PLACEHOLDER, file_mode="binary"),
    ]
    index = package_index("tool", "1.0", subdir=HERE)
    first = write_conda_package(tmp_path / "channel", index, files, format=format)  # type: ignore[arg-type]
    content = first.read_bytes()
    assert write_conda_package(tmp_path / "channel", index, reversed(files), format=format).read_bytes() == content  # type: ignore[arg-type]
    index_channel(tmp_path / "channel")
    install(solve(tmp_path / "channel", ["tool"]), tmp_path / "prefix", tmp_path / "cache")
    done = subprocess.run([tmp_path / "prefix" / "bin" / "alias"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "prefix")
    assert (tmp_path / "prefix" / "share" / "größe.txt").read_bytes() == b"1\n"


def test_hostile_packages_can_be_written(tmp_path: Path) -> None:
    index = package_index("evil", "1", subdir="noarch", noarch="generic")
    paths = [{"_path": "../../escape", "path_type": "hardlink", "sha256": "0" * 64, "size_in_bytes": 1}]
    files = [PackageFile("a", b"x"), PackageFile("b", hardlink_to="a")]
    entries = read_package(write_conda_package(tmp_path, index, files, paths=paths, info={"run_exports.json": b"{}"}))
    assert json.loads(entries["info/paths.json"][1])["paths"] == paths
    assert entries["b"][0].islnk() and "info/run_exports.json" in entries
    assert "info/paths.json" not in read_package(write_conda_package(tmp_path, index, files, info={"paths.json": None}))
