"""`conda-store run` and scripts: environments are fetched once, whole or not at all, and the command is itself."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from conda_store.client import Client
from conda_store.client.cache import EnvironmentCache
from conda_store.client.unpacking import ArchiveDamaged, check_length
from conda_store.client_commands.running import script_arguments
from conda_store.errors import BadInput
from conda_store.executors.local import LocalExecutor
from tests.command_line import shell, surroundings
from tests.invented import InventedChannel, placeholder_file
from tests.server import Server, running

YAML = "name: greeting\ndependencies: [hello]\nvariables: {GREETED: world}\n"


@dataclass
class Built:
    """A server whose build 1 of default/greeting is completed, and its archive."""

    server: Server
    archive: Path

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"{self.server.root}{self.server.app.prefix}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """A real build of a package with a program that knows its prefix."""
    directory = tmp_path_factory.mktemp("run")
    channel = InventedChannel(directory / "channel")
    program = '#!/bin/sh\necho "$GREETED from PREFIX"\ntest "$CONDA_PREFIX" = "PREFIX" || exit 9\nexit "${1:-0}"\n'
    channel.add("hello", [placeholder_file("bin/hello", program, 0o755)])
    options = {"executor_class": LocalExecutor, "default_channels": [channel.directory.as_uri()]}
    with running(directory / "server", **options, ImageBuilder__base_image="scratch") as server:
        one = Built(server, directory / "archive.tar.gz")
        with Client(one.url) as client:
            client.wait(client.create(YAML)).check_completed()
            client.download(1, "archive", one.archive)
        yield one


def run(built: Built, cache: Path, *words: str, status: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """`conda-store run` with a cache of its own."""
    given = {"CONDA_STORE_URL": built.url, "XDG_CACHE_HOME": str(cache), **environ}
    return shell(None, "run", *words, status=status, **given)


def entries(cache: Path) -> list[Path]:
    """The directories that are in a cache, whole ones and others."""
    return [one for one in (cache / "conda-store" / "run").iterdir() if one.is_dir()]


def test_a_command_runs_activated_at_the_place_where_it_lies(built: Built, tmp_path: Path) -> None:
    said = run(built, tmp_path, "default/greeting", "--", "hello").stdout
    (entry,) = entries(tmp_path)
    assert said == f"world from {entry}/env\n"
    assert [one.name for one in entry.iterdir()] == ["env"]
    # Again, by number, with and without the name: nothing is fetched, and the status is the command's own.
    made = (entry / "env").stat().st_ctime_ns
    assert run(built, tmp_path, "default/greeting:1", "hello", "7", status=7, CONDA_PREFIX="/other").stdout == said
    assert run(built, tmp_path, "1", "--", "hello").stdout == said
    assert entries(tmp_path) == [entry] and (entry / "env").stat().st_ctime_ns == made


def test_signals_and_pipes_are_those_of_the_command(built: Built, tmp_path: Path) -> None:
    assert run(built, tmp_path, "1", "--", "sh", "-c", "kill -TERM $$", status=-signal.SIGTERM).stderr == ""
    # A command that inherits an ignored SIGPIPE would complain, and not be ended by it.
    ended = run(built, tmp_path, "1", "--", "bash", "-c", "yes | head -n 1; echo ${PIPESTATUS[0]}")
    assert ended.stdout == f"y\n{128 + signal.SIGPIPE}\n"
    run(built, tmp_path, "1", "--", "nothing-of-this-name", status=127)
    (tmp_path / "text").write_text("no program")
    run(built, tmp_path, "1", "--", str(tmp_path / "text"), status=126)


def test_the_way_to_the_command_has_a_status_of_its_own(built: Built, tmp_path: Path) -> None:
    assert "There is no build 99" in run(built, tmp_path, "99", "--", "true", status=125).stderr
    assert "no environment" in run(built, tmp_path, "default/none", "true", status=125).stderr.lower()
    other = "default/greeting:99"
    assert "99" in run(built, tmp_path, other, "true", status=125).stderr
    assert "NAMESPACE/NAME" in run(built, tmp_path, "greeting", status=2).stderr
    assert "bash" in run(built, tmp_path, "1", "--", "true", status=125, PATH=str(tmp_path)).stderr


def test_without_the_server_a_numbered_build_comes_from_the_cache(built: Built, tmp_path: Path) -> None:
    said = run(built, tmp_path, "default/greeting:1", "hello").stdout
    # The same address with nobody there: an entry belongs to its server.
    away = "http://127.0.0.1:1"
    here = EnvironmentCache(away, tmp_path / "conda-store")
    there = EnvironmentCache(built.url.rstrip("/"), tmp_path / "conda-store")
    assert here.recall(1, "default/greeting") is None
    assert str(there.recall(1, "default/greeting")) in said and there.recall(1, "default/other") is None
    here.ensure('"tag"', lambda path: path.write_bytes(built.archive.read_bytes()))
    here.remember(1, "default/greeting", '"tag"')
    offline = run(built, tmp_path, "default/greeting:1", "hello", CONDA_STORE_URL=away)
    assert offline.stdout.startswith("world from ") and "taken from the cache" in offline.stderr
    for words in (["default/greeting", "hello"], ["default/greeting:2", "hello"], ["--refresh", "1", "hello"]):
        refused = run(built, tmp_path, *words, status=125, CONDA_STORE_URL=away)
        assert f"No conda-store server answers at {away}" in refused.stderr and refused.stdout == ""


def test_refresh_replaces_what_is_there(built: Built, tmp_path: Path) -> None:
    run(built, tmp_path, "1", "true")
    (before,) = entries(tmp_path)
    (before / "env" / "bin" / "hello").write_text("spoilt")
    assert run(built, tmp_path, "--refresh", "1", "hello").stdout.startswith("world from ")
    (after,) = entries(tmp_path)
    assert after != before


def test_two_at_once_fetch_once(built: Built, tmp_path: Path) -> None:
    fetched: list[Path] = []

    def fetch(path: Path) -> None:
        fetched.append(path)
        path.write_bytes(built.archive.read_bytes())

    def ensure(_: int) -> Path:
        return EnvironmentCache(built.url, tmp_path).ensure('"x"', fetch)

    before = os.umask(0o022)
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ensure, range(4)))) == 1
    assert len(fetched) == 1
    # It is the process's, and each of them wanted another one meanwhile.
    assert os.umask(before) == 0o022


KILLED = """
import os, sys, signal
from pathlib import Path
from conda_store.client import cache
def half(archive, prefix):
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "activate").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
cache.unpack = half
cache.EnvironmentCache("http://server", Path(sys.argv[1])).ensure('"x"', lambda path: path.write_bytes(b""))
"""


def test_what_a_killed_process_left_is_nothing(built: Built, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = [one for one in (tmp_path / "run").iterdir() if one.is_dir()]
    prefix = EnvironmentCache("http://server", tmp_path).ensure(
        '"x"', lambda path: path.write_bytes(built.archive.read_bytes())
    )
    assert not left.exists() and (prefix / "bin" / "hello").exists()


@pytest.mark.parametrize("mask", [0o000, 0o777])
def test_the_umask_opens_nothing_and_closes_nothing(built: Built, tmp_path: Path, mask: int) -> None:
    given = {**surroundings(), "CONDA_STORE_URL": built.url, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "conda_store", "run", "1", "sh", "-c", "umask; hello"]
    done = subprocess.run(command, env=given, capture_output=True, text=True, umask=mask, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"{mask:04o}"  # the command's own is what it was
    for one in [tmp_path / "conda-store" / "run", *entries(tmp_path)]:
        assert stat.S_IMODE(one.stat().st_mode) == 0o700


def test_a_path_that_is_too_long_is_refused_before_anything_is_fetched(built: Built, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 200) / ("e" * 100)
    refused = run(built, deep, "1", "true", status=125).stderr
    assert "packages have room for 255" in refused and "XDG_CACHE_HOME" in refused
    assert not any(deep.rglob("archive.tar.gz"))
    check_length(Path("/" + "x" * 254))
    with pytest.raises(BadInput, match="256 bytes"):
        check_length(Path("/" + "ü" * 127 + "x"))


@pytest.mark.parametrize("data", [b"no archive", b""])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match="cannot be unpacked"):
        EnvironmentCache("http://server", tmp_path).ensure('"x"', lambda path: path.write_bytes(data))
    assert [one for one in (tmp_path / "run").iterdir() if one.is_dir()] == []


@pytest.mark.parametrize(
    "head",
    [
        "#!/usr/bin/env -S conda-store run default/greeting -- sh",
        "#!/usr/bin/env conda-store\n#! conda-store run default/greeting -- sh",
        "#!/usr/bin/env conda-store\n# a comment\n#! conda-store run\n#! conda-store run default/greeting:1 'sh'",
    ],
)
def test_a_script_names_its_environment(built: Built, tmp_path: Path, head: str) -> None:
    script = tmp_path / "my script"
    script.write_text(f'{head}\nhello; echo "$1|$2"; exit 3\n')
    script.chmod(0o755)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {**surroundings(), "CONDA_STORE_URL": built.url, "XDG_CACHE_HOME": str(tmp_path), "PATH": path}
    done = subprocess.run([script, "a b", "--help"], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("world from ") and done.stdout.endswith("\na b|--help\n")


def test_what_is_no_script_is_left_alone(tmp_path: Path) -> None:
    script = tmp_path / "x"
    assert script_arguments([]) is None and script_arguments([str(script)]) is None
    for text in ("", "print(1)\n", "#!/bin/conda-store-else\n", "#!/bin/x/conda-store --help\n"):
        script.write_text(text)
        assert script_arguments([str(script)]) is None
    for text, message in [
        ("#!/usr/bin/env conda-store\n", "says nowhere"),
        ("#! conda-store\n#! conda-store run 'x", "quote"),
    ]:
        script.write_text(text)
        with pytest.raises(BadInput, match=message):
            script_arguments([str(script)])
