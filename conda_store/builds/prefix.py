"""The installed prefix: conda packages by rattler, then wheels, bytecode and the environment's own files.

Everything is a hard link into the store where it can be. The prefix appears whole or not at all: it is made
beside its place and renamed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from conda_store.builds.keys import scratch_of
from conda_store.errors import BadInput, StorageFull
from conda_store.packages.contents import Contents, PlacedFile, Python
from conda_store.packages.fetch import StoredPackage
from conda_store.packages.installer import check_prefix_length, finish_record, install
from conda_store.packages.ownership import Ownership, find_file
from conda_store.packages.relocation import relocate
from conda_store.pieces.bytecode import plan_modules
from conda_store.pieces.environment import environment_files
from conda_store.pieces.layer import CompiledSet
from conda_store.pieces.record import prefix_record
from conda_store.specification import Specification
from conda_store.storage.scratch import exchange, scratch_directory, sweep

MARKER = "conda-meta/history"


def check_place(prefix: Path) -> None:
    """Refuse a prefix that is too long, or that would replace something that is not an environment."""
    check_prefix_length(prefix)
    if prefix.is_symlink() or (prefix.exists() and not prefix.is_dir()):
        raise BadInput(f"The prefix {prefix} is not a directory: choose another path, or remove it.")
    if prefix.exists() and any(prefix.iterdir()) and not (prefix / MARKER).exists():
        raise BadInput(f"The prefix {prefix} exists and is not an environment: choose another path, or empty it.")


def make_prefix(
    prefix: Path,
    specification: Specification,
    platform: str,
    stored: Sequence[StoredPackage],
    ownership: Ownership,
    python: Python | None,
    compiled: CompiledSet,
    appearing: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Make the environment at the absolute path `prefix`; one that is there already is replaced in one step.

    `compiled.relocated` is for this very prefix. It appears inside of the context `appearing`, which may refuse it by
    raising. Raises `BadInput` for a place that cannot be used and `StorageFull` when it cannot be written; nothing
    half-made stays.
    """
    check_place(prefix)
    beside = scratch_of(prefix)
    try:
        sweep(beside)
        with scratch_directory(beside) as scratch:
            (scratch / "view").mkdir()
            target = scratch / "prefix"
            contested = contested_entry_points(ownership)
            install(stored, target, prefix, platform, scratch / "view", contested)
            _settle_entry_points(target, prefix, ownership, contested)
            _write_records(target, stored, ownership, scratch / "view")
            _link_wheels(target, prefix, [package for package in ownership.order if package.kind == "wheel"])
            _link_bytecode(target, ownership, python, compiled)
            _write_environment(target, specification)
            with appearing():
                exchange(target, prefix)
    except OSError as error:
        raise StorageFull(f"The prefix {prefix} cannot be written: {error}") from error
    finally:
        with suppress(OSError):
            beside.rmdir()


def _write_records(target: Path, stored: Sequence[StoredPackage], ownership: Ownership, view: Path) -> None:
    """Records in conda-store's own form, except for packages that lost a path: rattler's say where their file is."""
    contents = {package.key: package for package in ownership.order}
    for item in stored:
        package = contents[item.package.sha256]
        path = target / "conda-meta" / f"{package.stem}.json"
        path.chmod(0o644)  # rattler's 0600 is of no use to a team
        if ownership.lost_by(package.key):
            finish_record(path, item, view)
            continue
        record = prefix_record(
            package, url=item.package.url, channel=item.package.channel, directory=str(item.directory)
        )
        path.write_text(json.dumps(record))


def _link_wheels(target: Path, prefix: Path, wheels: Iterable[Contents]) -> None:
    for wheel in wheels:
        for file in wheel.files:
            _place(target / file.target, file, str(prefix))


def _place(path: Path, file: PlacedFile, prefix: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A conda package may have the same path: unlink, since writing would go through a link into the store.
    path.unlink(missing_ok=True)
    if file.link_target is not None:
        path.symlink_to(file.link_target)
    elif file.placeholder is not None:
        path.write_bytes(relocate(file, prefix))
        path.chmod(file.mode)
    elif file.source is not None:
        link_or_copy(file.source, path)


def contested_entry_points(ownership: Ownership) -> dict[str, frozenset[str]]:
    """Entry points at a path that another package has too, by the package's key.

    rattler keeps no account of these: it would write them into whatever stands there, through a hard link into
    the package store.
    """
    packages = {package.key: package for package in ownership.order}
    found: dict[str, frozenset[str]] = {}
    for path, keys in ownership.shared.items():
        for key in keys if path.startswith("bin/") else ():
            file = find_file(packages[key], path)
            if file is not None and file.source is None:
                found[key] = found.get(key, frozenset()) | {path}
    return found


def _settle_entry_points(
    target: Path, prefix: Path, ownership: Ownership, contested: Mapping[str, frozenset[str]]
) -> None:
    for package in ownership.order:
        won = contested.get(package.key, frozenset()) - ownership.lost_by(package.key)
        for file in package.files if won else ():
            if file.target in won:
                _place(target / file.target, file, str(prefix))


def _settle_bytecode(target: Path, ownership: Ownership) -> None:
    """Leave of the bytecode that several packages bring only what goes with the winning module."""
    packages = {package.key: package for package in ownership.order}
    for path, keys in ownership.shared.items():
        if path.endswith(".pyc"):
            (target / path).unlink(missing_ok=True)
            if file := find_file(packages[keys[-1]], path):
                _place(target / path, file, "")


def _link_bytecode(target: Path, ownership: Ownership, python: Python | None, compiled: CompiledSet) -> None:
    if python is None:
        return
    _settle_bytecode(target, ownership)
    made: set[str] = set()
    for package in ownership.order:
        lost = ownership.lost_by(package.key)
        piece = compiled.shared.get(package.key)
        for pyc, _ in piece.files if piece else ():
            if pyc not in lost:
                _link(f"{piece.directory if piece else ''}/{pyc}", target, pyc, made)
        for stale in plan_modules(package, python).stale - lost if package.has_modules else ():
            (target / stale).unlink(missing_ok=True)
        _write_relocated(target, compiled.relocated.get(package.key, {}), lost)


def _write_relocated(target: Path, modules: Mapping[str, bytes], lost: frozenset[str]) -> None:
    for pyc, data in modules.items():
        if pyc not in lost:
            path = target / pyc
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_bytes(data)


def _link(source: str, target: Path, name: str, made: set[str]) -> None:
    path = f"{target}/{name}"
    folder = path.rpartition("/")[0]
    if folder not in made:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103  thousands of modules
        made.add(folder)
    link_or_copy(source, path)


def link_or_copy(source: str, path: str | Path) -> None:
    """A hard link, replacing what is there; a copy where the file system allows none."""
    try:
        os.link(source, path)
    except FileExistsError:
        Path(path).unlink()
        link_or_copy(source, path)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
            raise
        shutil.copy2(source, path)


def _write_environment(target: Path, specification: Specification) -> None:
    for name, data in environment_files(specification).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o644)
