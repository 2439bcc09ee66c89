"""Packs the running Python into a conda package that runs from any prefix and needs nothing but glibc."""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conda_store.demo.conda_package import PLACEHOLDER, PackageFile, package_index, write_conda_package
from conda_store.demo.native_libraries import needed_libraries, set_library_path
from conda_store.demo.target import Target, bytecode_files
from conda_store.errors import BadInput

# Not shipped: tests and bytecode (made anew), what a distribution puts beside the library, and modules that need
# a window system or libraries nobody misses.
SKIPPED_FOLDERS = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idlelib", "turtledemo", "tkinter"}
SKIPPED_FILES = re.compile(r".*\.(a|pyc|pyo|o)|(_tkinter|nis|_test\w+|_xxtest\w+|_ctypes_test|xxlimited\w*)\..*")


def write_python_package(target: Target, channel: Path) -> Path:
    """Write the package `python` of the running interpreter into `channel` and return its path.

    Raises BadInput for an interpreter whose layout a distribution changed.
    """
    if "deb_system" in sysconfig.get_scheme_names():
        raise BadInput(
            f"{sys.executable} is Debian's changed Python (dist-packages), which cannot be packed. "
            "Run this with one from python.org, uv, pyenv or a container image."
        )
    with tempfile.TemporaryDirectory() as scratch:
        files = list(_files(target, Path(sys.base_prefix), Path(scratch)))
    write = write_conda_package(
        channel, python_index(target), [*files, *bytecode_files(files)], about=PYTHON_ABOUT, level=4
    )
    return write


PYTHON_ABOUT = {
    "summary": "General purpose programming language",
    "license": "Python-2.0",
    "home": "https://www.python.org/",
}


def python_index(target: Target) -> dict[str, object]:
    """`info/index.json` of the running version of Python, packed for `target`."""
    return package_index(
        "python",
        platform.python_version(),
        subdir=target.subdir,
        build="0_cpython",
        license=PYTHON_ABOUT["license"],
        python_site_packages_path=target.site_packages,
    )


def _files(target: Target, base: Path, scratch: Path) -> Iterator[PackageFile]:
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": str(base), "base": str(base)}))
    for path in _library(library):
        yield _packed(path, f"lib/{target.python_name}/{path.relative_to(library)}", scratch, base)
    for header in sorted(Path(sysconfig.get_config_var("INCLUDEPY")).rglob("*.h")):
        place = f"include/{target.python_name}/{header.relative_to(sysconfig.get_config_var('INCLUDEPY'))}"
        yield _packed(header, place, scratch, base)
    interpreter = base / "bin" / target.python_name
    yield _packed(interpreter, f"bin/{target.python_name}", scratch, base)
    for name in ("python", "python3"):
        yield PackageFile(f"bin/{name}", link_target=target.python_name)
    yield from _commands(target)
    yield from _libraries([interpreter, *library.glob("lib-dynload/*.so")], scratch, base)


def _library(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in SKIPPED_FOLDERS:
                yield from _library(path)
        elif not SKIPPED_FILES.fullmatch(path.name):
            yield path


def _commands(target: Target) -> Iterator[PackageFile]:
    for command, module in (("pydoc", "pydoc"), ("pydoc3", "pydoc")):
        text = f"#!{PLACEHOLDER}/bin/{target.python_name}\nimport {module}\n{module}.cli()\n"
        yield PackageFile(f"bin/{command}", text.encode(), 0o755, placeholder=PLACEHOLDER, file_mode="text")


def _libraries(loaders: list[Path], scratch: Path, base: Path) -> Iterator[PackageFile]:
    loaders = [path for path in loaders if not SKIPPED_FILES.fullmatch(path.name)]
    for name, path in sorted(needed_libraries(loaders).items()):
        yield _packed(path.resolve(), f"lib/{name}", scratch, base)


def _packed(source: Path, place: str, scratch: Path, base: Path) -> PackageFile:
    """The package entry at `place` for a file of this machine, without this machine's paths in its text."""
    content = source.read_bytes()
    mode = 0o755 if source.stat().st_mode & 0o111 else 0o644
    if content.startswith(b"\x7fELF"):
        depth = place.count("/") - (0 if place.startswith("bin/") else 1)
        return PackageFile(place, _relocatable(content, place, depth, scratch), mode)
    if str(base).encode() in content and b"\0" not in content:
        content = content.replace(str(base).encode(), PLACEHOLDER.encode())
        return PackageFile(place, content, mode, placeholder=PLACEHOLDER, file_mode="text")
    return PackageFile(place, content, mode)


def _relocatable(content: bytes, place: str, depth: int, scratch: Path) -> bytes:
    up = "/".join([".."] * depth)
    rpath = "$ORIGIN/../lib" if place.startswith("bin/") else f"$ORIGIN/{up}".rstrip("/")
    copy = scratch / place.replace("/", "-")
    copy.write_bytes(content)
    set_library_path(copy, rpath)
    return copy.read_bytes()


def write_invented_python(target: Target, channel: Path) -> Path:
    """Write a package `python` for a platform that this machine cannot run: the right shape, no interpreter.

    It is enough to solve, lock, link and make images for that platform. Its `bin/python` says so and fails.
    """
    version = target.python_name
    shell = f"#!/bin/sh\necho '{version} of the sample channel for {target.subdir} is a stand-in.' >&2\nexit 1\n"
    config = f"# Where the interpreter was built.\nPREFIX = {PLACEHOLDER!r}\n"
    files = [
        PackageFile(f"bin/{version}", shell.encode(), 0o755),
        PackageFile("bin/python", link_target=version),
        PackageFile("bin/python3", link_target=version),
        PackageFile(f"lib/{version}/os.py", b'"""A stand-in for the standard library."""\n\nsep = "/"\n'),
        PackageFile(f"lib/{version}/LICENSE.txt", b"A stand-in; see https://docs.python.org/3/license.html\n"),
        PackageFile(f"lib/{version}/build_prefix.py", config.encode(), placeholder=PLACEHOLDER, file_mode="text"),
        *_commands(target),
    ]
    return write_conda_package(channel, python_index(target), [*files, *bytecode_files(files)], about=PYTHON_ABOUT)
