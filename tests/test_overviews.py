"""What the page of environments asks of a busy deployment, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.orm import Session

from conda_store.auth.permissions import Grant, Identity
from conda_store.builds.keys import Places
from conda_store.db import Database, lists, overviews
from conda_store.db.overviews import Overview, OverviewFilters
from conda_store.glances import Everything
from conda_store.inputs import OverviewQuery
from conda_store.managers.glances import GlanceManager
from conda_store.managers.overview import PAGE_SIZE, OverviewManager
from conda_store.models import Answer
from tests.full_database import BUILDS, ENVIRONMENTS, Statements, statements

CURRENT = BUILDS - ENVIRONMENTS
ADMIN = Identity("ana", (Grant("*/*", "admin"),))


def found(session: Session, sort: str = "name", **filters: Any) -> list[Overview]:
    query = overviews.matching(OverviewFilters(**{"visible": ("*/*",)} | filters))
    rows = overviews.overviews(session, query, sort, 0, ENVIRONMENTS)
    assert lists.count(session, query) == len(rows)
    return rows


def test_a_row_tells_of_the_current_build(full: Database) -> None:
    with full.read() as session:
        row = found(session, search="environment-0007")[0]
    assert (row.namespace, row.name, row.build_id) == ("group-007", "environment-0007", CURRENT + 7)
    assert row.packages == 70 and row.status in ("COMPLETED", "FAILED", "QUEUED", "BUILDING", "CANCELED")


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, ENVIRONMENTS),
        ({"visible": ()}, 0),
        ({"visible": ("group-001/*",)}, 20),
        ({"visible": ("group-001/*",), "search": "group-002"}, 0),
        ({"search": "GROUP-001"}, 20),
        ({"search": "environment-099"}, 10),
        ({"search": "%"}, 0),
        ({"search": "_"}, 0),
        ({"namespace": "group-001"}, 20),
        ({"namespace": "group-00"}, 0),
        ({"namespace": "group-001", "search": "environment-0051"}, 1),
    ],
)
def test_filters(full: Database, filters: dict[str, Any], count: int) -> None:
    with full.read() as session:
        assert len(found(session, **filters)) == count


def test_an_environment_is_found_by_a_package_in_its_current_build(full: Database) -> None:
    with full.read() as session:
        first = found(session, search="package-12")
        names = {row.name for row in first}
        holding = lists.environments(lists.EnvironmentFilters(visible=("*/*",), packages=("package-12",)))
        same = {row.name for row in session.scalars(holding)}
    assert names == same and 0 < len(names) < ENVIRONMENTS
    with full.read() as session:
        assert found(session, search="package-1") != first and found(session, search="PACKAGE-12") == first


@pytest.mark.parametrize("sort", ["name", "newest", "largest"])
def test_every_order_has_every_row_once(full: Database, sort: str) -> None:
    with full.read() as session:
        rows = found(session, sort)
    keys: dict[str, list[Any]] = {
        "name": [(row.namespace, row.name) for row in rows],
        "newest": [row.scheduled_on for row in rows][::-1],
        "largest": [row.size for row in rows][::-1],
    }
    assert keys[sort] == sorted(keys[sort]) and len({row.build_id for row in rows}) == ENVIRONMENTS


def pages(manager: OverviewManager, numbers: Sequence[int]) -> list[tuple[int, int]]:
    asked = (manager.page(ADMIN, OverviewQuery(page=number)) for number in numbers)
    return [(one.page, len(one.rows)) for one in asked]


def test_pages_and_what_lies_behind_the_last_one(full: Database, tmp_path: Any) -> None:
    manager = OverviewManager(full, Places(tmp_path, tmp_path))
    last = ENVIRONMENTS // PAGE_SIZE
    assert pages(manager, [1, last, last + 1, 10**6]) == [
        (1, PAGE_SIZE),
        (last, PAGE_SIZE),
        (last, PAGE_SIZE),
        (last, PAGE_SIZE),
    ]
    nobody = manager.page(Identity(None, ()), OverviewQuery(search="x"))
    assert (nobody.rows, nobody.page, nobody.pages, nobody.namespaces) == ((), 1, 1, ())


def test_a_page_takes_as_many_statements_as_its_parts(full: Database, tmp_path: Any) -> None:
    manager = OverviewManager(full, Places(tmp_path, tmp_path))
    with statements() as seen:
        manager.page(ADMIN, OverviewQuery())
    assert len(seen.sent) == 3
    history = manager.history("group-007", "environment-0007")
    assert [one.id for one in history.builds] == [7 + ENVIRONMENTS * n for n in (4, 3, 2, 1, 0)]
    assert manager.writable(Identity("ben", (Grant("group-00*/*", "developer"),), primary_namespace="group-003"))[
        :3
    ] == [
        "group-003",
        "group-001",
        "group-002",
    ]


def asked(seen: Statements) -> list[str]:
    """What was sent but for the change number, which SQLite is asked for by another way."""
    return [statement for statement, _ in seen.sent if "FROM change" not in statement]


def test_everything_at_a_glance_is_what_the_caller_may_read(full: Database, tmp_path: Any) -> None:
    manager = GlanceManager(full, OverviewManager(full, Places(tmp_path, tmp_path)))
    grants = (Grant("group-00*/*", "viewer"), Grant("group-001/*", "developer"))
    with statements() as seen:
        answer = manager.everything(Identity("ben", grants))
    assert len(asked(seen)) == 2
    with statements() as seen:
        assert manager.everything(Identity("eva", grants)) is answer
    assert asked(seen) == []
    found = Answer[Everything].model_validate_json(answer.body).data
    assert {one.namespace for one in found.environments} == {f"group-{n:03}" for n in range(1, 10)}
    roles = {one.namespace: one.role for one in found.environments}
    assert (roles["group-001"], roles["group-002"]) == ("developer", "viewer")
    assert found.writable == ["group-001"] and "environment::update" in found.roles["developer"]
    last = {one.name: (one.build_id, one.newest_id) for one in found.environments}
    assert last["environment-0007"] == (CURRENT + 7, CURRENT + 7)
    nothing = Answer[Everything].model_validate_json(manager.everything(Identity(None, ())).body).data
    assert (nothing.environments, nothing.writable) == ([], [])
