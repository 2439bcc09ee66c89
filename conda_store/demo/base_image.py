"""Makes a small base image for the demo from the machine's own Debian packages: glibc, a shell, certificates.

An OCI image layout (image-spec 1.1, image-layout.md) of one layer, byte for byte the same for the same packages.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from isal import igzip

from conda_store.demo.conda_package import EPOCH
from conda_store.demo.debian_packages import download, members, versions, with_libraries
from conda_store.demo.target import running_platform
from conda_store.demo.whole_directory import make_whole
from conda_store.errors import BaseImageMissing

FORMAT_VERSION = 1  # raise it when the same packages give another image
ARCHITECTURES = {"linux-64": "amd64", "linux-aarch64": "arm64"}

# Run by the image or needed by wheels, with the libraries that they load (found by `with_libraries`).
LINKED = ["bash", "coreutils", "libc6", "libgcc-s1", "libstdc++6", "zlib1g"]
# Only files are taken from these; what they depend on serves their maintainer scripts.
DATA = ["base-files", "base-passwd", "ca-certificates"]

DROPPED = re.compile(
    r"usr/share/(doc|man|info|locale|lintian|bug|menu|doc-base|common-licenses)/.*|usr/lib/[^/]+/gconv/.*"
)
MERGED = re.compile(r"(bin|sbin|lib|lib32|lib64|libx32)(/|$)")
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
NSSWITCH = b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n"

FOREIGN_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
FOREIGN_GROUP = b"root:x:0:\nnogroup:x:65534:\n"


@dataclass
class _Tree:
    """The files of an image by path (no leading slash): tar entry and content."""

    entries: dict[str, tuple[tarfile.TarInfo, bytes]] = field(default_factory=dict)

    def add(self, path: str, kind: bytes, mode: int, content: bytes = b"", link: str = "", owner: int = 0) -> None:
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.linkname, info.size = kind, mode, link, len(content)
        info.uid = info.gid = owner
        self.entries[path] = (info, content)

    def folder(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        self.add(path, tarfile.DIRTYPE, mode, owner=owner)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self.add(path, tarfile.REGTYPE, mode, content)

    def link(self, path: str, target: str) -> None:
        self.add(path, tarfile.SYMTYPE, 0o777, link=target)

    def read(self, path: str) -> bytes:
        return self.entries[path][1]

    def tar(self) -> bytes:
        """Sorted, so that a directory stands before what it holds; one time for all."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for _, (info, content) in sorted(self.entries.items()):
                info.mtime = EPOCH
                archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()


def make_base_image(layout: Path, platform: str | None = None) -> Path:
    """Make an OCI image layout at `layout` for a conda platform (this machine's when None); return its path.

    It appears whole or not at all; a complete one of this format is left as it is. It holds glibc, libstdc++, zlib,
    bash, coreutils and the CA bundle, and a user `conda` (uid and gid 1000). For a platform other than this
    machine's it holds users and directories only: enough to put layers on, nothing to run. Raises FetchFailed when
    apt cannot fetch a package, BaseImageMissing without apt or for an unknown platform.
    """
    platform = platform or running_platform()
    if platform not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise BaseImageMissing(f"The demo makes no base image for {platform}, only for {known}. Name one yourself.")
    recipe = {"format": FORMAT_VERSION, "platform": platform, "packages": sorted(LINKED + DATA)}
    return make_whole(layout, recipe, lambda directory: _make(directory, platform))


def _make(directory: Path, platform: str) -> None:
    if platform == running_platform():
        tree, origin = _debian_tree()
    else:
        tree, origin = _empty_tree(), "users and directories only; nothing here runs"
    _write_layout(directory, tree.tar(), ARCHITECTURES[platform], origin)


