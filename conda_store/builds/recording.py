"""What a build consisted of, kept: its packages as rows, and its lock as a small file for artifacts made later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
    described = [*_conda_packages(environment, lock), *_wheels(lock)]
    channels = _channel_ids(session, {channel for channel, _ in described})
    rows = [{**values, "channel_id": channels[channel]} for channel, values in described]
    insert_new(session, PackageRow, sorted(rows, key=lambda row: str(row["sha256"])))
    wanted = {(row["channel_id"], row["sha256"]) for row in rows}
    digests = [row["sha256"] for row in rows]
    found: list[int] = []
    for start in range(0, len(digests), _ROWS):
        query = select(PackageRow.id, PackageRow.channel_id, PackageRow.sha256)
        hits = session.execute(query.where(PackageRow.sha256.in_(digests[start : start + _ROWS]))).all()
        found += [package_id for package_id, *key in hits if tuple(key) in wanted]
    return found


def record_build_packages(session: Session, build_id: int, package_ids: Iterable[int]) -> None:
    """Let a build consist of packages."""
    rows = [{"build_id": build_id, "package_id": package_id} for package_id in package_ids]
    insert_new(session, BuildPackageRow, rows)


def _channel_ids(session: Session, names: set[str]) -> dict[str, int]:
    insert_new(session, ChannelRow, [{"name": name, "last_update": datetime.now(UTC)} for name in sorted(names)])
    rows = session.execute(select(ChannelRow.name, ChannelRow.id).where(ChannelRow.name.in_(names))).all()
    return {name: channel_id for name, channel_id in rows}


def _conda_packages(environment: Environment, lock: PlatformLock) -> Iterable[tuple[str, _Values]]:
    for package in lock.conda:
        stored = environment.by_package[package]
        yield (
            package.channel,
            {
                "name": package.name,
                "version": package.version,
                "build": package.build,
                "sha256": package.sha256,
                "license": _text(stored.summary["index"], "license") or None,
                "summary": _text(read_json(stored.directory, "info/about.json", str(package)), "summary"),
            },
        )


def _wheels(lock: PlatformLock) -> Iterable[tuple[str, _Values]]:
    for wheel in lock.wheels:
        yield (
            PIP_CHANNEL,
            {
                "name": wheel.name,
                "version": wheel.version,
                "build": PIP_BUILD,
                "sha256": wheel.sha256,
                "license": None,
                "summary": "",
            },
        )


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
