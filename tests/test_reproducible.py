"""An image is a function of its inputs: whoever builds it, wherever and whenever, gets the same digests.

Every build here is a process of its own, the real command, in a store of its own.
"""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from isal import igzip

from conda_store.demo.base_image import make_base_image
from conda_store.demo.conda_package import PLACEHOLDER, PackageFile, package_index, write_conda_package
from conda_store.packages.indexing import index_channel
from tests.conftest import CACHE, need
from tests.engine import blob, image_manifest

PLATFORMS = ("linux-64", "linux-aarch64")
ARCHITECTURES = ("amd64", "arm64")
# Flask is noarch with an entry point, markupsafe is compiled, cowsay comes from pip.
REAL = ["python", "flask", "werkzeug", "jinja2", "markupsafe", "itsdangerous", "click", "blinker", "pip", "certifi"]
SOURCE = """
name: reproducible
dependencies: [python, flask, invented, prefixed, pip, pip: [cowsay]]
variables: {TEAM: data, CITY: Köln}
"""
OTHER_SOURCE = (
    "name: other\ndependencies: [python, invented <2, click, certifi, pip: [tomli-w]]\nplatforms: [linux-64]\n"
)
ENVIRONMENT_SECONDS = 600


@dataclass(frozen=True)
class Circumstances:
    """What a build must not depend on; `base` is a directory for everything that it leaves."""

    base: Path
    channel: str
    umask: int = 0o022
    clock: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def build(self, source: Path, output: str, *arguments: str) -> Path:
        """Run the command; returns the layout."""
        layout = self.base / output
        command = ["-m", "conda_store", "build", str(source), "--quiet", "--channel", self.channel]
        command += ["--store", str(self.base / "store"), "--oci", str(layout), *arguments]
        self.python(*command)
        return layout

    def python(self, *arguments: str) -> str:
        """Run this python in these circumstances; returns what it printed."""
        command = [sys.executable, *arguments]
        if self.clock is not None:
            command = [need("faketime"), "-f", self.clock, *command]
        done = subprocess.run(
            command,
            cwd=self.base,
            umask=self.umask,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)} | self.environment,
            capture_output=True,
            text=True,
            timeout=ENVIRONMENT_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for both channels and both stores."""
    return tmp_path_factory.mktemp("r")


@pytest.fixture(scope="module")
def channel(sample_channel: Path, directory: Path) -> Path:
    """Some real packages, and invented ones with placeholders, for both platforms."""
    channel = directory / "channel"
    for subdir in (*PLATFORMS, "noarch"):
        (channel / subdir).mkdir(parents=True)
        for package in (sample_channel / subdir).glob("*.conda"):
            if package.name.rsplit("-", 2)[0] in REAL:
                os.link(package, channel / subdir / package.name)
    for subdir in PLATFORMS:
        for version in "12":
            files = [PackageFile("share/invented", version.encode()), PackageFile("share/link", link_target="invented")]
            write_conda_package(channel, package_index("invented", version, subdir=subdir), files)
        index = package_index("prefixed", "1", subdir=subdir, depends=["python"])
        write_conda_package(channel, index, prefixed_files())
    index_channel(channel)
    return channel


def prefixed_files() -> list[PackageFile]:
    """Files that hold the prefix: text, binary, a script and a module."""
    prefix = PLACEHOLDER.encode()
    module = "lib/python3.11/site-packages/prefixed.py"
    options: dict[str, Any] = {"placeholder": PLACEHOLDER}
    return [
        PackageFile("etc/prefixed.conf", b"home = " + prefix + b"/share\n", **options),
        PackageFile("lib/prefixed.bin", b"\0\1" + prefix + b"/lib\0" + bytes(9), file_mode="binary", **options),
        PackageFile("bin/prefixed", b"#!" + prefix + b"/bin/python\nimport prefixed\n", mode=0o755, **options),
        PackageFile(module, b"HOME = '" + prefix + b"'\n", **options),
    ]


@pytest.fixture(scope="module")
def options(base_image: str) -> list[str]:
    """Platforms and base images."""
    foreign = make_base_image(CACHE / "base-image-aarch64", "linux-aarch64")
    bases = [f"--base-image=linux-64={base_image}", f"--base-image=linux-aarch64=oci:{foreign}"]
    return [*bases, *(f"--platform={platform}" for platform in PLATFORMS)]


@pytest.fixture(scope="module")
def source(directory: Path) -> Path:
    """The specification as a file."""
    path = directory / "environment.yaml"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def plain(directory: Path, channel: Path) -> Circumstances:
    """A short path, a file: channel."""
    (directory / "a").mkdir()
    return Circumstances(directory / "a", channel.as_uri())


@pytest.fixture(scope="module")
def image(plain: Circumstances, source: Path, options: list[str]) -> Path:
    """The layout that all others must equal; its lockfile lies beside it."""
    return plain.build(source, "image", "--lock", str(plain.base / "conda-lock.yml"), *options)


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """A web server for a directory; gives its URL."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            # http.server's 304 names no validator, which rattler takes for an error (its issue 2719): always 200.
            del self.headers["If-Modified-Since"]
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def strange(directory: Path, channel: Path) -> Iterator[Circumstances]:
    """A long path, a mirror over HTTP with an index of its own, and everything else that differs between machines."""
    base = directory / "b" / ("long-" * 12)
    mirror = directory / "mirrors" / "conda" / "label"
    base.mkdir(parents=True)
    copytree(
        channel, mirror, ignore=lambda _, names: [name for name in names if not name.endswith(".conda") and "." in name]
    )
    for package in mirror.rglob("*.conda"):
        os.utime(package, (1_000_000_000, 1_000_000_000))
    write_conda_package(mirror, package_index("unrelated", "1", subdir="noarch"), [])
    index_channel(mirror)
    environment = {"TZ": "Pacific/Auckland", "PYTHONHASHSEED": "4711", "LC_ALL": "C", "DO_NOT_FAKE_MONOTONIC": "1"}
    with served(directory / "mirrors") as url:
        found = Circumstances(base, f"{url}/conda/label", umask=0o077, clock="+3d", environment=environment)
        clock = float(found.python("-c", "import time; print(time.time())"))
        assert clock > time.time() + 2 * 24 * 3600, "faketime does not work here"
        yield found


