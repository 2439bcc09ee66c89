"""What a build consisted of, kept: its packages as rows, and its lock as a small file for artifacts made later."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from conda_store.builds.environment import Environment
from conda_store.db.orm import BuildPackageRow, ChannelRow, PackageRow
from conda_store.image_options import ImageOptions
from conda_store.packages.contents import read_json
from conda_store.packages.locked import CondaPackage, Lock, LockedWheel, PlatformLock
from conda_store.specification import Specification

#: What wheels have for a channel, and what conda writes for their build.
PIP_CHANNEL, PIP_BUILD = "pypi", "pypi_0"
# SQLite takes at most 32,766 parameters in a statement.
_ROWS = 1000

_Values = dict[str, Any]


def insert_new(session: Session, table: type[Any], rows: Iterable[_Values]) -> None:
    """Insert those of `rows` that are not there yet; two writers of one row are no conflict."""
    values = list(rows)
    dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    for start in range(0, len(values), _ROWS):
        chunk = values[start : start + _ROWS]
        session.execute(dialect.insert(cast(Table, table.__table__)).on_conflict_do_nothing(), chunk)


def record_packages(session: Session, environment: Environment, lock: PlatformLock) -> list[int]:
    """Rows for the packages of an environment, made where there were none; returns their ids."""
    packages: tuple[CondaPackage | LockedWheel, ...] = (*lock.conda, *lock.wheels)
    channels = channel_ids(session, {_channel_of(package) for package in packages})
    keys = {(channels[_channel_of(package)], package.sha256): package for package in packages}
    found = _package_ids(session, keys)
    missing = [key for key in keys if key not in found]
    if missing:
        rows = [{**_described(environment, keys[key]), "channel_id": key[0]} for key in missing]
        insert_new(session, PackageRow, sorted(rows, key=lambda row: str(row["sha256"])))
        found = _package_ids(session, keys)
    return list(found.values())


def _package_ids(session: Session, keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """The ids of those packages that have a row, by the id of their channel and their sha256."""
    digests = [sha256 for _, sha256 in keys]
    found: dict[tuple[int, str], int] = {}
    for start in range(0, len(digests), _ROWS):
        query = select(PackageRow.id, PackageRow.channel_id, PackageRow.sha256)
        hits = session.execute(query.where(PackageRow.sha256.in_(digests[start : start + _ROWS]))).all()
        found |= {(channel, sha256): package_id for package_id, channel, sha256 in hits if (channel, sha256) in keys}
    return found


def record_build_packages(session: Session, build_id: int, package_ids: Iterable[int]) -> None:
    """Let a build consist of packages."""
    rows = [{"build_id": build_id, "package_id": package_id} for package_id in package_ids]
    insert_new(session, BuildPackageRow, rows)


def channel_ids(session: Session, names: set[str]) -> dict[str, int]:
    """The numbers of channels by name, with rows for those that are new."""
    insert_new(session, ChannelRow, [{"name": name, "last_update": datetime.now(UTC)} for name in sorted(names)])
    rows = session.execute(select(ChannelRow.name, ChannelRow.id).where(ChannelRow.name.in_(names))).all()
    return {name: channel_id for name, channel_id in rows}


def _channel_of(package: CondaPackage | LockedWheel) -> str:
    return package.channel if isinstance(package, CondaPackage) else PIP_CHANNEL


def _described(environment: Environment, package: CondaPackage | LockedWheel) -> _Values:
    values = {"name": package.name, "version": package.version, "sha256": package.sha256}
    if not isinstance(package, CondaPackage):
        return {**values, "build": PIP_BUILD, "license": None, "summary": ""}
    stored = environment.by_package[package]
    return {
        **values,
        "build": package.build,
        "license": _text(stored.summary["index"], "license") or None,
        "summary": _text(read_json(stored.directory, "info/about.json", str(package)), "summary"),
    }


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def lock_record(specification: Specification, lock: Lock) -> bytes:
    """Specification and lock as JSON, all of them: `read_lock_record` gives them back."""
    platforms = {name: {"conda": _rows(one.conda), "wheels": _rows(one.wheels)} for name, one in lock.platforms.items()}
    described = {**asdict(specification), "image": specification.image.as_dict()}
    document = {"specification": described, "channels": lock.channels, "platforms": platforms}
    return json.dumps(document, separators=(",", ":")).encode()


def read_lock_record(data: bytes) -> tuple[Specification, Lock]:
    """What `lock_record` wrote."""
    document = json.loads(data)
    platforms = {
        name: PlatformLock(
            name,
            tuple(CondaPackage(**_tuples(row)) for row in one["conda"]),
            tuple(LockedWheel(**_tuples(row)) for row in one["wheels"]),
        )
        for name, one in document["platforms"].items()
    }
    described = _tuples(document["specification"])
    described["image"] = ImageOptions.read(described.get("image"))
    return Specification(**described), Lock(tuple(document["channels"]), platforms)


def _rows(packages: Iterable[CondaPackage | LockedWheel]) -> list[_Values]:
    return [asdict(package) for package in packages]


def _tuples(row: _Values) -> _Values:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
