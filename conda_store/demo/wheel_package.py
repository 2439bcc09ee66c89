"""Turns one wheel into one conda package: which file goes where, and what the package says about itself."""

from __future__ import annotations

import base64
import configparser
import os.path
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from conda_store.demo.conda_package import PLACEHOLDER, PackageFile, package_index, write_conda_package
from conda_store.demo.dependencies import ExtraRequirements, conda_constraint, conda_depends
from conda_store.demo.target import Target, bytecode_files
from conda_store.demo.wheels import Wheel

# The text of distlib's and pip's wrappers.
SCRIPT = """#!{python}
import re
import sys
from {module} import {attribute}
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit({call}())
"""


@dataclass(frozen=True)
class _Layout:
    """Where a package's files go: relative to the prefix, or for `noarch: python` as conda maps them."""

    noarch: bool
    target: Target
    name: str

    @property
    def site_packages(self) -> str:
        return "site-packages" if self.noarch else self.target.site_packages

    def place(self, path: str, dist: str) -> str:
        """The package path of a file at `path` in the wheel of `dist` (`name-version`, as in `.data`)."""
        if not path.startswith(f"{dist}.data/"):
            return f"{self.site_packages}/{path}"
        _, scheme, rest = path.split("/", 2)
        headers = "include" if self.noarch else f"include/{self.target.python_name}"
        scripts = "python-scripts" if self.noarch else "bin"
        folders = {"scripts": f"{scripts}/", "data": "", "headers": f"{headers}/{self.name}/"}
        return folders.get(scheme, f"{self.site_packages}/") + rest

    def interpreter(self) -> str:
        return f"{PLACEHOLDER}/bin/{'python' if self.noarch else self.target.python_name}"


def write_wheel_package(wheel: Wheel, target: Target, channel: Path, extra_requirements: ExtraRequirements) -> Path:
    """Write the conda package of a wheel into `channel` and return its path.

    A pure wheel becomes `noarch: python`; any other a package of the target's platform, with scripts and bytecode.
    """
    noarch = wheel.is_pure
    depends = conda_depends(wheel.requirements, target.markers, extra_requirements)
    depends = [entry for entry in depends if entry.split()[0] != wheel.name]
    if noarch:
        python = f"python {conda_constraint(wheel.requires_python)}".strip()
        place: dict[str, Any] = {"subdir": "noarch", "noarch": "python", "build": "py_0"}
    else:
        python = target.python_depends
        place = {"subdir": target.subdir, "build": target.build}
    about = wheel_about(wheel)
    index = package_index(wheel.name, wheel.version, depends=[python, *depends], license=about["license"], **place)
    link = None
    if noarch:
        link = {"noarch": {"type": "python", "entry_points": entry_points(wheel)}, "package_metadata_version": 1}
    return write_conda_package(channel, index, wheel_files(wheel, target), link, about)


def wheel_about(wheel: Wheel) -> dict[str, str]:
    """`info/about.json` from the wheel's metadata."""
    said = wheel.metadata
    classifiers = [c.rpartition("::")[2].strip() for c in said.get_all("Classifier", []) if c.startswith("License ::")]
    licenses = [said.get("License-Expression"), *classifiers, (said.get("License") or "").partition("\n")[0]]
    links = dict(link.split(", ", 1) for link in said.get_all("Project-URL", []) if ", " in link)
    homes = [said.get("Home-page"), links.get("Homepage"), *links.values()]
    return {
        "summary": said.get("Summary") or "",
        "license": next((text for text in licenses if text), "unknown"),
        "home": next((text for text in homes if text), ""),
    }


def entry_points(wheel: Wheel) -> list[str]:
    """The wheel's commands as conda writes them: `name = module:function`."""
    text, _ = wheel.contents.get(f"{wheel.dist_info}/entry_points.txt", (b"", False))
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of commands keep their case
    parser.read_string(text.decode())
    sections = [section for section in ("console_scripts", "gui_scripts") if parser.has_section(section)]
    found = {name: value.partition("[")[0].strip() for section in sections for name, value in parser.items(section)}
    return [f"{name} = {value}" for name, value in sorted(found.items())]


def wheel_files(wheel: Wheel, target: Target) -> list[PackageFile]:
    """Every entry of the wheel's conda package."""
    layout = _Layout(wheel.is_pure, target, wheel.name)
    # A wheel that brings bytecode (numpy 1.26 does) has compiled it from a source with another mtime.
    brought = [(path, content) for path, content in sorted(wheel.contents.items()) if "__pycache__" not in path]
    files = [_installed(path, *content, wheel, layout) for path, content in brought]
    record = f"{layout.site_packages}/{wheel.dist_info}/RECORD"
    files = [file for file in files if file.path != record]
    files.append(PackageFile(f"{layout.site_packages}/{wheel.dist_info}/INSTALLER", b"conda\n"))
    if not layout.noarch:
        files.extend(_scripts(wheel, layout))
    files.append(PackageFile(record, "".join(_record_lines(files, record, layout)).encode()))
    return files if layout.noarch else [*files, *bytecode_files(files)]


def _installed(path: str, content: bytes, executable: bool, wheel: Wheel, layout: _Layout) -> PackageFile:
    dist = wheel.dist_info.removesuffix(".dist-info")
    place = layout.place(path, dist)
    if not path.startswith(f"{dist}.data/scripts/"):
        return PackageFile(place, content, 0o755 if executable else 0o644)
    if not content.startswith(b"#!python"):
        return PackageFile(place, content, 0o755)
    _, newline, rest = content.partition(b"\n")
    script = b"#!" + layout.interpreter().encode() + newline + rest
    return PackageFile(place, script, 0o755, placeholder=PLACEHOLDER, file_mode="text")


def _scripts(wheel: Wheel, layout: _Layout) -> Iterator[PackageFile]:
    for entry in entry_points(wheel):
        name, _, reference = entry.partition(" = ")
        module, _, call = reference.partition(":")
        attribute = call.partition(".")[0]
        text = SCRIPT.format(python=layout.interpreter(), module=module, attribute=attribute, call=call)
        yield PackageFile(f"bin/{name}", text.encode(), 0o755, placeholder=PLACEHOLDER, file_mode="text")


def _record_lines(files: list[PackageFile], record: str, layout: _Layout) -> Iterator[str]:
    """RECORD as an installer writes it: paths from site-packages; no digest for what installation rewrites."""
    for file in sorted(files, key=lambda file: file.path):
        path = os.path.relpath(_installed_path(file.path, layout), layout.target.site_packages)
        quoted = f'"{path}"' if "," in path else path
        content = file.content or b""
        digest = base64.urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
        yield f"{quoted},,\n" if file.placeholder else f"{quoted},sha256={digest},{len(content)}\n"
    yield f"{os.path.relpath(_installed_path(record, layout), layout.target.site_packages)},,\n"


def _installed_path(path: str, layout: _Layout) -> str:
    """Where conda puts a package path; `noarch: python` has two folders that are mapped."""
    folder, _, rest = path.partition("/")
    mapped = {"site-packages": layout.target.site_packages, "python-scripts": "bin"} if layout.noarch else {}
    return f"{mapped.get(folder, folder)}/{rest}" if rest else path
