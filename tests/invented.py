"""Invented channels and packages, a python among them, and what rattler alone makes of them."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import io
import json
import marshal
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rattler
import zstandard

from conda_store.builds.environment import Environment
from conda_store.builds.runner import Build, BuildRequest, BuildResult
from conda_store.builds.workshop import Workshop
from conda_store.demo.conda_package import EPOCH, PLACEHOLDER, PackageFile, package_index, write_conda_package
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.locked import Lock, LockedWheel, PlatformLock
from conda_store.pieces.bytecode import machine_platform

SHORT = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = f"lib/python{SHORT}/site-packages"
EMPTY = hashlib.sha256(b"").hexdigest()
TAG = f"cpython-{sys.version_info.major}{sys.version_info.minor}"


def text_file(path: str, content: str | bytes = "", **options: Any) -> PackageFile:
    """A regular file; without `content` it holds its own path."""
    data = content.encode() if isinstance(content, str) else content
    return PackageFile(path, data or f"{path}\n".encode(), **options)


def placeholder_file(path: str, template: str | bytes, mode: int = 0o644) -> PackageFile:
    """A file that holds the prefix wherever `template` says `PREFIX`; bytes make a binary one."""
    if isinstance(template, bytes):
        content = template.replace(b"PREFIX", PLACEHOLDER.encode())
        return PackageFile(path, content, mode, placeholder=PLACEHOLDER, file_mode="binary")
    content = template.replace("PREFIX", PLACEHOLDER).encode()
    return PackageFile(path, content, mode, placeholder=PLACEHOLDER, file_mode="text")


def compiled_module(path: str, source: bytes) -> PackageFile:
    """The timestamp bytecode that a package brings for its module at `path` (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    header = importlib.util.MAGIC_NUMBER + b"".join(n.to_bytes(4, "little") for n in (0, EPOCH, len(source)))
    code = marshal.dumps(compile(source, path, "exec", dont_inherit=True))
    return PackageFile(f"{folder}/__pycache__/{name.removesuffix('.py')}.{TAG}.pyc", header + code)


class InventedChannel:
    """A channel in `directory` whose index says what it is told to, true or not."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.indexes: dict[str, dict[str, dict[str, Any]]] = {machine_platform(): {}, "noarch": {}}

    def add(self, name: str, files: Iterable[PackageFile] = (), **options: Any) -> str:
        """Write a package and list it; returns its `name-version-build`.

        `stated` is what the channel's index says instead of the truth; the rest is for `package_index` and,
        where it has such a parameter, for `write_conda_package`.
        """
        stated = dict(options.pop("stated", {}))
        keys = ("link", "about", "paths", "info", "format")
        writing = {key: options.pop(key) for key in keys if key in options}
        index = package_index(name, options.pop("version", "1.0"), subdir=self._subdir(options), **options)
        path = write_conda_package(self.directory, index, files, **writing)
        return self.list(index, path, stated)

    def add_archive(self, name: str, data: bytes, suffix: str = ".conda", **stated: Any) -> str:
        """Put any bytes into the channel as the archive of a package."""
        index = package_index(name, "1.0", subdir=machine_platform())
        path = self.directory / machine_platform() / f"{name}-1.0-0{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return self.list(index, path, stated)

    def list(self, index: Mapping[str, Any], path: Path, stated: Mapping[str, Any]) -> str:
        """Say in the channel's index that `path` is the package of `index`."""
        data = path.read_bytes()
        digests = {"sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data).hexdigest()}
        record = {**index, **digests, "size": len(data), **stated}
        subdir = self.indexes[str(index["subdir"])]
        subdir[path.name] = record
        for folder in self.indexes:
            self._write_index(folder)
        return f"{record['name']}-{record['version']}-{record['build']}"

    def _subdir(self, options: Mapping[str, Any]) -> str:
        return "noarch" if options.get("noarch") else machine_platform()

    def _write_index(self, subdir: str) -> None:
        listed = self.indexes[subdir]
        document = {
            "info": {"subdir": subdir},
            "packages": {name: record for name, record in listed.items() if name.endswith(".tar.bz2")},
            "packages.conda": {name: record for name, record in listed.items() if name.endswith(".conda")},
            "repodata_version": 1,
        }
        path = self.directory / subdir / "repodata.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))


def add_python(channel: InventedChannel, files: Iterable[PackageFile] = (), **options: Any) -> str:
    """A small python package: it runs the python of the tests, which is elsewhere."""
    script = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
    everything = [
        text_file(f"bin/python{SHORT}", script, mode=0o755),
        PackageFile("bin/python", link_target=f"python{SHORT}"),
        text_file(f"lib/python{SHORT}/antigravity.py", "fly = True\n"),
        *files,
    ]
    version = ".".join(map(str, sys.version_info[:3]))
    return channel.add("python", everything, version=version, **options)


def make_wheel(directory: Path, name: str, files: Mapping[str, bytes], version: str = "1.0") -> LockedWheel:
    """A pure wheel with `files`, locked by its digest."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    root = f"{name}-{version}.dist-info"
    described = {
        f"{root}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{root}/WHEEL": "Wheel-Version: 1.0\nGenerator: invented\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{root}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for target, content in [*described.items(), *files.items()]:
            archive.writestr(target, content)
    data = path.read_bytes()
    return LockedWheel(name, version, path.resolve().as_uri(), hashlib.sha256(data).hexdigest(), len(data))


class BuildWithWheels(Build):
    """A build whose lock has these wheels besides the conda packages that were solved."""

    wheels: tuple[LockedWheel, ...] = ()

    def _environments(self, lock: Lock) -> dict[str, Environment]:
        with_wheels = {one.platform: PlatformLock(one.platform, one.conda, self.wheels) for one in lock}
        return super()._environments(Lock(lock.channels, with_wheels))


def build_with_wheels(
    workshop: Workshop, source: str, wheels: Sequence[LockedWheel] = (), **options: Any
) -> BuildResult:
    """One build in this process of a specification, with wheels that no index was asked for."""
    request = BuildRequest(source=source.encode(), default_name="test", **options)
    build = BuildWithWheels(workshop, request, machine_platform())
    build.wheels = tuple(wheels)
    return build.run()


def workshop_for(directory: Path, channel: InventedChannel) -> Workshop:
    """A store of its own in `directory` for an invented channel."""
    return Workshop(directory, ChannelPolicy().with_channels([channel.directory]))


def specification(*names: str) -> str:
    """An environment.yaml that asks for these packages."""
    return "dependencies:\n" + "".join(f"  - {name}\n" for name in names)


def rattler_prefix(channel: Path, names: Sequence[str], target: Path, final: Path, cache: Path) -> list[str]:
    """What py-rattler makes with a cache of its own and nothing of the engine: the reference.

    The packages, solved from `channel`, are linked into the new directory `target` as they should stand at
    `final`. Returns each as `name-version-build`.
    """

    async def make() -> list[Any]:
        records = await rattler.solve(
            [channel.as_uri()],
            list(names),
            gateway=rattler.Gateway(cache_dir=cache / "repodata"),
            platforms=[machine_platform(), "noarch"],
            virtual_packages=rattler.VirtualPackage.detect(),
        )
        await rattler.install(
            records,
            target,
            cache_dir=cache / "packages",
            installed_packages=[],
            show_progress=False,
            alternative_target_prefix=final,
        )
        return list(records)

    return [f"{r.name.normalized}-{r.version}-{r.build}" for r in asyncio.run(make())]


def conda_archive(stem: str, package: bytes, info: bytes, hidden: bytes | None = None) -> bytes:
    """A `.conda` from the bytes of its two tars; `hidden` is one more, which the zip's directory does not list."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        if hidden is not None:
            archive.writestr(f"pkg-{stem}.tar.zst", zstandard.compress(hidden))
            del archive.NameToInfo[f"pkg-{stem}.tar.zst"]
            archive.filelist.pop()
        archive.writestr(f"info-{stem}.tar.zst", zstandard.compress(info))
        archive.writestr(f"pkg-{stem}.tar.zst", zstandard.compress(package))
    return buffer.getvalue()


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar of any members, good or bad."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "") -> Any:
    """One member for `tar_of`."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size, made.mtime = kind, target, len(content), EPOCH
    return made, content


def info_tar(name: str, files: Sequence[str] = (), **index: Any) -> bytes:
    """The `info/` of a package that lists `files`, all empty."""
    described = package_index(name, "1.0", subdir=machine_platform(), **index)
    paths = [{"_path": path, "path_type": "hardlink", "sha256": EMPTY, "size_in_bytes": 0} for path in files]
    documents = {"index.json": described, "paths.json": {"paths": paths, "paths_version": 1}}
    return tar_of(*(member(f"info/{key}", json.dumps(value).encode()) for key, value in documents.items()))
