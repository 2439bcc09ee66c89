"""Questions to a database as a busy deployment has it: what they find, in how many statements and by which indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from conda_store.db import Database, lists, queries
from conda_store.db.lists import BuildFilters, EnvironmentFilters, Order
from conda_store.db.orm import (
    ArtifactRow,
    BuildRow,
    EnvironmentRow,
    EventRow,
    NamespaceRow,
    SpecificationRow,
)
from conda_store.db.queries import Usage
from tests.full_database import BUILDS, ENVIRONMENTS, NAMESPACES, START, statements

ALL = ("*/*",)
BY_NAMES = Order((NamespaceRow.name, EnvironmentRow.name), EnvironmentRow.id)


@pytest.fixture
def database(tmp_path: Any) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/conda-store.sqlite")
    database.create_or_upgrade()
    yield database
    database.close()


def test_one_build_is_one_statement_and_whole(full: Database) -> None:
    with full.read() as session, statements() as seen:
        build = queries.find_whole_build(session, 2345)
        assert build is not None
        assert (build.id, build.environment.name, build.environment.namespace.name) == (
            2345,
            "environment-0345",
            "group-045",
        )
        assert build.specification.spec["channels"] == ["conda-forge"]
        kinds = [artifact.artifact_type for artifact in build.artifacts]
        assert kinds == ["DIRECTORY", "LOCKFILE", "LOGS", "YAML", "CONDA_PACK", "DOCKER_MANIFEST"]
    assert len(seen.sent) == 1


def test_the_specification_of_a_build_is_read_once_however_many_artifacts(full: Database) -> None:
    with full.read() as session, statements() as seen:
        queries.find_whole_build(session, 2345)
    ((statement, values),) = seen.sent
    assert "source" not in statement
    with full.read() as session:
        rows = session.connection().exec_driver_sql(statement, values).mappings().all()
    assert [row["spec"] is not None for row in rows] == [True, False, False, False, False, False]


def test_a_current_build_is_found_by_the_names_of_its_environment(full: Database) -> None:
    with full.read() as session, statements() as seen:
        build = queries.find_current_build(session, "group-001", "environment-0051")
        assert build is not None and build.id == 4051 and build.environment.id == 51
        assert len(build.artifacts) == 6 and build.specification.name == "data"
    assert len(seen.sent) == 1
    with full.read() as session:
        assert queries.find_current_build(session, "group-002", "environment-0051") is None


READ: dict[str, Callable[[Session], object]] = {
    "page": lambda session: lists.page(session, lists.environments(EnvironmentFilters(ALL)), BY_NAMES, 500, 100),
    "cursor": lambda session: lists.page_after(
        session, lists.environments(EnvironmentFilters(ALL)), BY_NAMES, ("group-025", "environment-0525", 525), 100
    ),
    "count": lambda session: lists.count(session, lists.environments(EnvironmentFilters(ALL))),
    "builds of an environment": lambda session: lists.page(
        session, lists.builds(BuildFilters(ALL, environment_id=7)), Order((), BuildRow.id), 0, 100
    ),
    "builds with a package": lambda session: lists.page(
        session, lists.builds(BuildFilters(ALL, packages=("package-7",))), Order((), BuildRow.id), 0, 100
    ),
    "environment": lambda session: queries.find_environment(session, "group-001", "environment-0051"),
    "build": lambda session: queries.find_build(session, 7),
    "events": lambda session: queries.list_events(session, 7, 100, 50),
    "usage": lambda session: queries.usage(session, ALL),
}


@pytest.mark.parametrize("what", READ)
def test_every_question_is_one_statement_by_indexes(full: Database, what: str) -> None:
    with full.read() as session, statements() as seen:
        READ[what](session)
    assert len(seen.sent) == 1
    if full.url.drivername.startswith("sqlite"):
        with full.read() as session:
            plan = seen.plans(session).splitlines()
        # Of the big tables none is read from end to end, but for builds in the order of their numbers.
        scanned = [line for line in plan if line.startswith("SCAN ") and "namespace" not in line]
        assert set(scanned) <= {"SCAN build"}, plan
        assert not any("AUTOMATIC" in line for line in plan), plan


def test_usage_is_the_sum_of_what_is_there(full: Database) -> None:
    with full.read() as session:
        found = queries.usage(session, ALL)
        assert len(found) == NAMESPACES and list(found) == sorted(found)
        builds = [build for build in range(1, BUILDS + 1) if (build - 1) % ENVIRONMENTS % NAMESPACES == 0]
        assert found["group-001"] == Usage(20, 100, sum(builds))
        assert queries.usage(session, ("group-002/environment-0002",)) == {
            "group-002": Usage(1, 5, 2 + 1002 + 2002 + 3002 + 4002)
        }


def put(session: Session, place: str, name: str, **columns: Any) -> BuildRow:
    """A build of the environment `name` in the namespace `place`, whichever of them is new."""
    namespace = queries.find_namespace(session, place) or NamespaceRow(name=place, created_on=START)
    session.add(namespace)
    environment = queries.find_environment(session, place, name)
    environment = environment or EnvironmentRow(namespace=namespace, name=name, created_on=START)
    specification = queries.find_specification(session, "0" * 64, is_lockfile=False)
    specification = specification or SpecificationRow(name="x", sha256="0" * 64, spec={}, source="x", created_on=START)
    columns = {"status": "QUEUED", "scheduled_on": START} | columns
    build = BuildRow(environment=environment, specification=specification, **columns)
    session.add(build)
    session.flush()
    return build


def test_what_is_deleted_is_not_found(database: Database) -> None:
    with database.write() as session:
        build = put(session, "ana", "data")
        build.environment.current_build_id = build.id
        session.flush()
        assert find_all(session, build.id) == [True] * 6
        for row in (build, build.environment, build.environment.namespace):
            row.deleted_on = START
            session.flush()
            found = find_all(session, build.id)
            assert not any(found[:3]) and found[3:] == [
                row is build,
                row is build,
                row is not build.environment.namespace,
            ]
            row.deleted_on = None
            session.flush()


def find_all(session: Session, build_id: int) -> list[bool]:
    builds = lists.builds(BuildFilters(ALL))
    return [
        queries.find_build(session, build_id) is not None,
        queries.find_whole_build(session, build_id) is not None,
        lists.count(session, builds) == 1,
        queries.find_environment(session, "ana", "data") is not None,
        lists.count(session, lists.environments(EnvironmentFilters(ALL))) == 1,
        queries.find_namespace(session, "ana") is not None,
    ]


def test_a_build_without_artifacts_and_one_whose_first_is_not_the_newest_are_whole(database: Database) -> None:
    with database.write() as session:
        bare, rich = put(session, "ana", "bare"), put(session, "ana", "rich")
        for kind in ("LOGS", "YAML"):
            session.add(ArtifactRow(build_id=rich.id, artifact_type=kind, state="READY"))
            session.flush()
    with database.read() as session:
        for build_id, kinds in ((bare.id, []), (rich.id, ["LOGS", "YAML"])):
            build = queries.find_whole_build(session, build_id)
            assert build is not None and build.specification.sha256 == "0" * 64
            assert [one.artifact_type for one in build.artifacts] == kinds
        assert build is not None and build.specification.source == "x"


def test_events_come_in_order_behind_a_number(database: Database) -> None:
    with database.write() as session:
        build, other = put(session, "ana", "one"), put(session, "ana", "two")
        rows = [
            {
                "build_id": one,
                "number": n,
                "attempt": 1,
                "time": START + timedelta(seconds=n),
                "kind": "log",
                "data": {"n": n},
            }
            for n in (3, 1, 2, 5, 4)
            for one in (build.id, other.id)
        ]
        session.execute(insert(EventRow), rows)
    with database.read() as session:
        assert [row.number for row in queries.list_events(session, build.id, 0, 100)] == [1, 2, 3, 4, 5]
        assert [row.data for row in queries.list_events(session, build.id, 2, 2)] == [{"n": 3}, {"n": 4}]
        assert queries.list_events(session, build.id, 5, 100) == []


def test_a_specification_and_a_lockfile_of_one_digest_are_two(database: Database) -> None:
    with database.write() as session:
        for is_lockfile in (False, True):
            row = SpecificationRow(name="x", sha256="1" * 64, spec={}, source="", created_on=START)
            row.is_lockfile = is_lockfile
            session.add(row)
    with database.read() as session:
        found = [queries.find_specification(session, "1" * 64, is_lockfile=one) for one in (False, True)]
        assert [row and row.is_lockfile for row in found] == [False, True]
        assert len(session.scalars(select(SpecificationRow)).all()) == 2
