"""Lists and pages of a database as a busy deployment has it: what callers see, filtered, sorted, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.orm import InstrumentedAttribute, Session

from conda_store.db import Database, lists, queries
from conda_store.db.lists import BuildFilters, EnvironmentFilters, Order
from conda_store.db.orm import (
    BuildRow,
    EnvironmentRow,
    NamespaceRow,
    PackageRow,
)
from tests.full_database import BUILDS, ENVIRONMENTS, statements

ALL = ("*/*",)
BY_NAMES = Order((NamespaceRow.name, EnvironmentRow.name), EnvironmentRow.id)


def environment_names(session: Session, **filters: Any) -> list[str]:
    query = lists.environments(EnvironmentFilters(**{"visible": ALL} | filters))
    found = lists.page(session, query, BY_NAMES, 0, None)
    assert lists.count(session, query) == len(found)
    return [f"{row.namespace.name}/{row.name}" for row in found]


def build_ids(session: Session, **filters: Any) -> list[int]:
    query = lists.builds(BuildFilters(**{"visible": ALL} | filters))
    found = [row.id for row in lists.page(session, query, Order((), BuildRow.id), 0, None)]
    assert lists.count(session, query) == len(found)
    return found


@pytest.mark.parametrize(
    ("patterns", "count"),
    [
        (("*/*",), 1000),
        ((), 0),
        (("group-001/*",), 20),
        (("group-001/*", "group-002/*"), 40),
        (("group-001/environment-0051",), 1),
        (("group-001/environment-0052",), 0),
        (("GROUP-001/*",), 0),
        (("group-00*/*",), 180),
        (("*-001/*",), 20),
        (("Group-00*/*",), 0),
        (("group.001/*",), 0),
        (("group_00*/*", "gr%/*", "grou?-001/*", "[g]roup-001/*"), 0),
        (("*/environment-000*",), 9),
    ],
)
def test_callers_see_what_their_patterns_cover_and_nothing_else(
    full: Database, patterns: Sequence[str], count: int
) -> None:
    with full.read() as session:
        assert len(environment_names(session, visible=patterns)) == count
        assert len(build_ids(session, visible=patterns)) == 5 * count
        assert sum(one.num_environments for one in queries.usage(session, patterns).values()) == count


def test_filters_of_environments_test_the_current_build(full: Database) -> None:
    with full.read() as session:
        assert environment_names(session, search="NT-005") == environment_names(session, search="nt-005")
        assert len(environment_names(session, search="nt-005")) == 10
        assert environment_names(session, search="nt_005") == environment_names(session, search="%") == []
        assert environment_names(session, namespace="group-001", name="environment-0051") == [
            "group-001/environment-0051"
        ]
        assert len(environment_names(session, status="FAILED")) == 100
        assert len(environment_names(session, artifact="LOGS")) == 1000
        assert environment_names(session, artifact="SBOM") == []


def test_filters_by_packages_want_all_of_them(full: Database) -> None:
    with full.read() as session:
        held = {row.name for row in session.scalars(lists.packages(4051, None, None, None))}
        one, other, *_ = sorted(held)
        assert "group-001/environment-0051" in environment_names(session, packages=(one, other))
        assert environment_names(session, packages=(one, "package-nowhere")) == []
        assert 4051 in build_ids(session, packages=(one, other))
        assert len(build_ids(session, packages=(one, other))) < len(build_ids(session, packages=(one,)))


def test_filters_of_builds(full: Database) -> None:
    with full.read() as session:
        assert build_ids(session, environment_id=51) == [51, 1051, 2051, 3051, 4051]
        assert build_ids(session, namespace="group-001", name="environment-0051") == [51, 1051, 2051, 3051, 4051]
        assert build_ids(session, status="FAILED", environment_id=50) == [50, 1050, 2050, 3050, 4050]
        assert build_ids(session, status="COMPLETED", environment_id=50) == []


def test_packages_of_a_build(full: Database) -> None:
    order = Order((PackageRow.name,), PackageRow.id)
    with full.read() as session, statements() as seen:
        found = lists.page(session, lists.packages(7, None, None, None), order, 0, 30)
        assert len(found) == 30 and {row.channel.name for row in found} == {"conda-forge"}
        assert len(seen.sent) == 1
        name = found[0].name
        assert [row.name for row in lists.page(session, lists.packages(7, None, name, None), order, 0, 9)] == [name]
        assert lists.count(session, lists.packages(7, "PACKAGE-", None, None)) == 70
        assert lists.count(session, lists.packages(7, None, "package-", None)) == 0


def test_known_packages_are_found_once_for_each_name_version_or_channel(full: Database) -> None:
    def found(*asked: str | None) -> list[tuple[str, str]]:
        *filters, distinct_on = asked
        query = lists.known_packages(*filters, [distinct_on] if distinct_on else [])
        rows = lists.page(session, query, Order((PackageRow.name,), PackageRow.id), 0, None)
        return [(row.name, row.version) for row in rows]

    with full.read() as session, statements() as seen:
        # Numbers 7, 407, 807 …: ten versions, the last of which was recorded last.
        assert found(None, "package-7", None, None, None) == [("package-7", f"1.{n}") for n in range(10)]
        assert found(None, "package-7", None, "conda-forge", "name") == [("package-7", "1.9")]
        assert len(seen.sent) == 2
        assert len(found("AGE-39", None, None, None, "name")) == 11
        assert len(found("package", None, "0", None, "version")) == 11
        assert len(found(None, None, None, "conda-forge", "channel")) == 1
        assert found(None, "package-7", None, "elsewhere", None) == found("package%", None, None, None, None) == []


def test_what_namespaces_share_is_one_statement_more_for_a_whole_page(full: Database) -> None:
    with full.read() as session, statements() as seen:
        rows = lists.page(session, lists.with_mappings(lists.environments(EnvironmentFilters(ALL))), BY_NAMES, 0, 100)
        assert [row.namespace.role_mappings for row in rows] == [[]] * 100
    assert len(seen.sent) == 2


@pytest.mark.parametrize("descending", [False, True])
def test_pages_and_cursors_lose_and_repeat_nothing(full: Database, descending: bool) -> None:
    order = Order(BY_NAMES.columns, EnvironmentRow.id, descending)
    query = lists.environments(EnvironmentFilters(visible=ALL))
    with full.read() as session:
        whole = [row.id for row in lists.page(session, query, order, 0, None)]
        pages = [row.id for n in range(0, ENVIRONMENTS, 90) for row in lists.page(session, query, order, n, 90)]
        behind: list[int] = []
        last: tuple[Any, ...] | None = None
        while found := lists.page_after(session, query, order, last, 90):
            behind += [row.id for row in found]
            last = (found[-1].namespace.name, found[-1].name, found[-1].id)
    assert len(set(whole)) == ENVIRONMENTS
    assert pages == whole and behind == whole


@pytest.mark.parametrize(
    "column", [BuildRow.id, BuildRow.scheduled_on, BuildRow.started_on, BuildRow.ended_on], ids=str
)
def test_builds_are_sorted_by_an_index(full: Database, column: InstrumentedAttribute[Any]) -> None:
    query = lists.builds(BuildFilters(visible=ALL))
    with full.read() as session, statements() as seen:
        rows = lists.page(session, query, Order((column,), BuildRow.id, descending=True), 100, 50)
    assert [row.id for row in rows] == list(range(BUILDS - 100, BUILDS - 150, -1))
    assert len(seen.sent) == 1
    if full.url.drivername.startswith("sqlite"):
        with full.read() as session:
            plan = seen.plans(session)
        assert "TEMP B-TREE" not in plan and ("SCAN build" in plan)
        assert column is BuildRow.id or f"USING INDEX ix_build_{column.key}" in plan
