"""Questions that answer with a list: filtered by what a caller may see, sorted, by page or by cursor.

Functions take the session first and give rows; which fields and sizes a caller may ask for is decided above.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, true, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session, contains_eager, load_only

from conda_store.db.orm import (
    ArtifactRow,
    Base,
    BuildPackageRow,
    BuildRow,
    ChannelRow,
    EnvironmentRow,
    NamespaceRow,
    PackageRow,
)

#: The namespace of what was made on demand (`registry/names.py` has it too, which stands above the database).
ON_DEMAND = "conda-store-dynamic"

Row = TypeVar("Row", bound=Base)
_Columns = Mapping[str, InstrumentedAttribute[Any]]
ENVIRONMENT_SORTS: _Columns = {"namespace": NamespaceRow.name, "name": EnvironmentRow.name, "id": EnvironmentRow.id}
BUILD_SORTS: _Columns = {
    "id": BuildRow.id,
    "scheduled_on": BuildRow.scheduled_on,
    "started_on": BuildRow.started_on,
    "ended_on": BuildRow.ended_on,
}
NAMESPACE_SORTS: _Columns = {"name": NamespaceRow.name, "id": NamespaceRow.id}
CHANNEL_SORTS: _Columns = {"name": ChannelRow.name}
PACKAGE_SORTS: _Columns = {"channel": ChannelRow.name, "name": PackageRow.name}


@dataclass(frozen=True)
class Order:
    """How rows are sorted: by columns, then by id, so that pages neither repeat nor lose any."""

    columns: tuple[InstrumentedAttribute[Any], ...]
    identity: InstrumentedAttribute[Any]
    descending: bool = False

    @property
    def all(self) -> list[InstrumentedAttribute[Any]]:
        """Every column that takes part."""
        return [*(one for one in self.columns if one is not self.identity), self.identity]


class PackageKey(NamedTuple):
    """What packages are sorted by."""

    id: int
    channel: str
    name: str
    version: str


@dataclass(frozen=True)
class EnvironmentFilters:
    """What environments must be like; the last three test the current build. `visible` are patterns."""

    visible: tuple[str, ...]
    search: str | None = None
    namespace: str | None = None
    name: str | None = None
    status: str | None = None
    artifact: str | None = None
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildFilters:
    """What builds must be like."""

    visible: tuple[str, ...]
    environment_id: int | None = None
    namespace: str | None = None
    name: str | None = None
    status: str | None = None
    artifact: str | None = None
    packages: tuple[str, ...] = ()


# Reading a page of a hundred takes a third longer with times, which nobody is shown.
_SHOWN = (EnvironmentRow.name, EnvironmentRow.description, EnvironmentRow.current_build_id)


def environments(filters: EnvironmentFilters) -> Select[EnvironmentRow]:
    """The rows of environments that are not deleted, but for their times; their namespaces come with them."""
    namespace = contains_eager(EnvironmentRow.namespace).load_only(NamespaceRow.name, NamespaceRow.metadata_)
    query = select(EnvironmentRow).join(EnvironmentRow.namespace).options(namespace, load_only(*_SHOWN))
    query = query.where(*living(), listed(), visible(filters.visible))
    query = query.where(*_named(filters.namespace, filters.name))
    if filters.search:
        found = (column.icontains(filters.search, autoescape=True) for column in (NamespaceRow.name, _NAME))
        query = query.where(or_(*found))
    if filters.status:
        query = query.join(BuildRow, BuildRow.id == EnvironmentRow.current_build_id)
        query = query.where(BuildRow.status == filters.status)
    return query.where(*_holding(EnvironmentRow.current_build_id, filters.artifact, filters.packages))


def with_mappings(environments: Select[EnvironmentRow]) -> Select[EnvironmentRow]:
    """The same rows, with what their namespaces share: one statement more, however many rows there are."""
    mappings = contains_eager(EnvironmentRow.namespace).selectinload(NamespaceRow.role_mappings)
    return environments.options(mappings)


def namespaces(patterns: Sequence[str]) -> Select[NamespaceRow]:
    """The rows of namespaces that are not deleted and all of which one of `patterns` covers."""
    # What covers a whole namespace has nothing but stars for its environments.
    whole = [left for left, right in (one.split("/", 1) for one in patterns) if not right.strip("*")]
    named = [left for left in whole if "*" not in left]
    covered = (_like(NamespaceRow.name, left) for left in whole if "*" in left)
    query = select(NamespaceRow).where(NamespaceRow.deleted_on.is_(None), listed())
    return query.where(or_(_named_one_of(named), *covered))


def builds(filters: BuildFilters) -> Select[BuildRow]:
    """The rows of builds that are not deleted; their environments come with them."""
    query = living_builds().where(listed(), visible(filters.visible), *_named(filters.namespace, filters.name))
    if filters.environment_id is not None:
        query = query.where(BuildRow.environment_id == filters.environment_id)
    if filters.status:
        query = query.where(BuildRow.status == filters.status)
    return query.where(*_holding(BuildRow.id, filters.artifact, filters.packages))


def packages(build_id: int, search: str | None, exact: str | None, build: str | None) -> Select[PackageRow]:
    """The rows of a build's packages; their channels come with them."""
    query = select(PackageRow).join(BuildPackageRow, BuildPackageRow.package_id == PackageRow.id)
    query = query.join(PackageRow.channel).options(contains_eager(PackageRow.channel))
    return query.where(BuildPackageRow.build_id == build_id, *_spelled(search, exact, build))


