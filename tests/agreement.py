"""Whether prefix, image and archive are one environment, and the one that rattler makes."""

from __future__ import annotations

import _imp
import hashlib
import importlib.util
import json
import stat
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from isal import igzip

from conda_store.packages.locked import LockedWheel
from tests.engine import image_manifest
from tests.invented import (
    SHORT,
    InventedChannel,
    build_with_wheels,
    rattler_prefix,
    specification,
    workshop_for,
)

WRITE_BITS = 0o222
IMAGE_PREFIX = Path("/opt/conda")
ARCHIVE_TOOLS = ("activate", "activate.fish", "deactivate", "conda-unpack", "conda_unpack_progress.py")
PYC = f"cpython-{SHORT.replace('.', '')}.pyc"


class Leaf(NamedTuple):
    """A file or link: permission bits without the write bits, digest of the content, target."""

    mode: int
    digest: str | None
    target: str | None


def digest_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def leaves(root: Path) -> dict[str, Leaf]:
    """Every file and link below `root`, but for records and what rattler sets aside for losers."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        status = path.lstat()
        if name.startswith(("conda-meta/", "__clobbers__/")) or stat.S_ISDIR(status.st_mode):
            continue
        if stat.S_ISLNK(status.st_mode):
            found[name] = Leaf(0, None, str(path.readlink()))
        else:
            assert stat.S_ISREG(status.st_mode), name
            found[name] = Leaf(stat.S_IMODE(status.st_mode) & ~WRITE_BITS, digest_of(path), None)
    return found


def differences(actual: Mapping[str, Leaf], expected: Mapping[str, Leaf]) -> dict[str, tuple[Leaf | None, Leaf | None]]:
    """Path → (actual, expected), wherever the two trees differ."""
    return {
        name: (actual.get(name), expected.get(name))
        for name in sorted(actual.keys() | expected.keys())
        if actual.get(name) != expected.get(name)
    }


def unpack_image(layout: Path, target: Path) -> Path:
    """Apply the layers of an image as a container engine does; returns where its environment lies."""
    for layer in image_manifest(layout)["layers"]:
        path = layout / "blobs" / layer["digest"].replace(":", "/")
        with igzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                _apply(archive, member, target)
    return target / IMAGE_PREFIX.relative_to("/")


def _apply(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    folder, _, name = member.name.rpartition("/")
    if name.startswith(".wh."):
        (target / folder / name.removeprefix(".wh.")).unlink(missing_ok=True)
        return
    place = target / member.name
    if member.isdir():
        assert not place.is_symlink() and not place.is_file(), f"{member.name} is a folder here and a file below"
    else:
        assert place.is_symlink() or not place.is_dir(), f"{member.name} is a file here and a folder below"
        place.unlink(missing_ok=True)
    archive.extract(member, target, filter="fully_trusted")


def unpack_with_python(archive: Path, target: Path) -> Path:
    """Unpack an archive by python's tarfile."""
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="tar")
    return target


def unpack_with_tar(archive: Path, target: Path) -> Path:
    """Unpack an archive by the machine's own tar."""
    target.mkdir()
    subprocess.run(["tar", "-xpf", archive, "-C", target], check=True, stdin=subprocess.DEVNULL)
    return target


def modules_below(root: Path) -> list[Path]:
    """The python modules of an environment: those in python's library folder."""
    return sorted(path for path in root.glob("lib/python*/**/*.py") if path.is_file() and not path.is_symlink())


def bytecode_faults(root: Path) -> list[str]:
    """Modules whose bytecode python would not take, although they compile (PEP 552: the three kinds of headers)."""
    return [path.relative_to(root).as_posix() for path in modules_below(root) if not _has_bytecode(path)]


def _has_bytecode(module: Path) -> bool:
    pyc = Path(importlib.util.cache_from_source(str(module), optimization=""))
    source = module.read_bytes()
    if not pyc.exists():
        return not _compiles(source)
    header = pyc.read_bytes()[:16]
    status = module.stat()
    stated = header[8:]
    if header[4:8] == bytes(4):
        stamp = int(status.st_mtime).to_bytes(4, "little") + status.st_size.to_bytes(4, "little")
        good = stated == stamp
    else:
        good = stated == _imp.source_hash(int.from_bytes(importlib.util.MAGIC_NUMBER, "little"), source)
    return header[:4] == importlib.util.MAGIC_NUMBER and (good or not _compiles(source))


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "module", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def is_bytecode(path: str) -> bool:
    """Whether a path is that of cached bytecode."""
    return path.endswith(".pyc") and "/__pycache__/" in path


def without(tree: Mapping[str, Leaf], drop: Callable[[str], bool]) -> dict[str, Leaf]:
    """The tree but for the paths that `drop` says."""
    return {name: leaf for name, leaf in tree.items() if not drop(name)}


def records(root: Path, leave_out: Sequence[str] = ()) -> dict[str, tuple[str, str, str, list[str]]]:
    """What each record in `conda-meta` says: name, version, build and files by the record's file name."""
    found = {}
    for path in (root / "conda-meta").glob("*.json"):
        record = json.loads(path.read_bytes())
        found[path.name] = (
            record["name"],
            record["version"],
            record["build"],
            sorted({*record["files"]} - {*leave_out}),
        )
    return found


def writable_links(prefix: Path) -> list[str]:
    """Files of a prefix that share their bytes with the store and could be written."""
    return [
        path.relative_to(prefix).as_posix()
        for path in prefix.rglob("*")
        if stat.S_ISREG((status := path.lstat()).st_mode) and status.st_nlink > 1 and status.st_mode & WRITE_BITS
    ]


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
    assert records(made.prefix, contested) == records(made.reference, contested)
    assert records(made.image).keys() == records(made.reference).keys()


def bytecode_of(module: str) -> str:
    folder, _, name = module.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{PYC}"
