"""What one build has that another one has not: in its specification and in its packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from conda_store import differences
from conda_store.db import Database, lists
from conda_store.db.queries import find_whole_build
from conda_store.errors import BadInput
from conda_store.managers.builds import BuildNotFound
from conda_store.packages.matchspecs import channel_and_name
from conda_store.requirements import requirement_name

V = TypeVar("V")


class DifferenceManager:
    """Compares builds."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def between(self, build_id: int, other_id: int) -> differences.Difference:
        """What `other_id` added to, removed from and changed of `build_id`. Raises `BuildNotFound`."""
        with self.database.read() as session:
            before, after = _parts(session, build_id), _parts(session, other_id)
            had, has = _packages(session, build_id), _packages(session, other_id)
        return differences.Difference(specification=_specification(before, after), packages=_package(had, has))


def _specification(before: Mapping[str, Any], after: Mapping[str, Any]) -> differences.SpecificationDifference:
    return differences.SpecificationDifference(
        added=[differences.SpecificationEntry(name=name, value=value) for name, value in _only(after, before)],
        removed=[differences.SpecificationEntry(name=name, value=value) for name, value in _only(before, after)],
        changed=[
            differences.SpecificationChange(name=name, before=a, after=b) for name, a, b in _changed(before, after)
        ],
    )


def _package(
    had: Mapping[str, differences.PackageVersion], has: Mapping[str, differences.PackageVersion]
) -> differences.PackageDifference:
    return differences.PackageDifference(
        added=[differences.NamedPackage(name=name, **dict(one)) for name, one in _only(has, had)],
        removed=[differences.NamedPackage(name=name, **dict(one)) for name, one in _only(had, has)],
        changed=[differences.PackageChange(name=name, before=a, after=b) for name, a, b in _changed(had, has)],
    )


def _only(some: Mapping[str, V], others: Mapping[str, V]) -> Iterator[tuple[str, V]]:
    return ((name, some[name]) for name in sorted(some) if name not in others)


def _changed(before: Mapping[str, V], after: Mapping[str, V]) -> Iterator[tuple[str, V, V]]:
    return (
        (name, before[name], after[name]) for name in sorted(before) if name in after and before[name] != after[name]
    )


def _packages(session: Session, build_id: int) -> dict[str, differences.PackageVersion]:
    rows = session.scalars(lists.packages(build_id, None, None, None))
    return {
        row.name if row.channel.name != "pypi" else f"pip.{row.name}": differences.PackageVersion(
            version=row.version, build=row.build, channel=row.channel.name
        )
        for row in rows
    }


def _parts(session: Session, build_id: int) -> dict[str, Any]:
    """A specification as parts that can be compared, each by its place."""
    row = find_whole_build(session, build_id)
    if row is None:
        raise BuildNotFound(f"There is no build {build_id}.")
    spec, found = dict(row.specification.spec), {}
    if "lockfile" in spec:
        # Its packages are compared anyway.
        text = json.dumps(spec.pop("lockfile"), sort_keys=True)
        found["lockfile"] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    for place, text in _requirements(spec.pop("dependencies", [])):
        # Somebody may ask for a package twice: `numpy >=1` and `numpy <3`.
        found[place] = f"{found[place]}, {text}" if place in found else text
    for key, value in spec.items():
        inner = value if isinstance(value, Mapping) else None
        found |= {key: value} if inner is None else {f"{key}.{name}": one for name, one in inner.items()}
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _requirements(dependencies: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for one in dependencies:
        if isinstance(one, Mapping):
            yield from ((f"pip.{requirement_name(text)}", text) for text in one.get("pip", []))
        else:
            yield f"dependencies.{_name(one)}", one


def _name(dependency: str) -> str:
    try:
        return channel_and_name(dependency).name
    except BadInput:
        return dependency
