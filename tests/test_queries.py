"""Questions to a database as a busy deployment has it: what they find, in how many statements and by which indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from conda_store.db import Database, lists, queries
from conda_store.db.lists import BuildFilters, EnvironmentFilters, Order
from conda_store.db.orm import (
    ArtifactRow,
    BuildRow,
    EnvironmentRow,
    EventRow,
    NamespaceRow,
    PackageRow,
    SpecificationRow,
)
from conda_store.db.queries import Usage
from tests.full_database import BUILDS, ENVIRONMENTS, NAMESPACES, START, fill
from tests.postgres_server import PostgresServer, postgres_server

__all__ = ["postgres_server"]

ALL = ("*/*",)
BY_NAMES = Order((NamespaceRow.name, EnvironmentRow.name), EnvironmentRow.id)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Filled once; tests only read."""
    url = f"sqlite:///{tmp_path_factory.mktemp('full')}/conda-store.sqlite"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.new_database()
    database = Database(url)
    database.create_or_upgrade()
    fill(database)
    yield database
    database.close()


@pytest.fixture
def database(tmp_path: Any) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/conda-store.sqlite")
    database.create_or_upgrade()
    yield database
    database.close()


@dataclass
class Statements:
    """What was sent to a database, transactions aside."""

    sent: list[tuple[str, Any]] = field(default_factory=list)

    def plans(self, session: Session) -> str:
        """How SQLite would go about all of it."""
        explained = [(f"EXPLAIN QUERY PLAN {statement}", values) for statement, values in self.sent]
        rows = [session.connection().exec_driver_sql(*one).all() for one in explained]
        return "\n".join(row[3] for some in rows for row in some)


@contextmanager
def statements() -> Iterator[Statements]:
    found = Statements()

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        if not statement.startswith(("PRAGMA", "BEGIN", "EXPLAIN")):
            found.sent.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


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
        rows = lists.page(session, lists.known_packages(*asked), Order((PackageRow.name,), PackageRow.id), 0, None)
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
