"""A wheel as files that have a place in a prefix: uv lays it out alone, for the python that runs here.

Then everything that tells of this machine, this day or uv is taken out, so that equal wheels give equal bytes
wherever and whenever. Format: PyPA "Recording installed projects".
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import posixpath
import re
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from conda_store.errors import PackageRefused
from conda_store.packages.check import check_target
from conda_store.packages.contents import PLACEHOLDER, PlacedFile, Python, is_module
from conda_store.packages.locked import LockedWheel
from conda_store.packages.uv_process import run_uv, without_credentials
from conda_store.packages.wheel_inspection import WheelPlan
from conda_store.packages.wheel_target import WheelTarget

# 1980-01-01 00:00 UTC, the oldest time that a zip can hold: zip times know no time zone, and nobody needs them.
MTIME = 315_532_800
_INSTALL = (
    *("pip", "install", "--offline", "--no-index", "--no-deps", "--link-mode", "hardlink", "--quiet"),
    *("--cache-dir", "cache", "--prefix", "files"),
)
_UV_FILES = ("direct_url.json", "uv_cache.json", "REQUESTED")


def run_install(wheel: LockedWheel, target: WheelTarget, archive: Path, scratch: Path) -> None:
    """Let uv unpack `archive`, which lies in `scratch`, into `scratch/files`. Raises `PackageRefused`."""
    done = run_uv([*_INSTALL, *target.uv_options, f"./{archive.name}"], directory=scratch)
    if done.returncode:
        reason = " ".join(done.stderr.replace(str(scratch), "").split())
        raise PackageRefused(f"{wheel}: uv cannot lay out the wheel: {without_credentials(reason)}")


def arrange(
    laid_out: Path, target: Path, plan: WheelPlan, python: Python, wheel: LockedWheel
) -> tuple[PlacedFile, ...]:
    """Move uv's files to where `python` looks for them and make them the same on every machine; sorted by target."""
    dist_info = f"{python.site_packages}/{plan.dist_info}"
    places = {
        place: path
        for path in _walk(laid_out)
        if (place := _place(path, plan, python)) and not _is_dropped(place, dist_info)
    }
    _move(laid_out, target, places, wheel)
    scripts = plan.python_scripts & places.keys()
    for script in scripts:
        _rewrite_shebang(target / script, python)
    (target / dist_info / "INSTALLER").write_text("conda-store\n")
    record = target / dist_info / "RECORD"
    names = sorted({*places, f"{dist_info}/INSTALLER", f"{dist_info}/RECORD"})
    files = {name: _placed(target, name, name in scripts) for name in names if name != f"{dist_info}/RECORD"}
    record.write_bytes(_record(files, f"{dist_info}/RECORD", python.site_packages))
    files[f"{dist_info}/RECORD"] = _placed(target, f"{dist_info}/RECORD", False)
    return tuple(files[name] for name in names)


def _walk(root: Path) -> Iterable[str]:
    for folder, _, names in os.walk(root):
        for name in names:
            yield (Path(folder) / name).relative_to(root).as_posix()


def _place(path: str, plan: WheelPlan, python: Python) -> str | None:
    if path == ".lock":
        return None
    running = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if path in plan.data:
        return path
    path = re.sub(rf"^(local/)?lib(64)?/{running}t?/(site|dist)-packages/", f"{python.site_packages}/", path)
    return re.sub(rf"^(local/)?include/site/{running}t?/", f"include/site/python{python.short_version}/", path)


def _is_dropped(place: str, dist_info: str) -> bool:
    folder, _, name = place.rpartition("/")
    return "__pycache__" in place.split("/") or (folder == dist_info and name in _UV_FILES)


def _move(laid_out: Path, target: Path, places: Mapping[str, str], wheel: LockedWheel) -> None:
    for place, path in places.items():
        check_target(place, str(wheel))
        if not stat.S_ISREG((laid_out / path).lstat().st_mode):
            raise PackageRefused(f"{wheel}: {path!r} is not a plain file.")
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        (laid_out / path).rename(target / place)


def _rewrite_shebang(script: Path, python: Python) -> None:
    """Put the placeholder where uv wrote this machine's python, on one line or (long paths) in three."""
    lines = script.read_bytes().split(b"\n")
    header = 3 if lines[:2][-1].startswith(b"'''exec'") else 1
    shebang = f"#!{PLACEHOLDER}/{python.executable}".encode()
    script.write_bytes(b"\n".join([shebang, *lines[header:]]))


def _placed(root: Path, name: str, is_script: bool) -> PlacedFile:
    """Give the file its final mode and time, and describe it."""
    path = root / name
    status = path.stat()
    mode = 0o755 if is_script or status.st_mode & 0o111 else 0o644
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    path.chmod(mode & 0o555)
    os.utime(path, (MTIME, MTIME))
    return _file(str(root), name, mode, status.st_size, sha256, is_script)


def _file(root: str, target: str, mode: int, size: int, sha256: str, is_script: bool) -> PlacedFile:
    return PlacedFile(
        target=target,
        source=f"{root}/{target}",
        mode=mode,
        mtime=MTIME,
        size=size,
        placeholder=PLACEHOLDER if is_script else None,
        file_mode="text" if is_script else None,
        sha256=sha256,
    )


def load(directory: Path) -> Sequence[PlacedFile]:
    """The files of a finished directory of the wheel store, from its `files.json`."""
    root = str(directory / "files")
    return [_file(root, *row) for row in json.loads((directory / "files.json").read_bytes())]


def _record(files: Mapping[str, PlacedFile], own: str, site_packages: str) -> bytes:
    """RECORD, sorted by path; a script's row has neither digest nor size, since both depend on the prefix."""
    rows = [(posixpath.relpath(own, site_packages), "", "")]
    for name, file in files.items():
        path = posixpath.relpath(name, site_packages)
        digest = base64.urlsafe_b64encode(bytes.fromhex(file.sha256 or "")).rstrip(b"=").decode()
        rows.append((path, "", "") if file.placeholder else (path, f"sha256={digest}", str(file.size)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode()


def write_manifest(whole: Path, wheel: LockedWheel, files: Sequence[PlacedFile]) -> None:
    """Describe `files` in `summary.json` (cheap to read) and `files.json` (what `load` reads)."""
    summary = {
        "name": wheel.name,
        "version": wheel.version,
        "url": wheel.url,
        "paths": [file.target for file in files],
        "size": sum(file.size for file in files),
        "has_modules": any(is_module(file.target) for file in files),
    }
    rows = [[file.target, file.mode, file.size, file.sha256, file.placeholder is not None] for file in files]
    for name, document in (("summary.json", summary), ("files.json", rows)):
        (whole / name).write_text(json.dumps(document, separators=(",", ":")))