def known_packages(
    search: str | None, exact: str | None, build: str | None, channel: str | None, distinct_on: Sequence[str] = ()
) -> Select[PackageRow]:
    """The rows of packages that any build ever had; of equal `distinct_on` (name, version, channel) the newest only.

    `channel` is its URL, or the end of it. Versions do not sort as texts do: see `package_keys`.
    """
    query = select(PackageRow).join(PackageRow.channel).options(contains_eager(PackageRow.channel))
    wanted = _spelled(search, exact, build)
    if channel:
        wanted.append(or_(ChannelRow.name == channel, ChannelRow.name.endswith(f"/{channel}", autoescape=True)))
    if columns := [_DISTINCT[name] for name in dict.fromkeys(distinct_on) if name in _DISTINCT]:
        newest = select(func.max(PackageRow.id)).join(PackageRow.channel).where(*wanted)
        wanted = [PackageRow.id.in_(newest.group_by(*columns).scalar_subquery())]
    return query.where(*wanted)


def package_keys(session: Session, query: Select[PackageRow]) -> list[PackageKey]:
    """What the packages of a query are sorted by, for an order that the database does not know."""
    columns = (PackageRow.id, ChannelRow.name, PackageRow.name, PackageRow.version)
    return [PackageKey(*row) for row in session.execute(query.with_only_columns(*columns)).all()]


def packages_by_id(session: Session, ids: Sequence[int]) -> list[PackageRow]:
    """Packages with their channels, in the order of `ids`."""
    query = select(PackageRow).join(PackageRow.channel).options(contains_eager(PackageRow.channel))
    found = {row.id: row for row in session.scalars(query.where(PackageRow.id.in_(ids)))}
    return [found[one] for one in ids if one in found]


def channels() -> Select[ChannelRow]:
    """The rows of channels from which any build ever had a package."""
    return select(ChannelRow)


_DISTINCT = {"name": PackageRow.name, "version": PackageRow.version, "channel": PackageRow.channel_id}


def _spelled(search: str | None, exact: str | None, build: str | None) -> list[ColumnElement[bool]]:
    """`search` is a part of the name, `exact` all of it; `build` is a part of the build string.

    With `exact` being 'true' `search` is all of the name: so clients in the field ask for it.
    """
    found: list[ColumnElement[bool]] = []
    if search:
        found.append(PackageRow.name.icontains(search, autoescape=True))
    if exact and exact.lower() != "false":
        found.append(PackageRow.name == (search if search and exact.lower() == "true" else exact))
    if build:
        found.append(PackageRow.build.icontains(build, autoescape=True))
    return found


def count(session: Session, query: Select[Any]) -> int:
    """How many rows a query has."""
    # Without its FROM a query that has no WHERE either would be one row.
    rows = query.with_only_columns(true(), maintain_column_froms=True).subquery()
    return session.scalar(select(func.count()).select_from(rows)) or 0


