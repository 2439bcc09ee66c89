"""Linking conda packages into a new prefix, by rattler, from the package store."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import rattler
from rattler import PackageCache, PackageRecord, RepoDataRecord, Subdir, ValidationMode

from conda_store.errors import BadInput, CondaStoreError
from conda_store.packages.contents import PLACEHOLDER, split_entry_point
from conda_store.packages.fetch import StoredPackage

LONGEST_PREFIX = len(PLACEHOLDER)


def record_of(stored: StoredPackage) -> RepoDataRecord:
    """The record of a package from its own `info/index.json`: the channel's index has no say after the lock."""
    package = stored.package
    record = PackageRecord.from_index_json(
        stored.directory / "info/index.json",
        size=package.size,
        sha256=package.sha256,
        md5=package.md5 or None,
    )
    return RepoDataRecord(record, package.file_name, package.url, package.channel)


def link_order(stored: Sequence[StoredPackage]) -> list[StoredPackage]:
    """Packages after what they depend on: the order in which rattler lets the last owner of a path win."""
    by_digest = {item.package.sha256: item for item in stored}
    ordered = PackageRecord.sort_topologically([record_of(item) for item in stored])
    return [by_digest[record.sha256.hex()] for record in ordered if record.sha256]


def check_prefix_length(prefix: Path) -> None:
    """Refuse a path that is too long for binaries to hold."""
    length = len(os.fsencode(prefix))
    if length > LONGEST_PREFIX:
        raise BadInput(
            f"The prefix {prefix} is {length} bytes long; compiled packages have room for {LONGEST_PREFIX}. "
            "Choose a shorter path."
        )


def install(
    stored: Sequence[StoredPackage],
    target: Path,
    final: Path,
    platform: str,
    scratch: Path,
    without: Mapping[str, frozenset[str]] | None = None,
) -> None:
    """Link `stored` into the new directory `target`, which will be renamed to `final`.

    `scratch` is an empty directory. `without` names entry points that are not to be written (targets by the
    package's sha256). Post-link scripts do not run.
    """
    check_prefix_length(final)
    for item in stored:
        _show(item, scratch / item.package.stem, (without or {}).get(item.package.sha256, frozenset()))
    cache = PackageCache.new_layered([scratch], False, ValidationMode.skip())
    records = [record_of(item) for item in stored]
    try:
        asyncio.run(
            rattler.install(
                records,
                target,
                package_cache=cache,
                platform=Subdir(platform),
                installed_packages=[],
                execute_link_scripts=False,
                show_progress=False,
                alternative_target_prefix=final,
            )
        )
    except Exception as error:
        raise CondaStoreError(f"The packages could not be linked into {final}: {error}") from error


def _show(item: StoredPackage, view: Path, without: frozenset[str]) -> None:
    """Let `view` be the package, but for the entry points `without`."""
    if not without:
        view.symlink_to(item.directory)
        return
    view.mkdir()
    for path in item.directory.iterdir():
        if path.name == "info":
            shutil.copytree(path, view / path.name, symlinks=True)
        elif path.is_dir():
            (view / path.name).symlink_to(path)
        else:
            shutil.copy2(path, view / path.name, follow_symlinks=False)
    link = view / "info/link.json"
    document = json.loads(link.read_bytes())
    document["noarch"]["entry_points"] = [
        text for text in item.summary["entry_points"] if f"bin/{split_entry_point(text, view.name)[0]}" not in without
    ]
    link.unlink()
    link.write_text(json.dumps(document))


def finish_record(path: Path, item: StoredPackage, view: Path) -> None:
    """Let rattler's record at `path` name the package store instead of the `view` that rattler was shown."""
    text = path.read_text().replace(f'"{view / item.package.stem}"', f'"{item.directory}"')
    path.write_text(re.sub(r'\s*"indexed_timestamp": \d+,', "", text))