def _debian_tree() -> tuple[_Tree, str]:
    tree = _Tree()
    with tempfile.TemporaryDirectory() as scratch:
        packages = download([*with_libraries(LINKED), *DATA], Path(scratch))
        for package in packages:
            for entry, content in members(package):
                _add_member(tree, entry, content)
        origin = "Debian packages " + ", ".join(versions(packages))
    certificates = [name for name in sorted(tree.entries) if re.fullmatch(r"usr/share/ca-certificates/.*\.crt", name)]
    tree.file(BUNDLE, b"".join(tree.read(name) for name in certificates))
    for name in ("passwd", "group"):
        tree.file(f"etc/{name}", tree.read(f"usr/share/base-passwd/{name}.master"))
    tree.file("etc/nsswitch.conf", NSSWITCH)
    tree.link("usr/bin/sh", "bash")
    _finish(tree)
    return tree, origin


def _add_member(tree: _Tree, entry: tarfile.TarInfo, content: bytes) -> None:
    """Take an entry of a Debian package to where it lies on a system with a merged /usr."""
    path = entry.name.removeprefix("./").rstrip("/")
    path = f"usr/{path}" if MERGED.match(path) else path
    if path in ("", ".") or DROPPED.fullmatch(path) or (path in tree.entries and entry.isdir()):
        return
    link = entry.linkname
    if entry.islnk():
        link = link.removeprefix("./")
        link = f"usr/{link}" if MERGED.match(link) else link
    # No setuid: nothing in the image needs it, and scanners ask about every one.
    tree.add(path, entry.type, entry.mode & 0o1777, content, link)


def _empty_tree() -> _Tree:
    tree = _Tree()
    for path in ("etc", "home", "opt", "usr", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "var"):
        tree.folder(path)
    tree.folder("root", 0o700)
    tree.file("etc/passwd", FOREIGN_PASSWD)
    tree.file("etc/group", FOREIGN_GROUP)
    _finish(tree)
    return tree


def _finish(tree: _Tree) -> None:
    """What maintainer scripts would do: links of the merged /usr, the user, temporary directories."""
    for name in ("bin", "lib", "lib64", "sbin"):
        tree.link(name, f"usr/{name}")
    tree.file("etc/passwd", tree.read("etc/passwd") + b"conda:x:1000:1000:conda:/home/conda:/bin/bash\n")
    tree.file("etc/group", tree.read("etc/group") + b"conda:x:1000:\n")
    tree.folder("home/conda", owner=1000)
    for path in ("tmp", "var/tmp"):
        tree.folder(path, 0o1777)
    if BUNDLE in tree.entries:
        for path in ("usr/lib/ssl", "etc/ssl", "etc/ssl/certs"):
            tree.folder(path)
        # Where Debian's libcrypto, which Python brings from this machine, looks by itself.
        tree.link("usr/lib/ssl/cert.pem", f"/{BUNDLE}")
        tree.link("usr/lib/ssl/certs", "/etc/ssl/certs")


def _write_layout(directory: Path, tar: bytes, architecture: str, origin: str) -> None:
    """Write blobs, then the index that names them (image-spec 1.1: image-layout.md, manifest.md, config.md)."""
    store = _blob_writer(directory / "blobs" / "sha256")
    layer = store(igzip.compress(tar, compresslevel=2, mtime=0), "layer.v1.tar+gzip")
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ENVIRONMENT, "Cmd": ["/bin/bash"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(tar).hexdigest()}"]},
        "history": [{"created_by": origin}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": store(_json(config), "config.v1+json"),
        "layers": [layer],
    }
    named = store(_json(manifest), "manifest.v1+json")
    named["platform"] = {"architecture": architecture, "os": "linux"}
    named["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [named]}
    (directory / "index.json").write_bytes(_json(index))


def _blob_writer(blobs: Path) -> Callable[[bytes, str], dict[str, Any]]:
    """A function that stores a blob of a media type under its digest and returns its descriptor."""
    blobs.mkdir(parents=True)

    def store(content: bytes, kind: str) -> dict[str, Any]:
        digest = sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        media_type = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    return store


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode()