def page(session: Session, query: Select[Row], order: Order, offset: int, limit: int | None) -> list[Row]:
    """`limit` rows from the one with number `offset` (from 0); all without a limit."""
    sorted_query = query.order_by(*_directed(order)).offset(offset)
    return list(session.scalars(sorted_query.limit(limit) if limit is not None else sorted_query))


def page_after(session: Session, query: Select[Row], order: Order, last: Sequence[Any] | None, limit: int) -> list[Row]:
    """`limit` rows behind the one whose sorted columns have the values `last`."""
    if last is not None:
        here = tuple_(*order.all)
        query = query.where(here < tuple_(*last) if order.descending else here > tuple_(*last))
    return list(session.scalars(query.order_by(*_directed(order)).limit(limit)))


def living_builds(*, deleted: bool = False) -> Select[BuildRow]:
    """The rows of builds that are not deleted; environment and namespace come with them. `deleted`: those too that were
    deleted alone."""
    environment = contains_eager(BuildRow.environment)
    query = select(BuildRow).join(BuildRow.environment).join(EnvironmentRow.namespace)
    query = query.options(environment, environment.contains_eager(EnvironmentRow.namespace))
    return query.where(*living()) if deleted else query.where(BuildRow.deleted_on.is_(None), *living())


def living() -> tuple[ColumnElement[bool], ...]:
    """Neither the environment nor its namespace is deleted."""
    return (EnvironmentRow.deleted_on.is_(None), NamespaceRow.deleted_on.is_(None))


def listed() -> ColumnElement[bool]:
    """What was made on demand stands in no list: it is found by its name alone."""
    return NamespaceRow.name != ON_DEMAND


def visible(
    patterns: Sequence[str],
    namespace: InstrumentedAttribute[str] = NamespaceRow.name,
    name: InstrumentedAttribute[str] = EnvironmentRow.name,
) -> ColumnElement[bool]:
    """Whether an environment, whose names stand in these columns, is covered by one of the patterns
    `namespace/environment` (`*` for any text)."""
    pairs = {(left, right) for left, right in (pattern.split("/", 1) for pattern in patterns)}
    # Most patterns are whole namespaces, and there may be more of them than a chain of OR may have links (1000).
    whole = {left for left, right in pairs if "*" not in left and not right.strip("*")}
    single: defaultdict[str, list[str]] = defaultdict(list)
    found = []
    for left, right in sorted(pair for pair in pairs if pair[0] not in whole):
        if "*" in left or "*" in right:
            found.append(and_(_like(namespace, left), _like(name, right)))
        else:
            single[left].append(right)
    found += [and_(namespace == left, name.in_(rights)) for left, rights in single.items()]
    return or_(_named_one_of(whole, namespace), *found)


def _named_one_of(
    names: Collection[str], column: InstrumentedAttribute[str] = NamespaceRow.name
) -> ColumnElement[bool]:
    # An empty IN would be a query of its own.
    return column.in_(sorted(names)) if names else false()


_NAME = EnvironmentRow.name


def _like(column: InstrumentedAttribute[str], pattern: str) -> ColumnElement[bool]:
    if not pattern.strip("*"):
        return true()
    if "*" not in pattern:
        return column == pattern
    # Not LIKE: SQLite's takes capitals for small letters, and a pattern would give rights that it should not.
    return column.regexp_match("^" + ".*".join(re.escape(part) for part in pattern.split("*")) + "$")


def _named(namespace: str | None, name: str | None) -> list[ColumnElement[bool]]:
    wanted = ((NamespaceRow.name, namespace), (_NAME, name))
    return [column == value for column, value in wanted if value]


def _holding(
    build_id: InstrumentedAttribute[Any], artifact: str | None, names: Sequence[str]
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if artifact:
        ready = select(ArtifactRow.id).where(ArtifactRow.build_id == build_id, ArtifactRow.state == "READY")
        found.append(ready.where(ArtifactRow.artifact_type == artifact).correlate_except(ArtifactRow).exists())
    for name in names:
        # Not EXISTS: without statistics, which SQLite never makes by itself, it reads every package of every build.
        inside = select(BuildPackageRow.build_id).join(PackageRow, PackageRow.id == BuildPackageRow.package_id)
        found.append(build_id.in_(inside.where(PackageRow.name == name)))
    return found


def _directed(order: Order) -> list[ColumnElement[Any]]:
    return [column.desc() if order.descending else column.asc() for column in order.all]