@pytest.fixture(scope="module")
def strange_image(strange: Circumstances, directory: Path, source: Path, options: list[str]) -> Path:
    """The same, in a store that has built something else before."""
    other = directory / "other.yaml"
    other.write_text(OTHER_SOURCE)
    strange.build(other, "other", *options[:2])
    return strange.build(source, "image", *options)


def index_of(layout: Path) -> bytes:
    """What names everything in a layout by its digest."""
    return (layout / "index.json").read_bytes()


def diff_ids(layout: Path, architecture: str) -> list[str]:
    """The digests of an image's uncompressed layers."""
    return list(config_of(layout, architecture)["rootfs"]["diff_ids"])


def config_of(layout: Path, architecture: str) -> dict[str, Any]:
    """The configuration of one platform's image."""
    return dict(json.loads(blob(layout, image_manifest(layout, architecture)["config"]["digest"])))


def test_other_circumstances_give_the_same_digests(image: Path, strange_image: Path) -> None:
    for architecture in ARCHITECTURES:
        assert image_manifest(strange_image, architecture) == image_manifest(image, architecture)
    assert index_of(strange_image) == index_of(image)


def test_no_image_holds_a_path_of_the_machine(image: Path, directory: Path) -> None:
    count = 0
    for path in (image / "blobs").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            count += 1
            assert os.fsencode(directory) not in (igzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    assert count > 20


def test_the_lockfile_gives_the_same_digests(
    image: Path, strange_image: Path, strange: Circumstances, plain: Circumstances, options: list[str]
) -> None:
    """Of both platforms, in the store that wrote it and in the other one."""
    lock = plain.base / "conda-lock.yml"
    assert index_of(plain.build(lock, "from-lock", *options)) == index_of(image)
    elsewhere = replace(strange, channel=plain.channel)
    assert index_of(elsewhere.build(lock, "from-lock", *options)) == index_of(strange_image)


def test_compression_changes_no_diff_id(image: Path, plain: Circumstances, source: Path, options: list[str]) -> None:
    zstd = plain.build(source, "zstd", "--compression=zstd", *options)
    for architecture in ARCHITECTURES:
        assert diff_ids(zstd, architecture) == diff_ids(image, architecture)
        ours = zip(*(image_manifest(layout, architecture)["layers"][1:] for layout in (image, zstd)), strict=True)
        assert all(gzip["digest"] != other["digest"] for gzip, other in ours)


def test_another_input_gives_other_digests(
    image: Path, plain: Circumstances, directory: Path, options: list[str]
) -> None:
    other = directory / "changed.yaml"
    other.write_text(SOURCE.replace("TEAM: data", "TEAM: date"))
    changed = plain.build(other, "changed", *options)
    assert index_of(changed) != index_of(image)
    for architecture in ARCHITECTURES:
        before, after = diff_ids(image, architecture), diff_ids(changed, architecture)
        assert before[:-1] == after[:-1] and before[-1] != after[-1]


def test_a_strict_umask_leaves_everything_readable_and_nothing_special(strange_image: Path) -> None:
    count = 0
    for architecture in ARCHITECTURES:
        # Not the base image's layer, which is not made here.
        for layer in image_manifest(strange_image, architecture)["layers"][1:]:
            for member in layer_members(blob(strange_image, layer["digest"])):
                count += 1
                owner = 1000 if member.name == "home/conda" else 0
                assert (member.uid, member.gid, member.uname, member.gname) == (owner, owner, "", ""), member.name
                wanted = 0o755 if member.isdir() else 0o444
                assert member.issym() or (member.mode & wanted == wanted and not member.mode & 0o7002), member.name
                assert member.isfile() or member.isdir() or member.issym()
    assert count > 3000


def layer_members(data: bytes) -> list[tarfile.TarInfo]:
    """The entries of a gzip layer."""
    with tarfile.open(fileobj=io.BytesIO(igzip.decompress(data))) as archive:
        return archive.getmembers()
