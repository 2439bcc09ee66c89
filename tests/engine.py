"""Running the engine in tests, and looking at what it made."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from isal import igzip

from conda_store.builds.progress import Progress
from conda_store.builds.runner import Build, BuildRequest, BuildResult
from conda_store.builds.workshop import Workshop
from conda_store.pieces.bytecode import machine_platform

WRITE_BITS = 0o222


class Collected(Progress):
    """A progress that keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def run_build(workshop: Workshop, source: str | bytes, progress: Progress | None = None, **options: Any) -> BuildResult:
    """One build in this process; `options` are those of `BuildRequest`."""
    data = source.encode() if isinstance(source, str) else source
    request = BuildRequest(source=data, default_name="test", **options)
    return Build(workshop, request, machine_platform(), progress or Progress()).run()


class Node(NamedTuple):
    """A file or link of a tree: permission bits without the write bits, content, target."""

    mode: int
    content: bytes | None
    target: str | None


def tree_of(root: Path) -> dict[str, Node]:
    """Every file and link below `root` by its relative path; write bits aside (the store takes them away)."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        name = path.relative_to(root).as_posix()
        if stat.S_ISLNK(status.st_mode):
            found[name] = Node(0, None, str(path.readlink()))
        elif stat.S_ISREG(status.st_mode):
            found[name] = Node(stat.S_IMODE(status.st_mode) & ~WRITE_BITS, path.read_bytes(), None)
    return found


def image_manifest(layout: Path, platform: str | None = None) -> dict[str, Any]:
    """The manifest of the image in an OCI layout (`platform`: an OCI architecture, where there are several)."""
    document = json.loads((layout / "index.json").read_bytes())
    while "manifests" in document:
        entries = document["manifests"]
        entry = next(
            e for e in entries if platform in (None, e.get("platform", {}).get("architecture")) or len(entries) == 1
        )
        document = json.loads(blob(layout, entry["digest"]))
    return dict(document)


def blob(layout: Path, digest: str) -> bytes:
    """A blob of an OCI layout."""
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def image_tree(layout: Path, below: str = "opt/conda/", platform: str | None = None) -> dict[str, Node]:
    """The files of an image below a folder, layers applied in order, whiteouts too."""
    found: dict[str, Node] = {}
    for layer in image_manifest(layout, platform)["layers"]:
        data = blob(layout, layer["digest"])
        raw = (
            zstandard.ZstdDecompressor().decompressobj().decompress(data)
            if data[:4] == b"\x28\xb5\x2f\xfd"
            else igzip.decompress(data)
        )
        apply_layer(raw, found)
    return {name.removeprefix(below): node for name, node in found.items() if name.startswith(below)}


def apply_layer(raw: bytes, found: dict[str, Node]) -> None:
    """Apply one uncompressed layer to a tree."""
    import io

    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for member in archive:
            name = member.name.rstrip("/")
            folder, _, last = name.rpartition("/")
            if last.startswith(".wh."):
                found.pop(f"{folder}/{last.removeprefix('.wh.')}", None)
            elif member.issym():
                found[name] = Node(0, None, member.linkname)
            elif member.isfile():
                stream = archive.extractfile(member)
                assert stream is not None
                found[name] = Node(member.mode & ~WRITE_BITS, stream.read(), None)
