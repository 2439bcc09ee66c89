"""A busy deployment's database: by default 1,000 environments, 5,000 builds and 70 packages in each build."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, literal, select, text, update
from sqlalchemy.orm import Session

from conda_store.db import Database
from conda_store.db.orm import (
    ArtifactRow,
    Base,
    BuildPackageRow,
    BuildRow,
    ChannelRow,
    EnvironmentRow,
    NamespaceRow,
    PackageRow,
    SpecificationRow,
)

NAMESPACES, ENVIRONMENTS, BUILDS, PACKAGES, PACKAGES_PER_BUILD = 50, 1000, 5000, 4000, 70
START = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = {"name": "data", "channels": ["conda-forge"], "dependencies": [f"package-{n} >=1" for n in range(20)]}
SUMMARY = "What a package says of itself: one sentence of about this length"
ARTIFACTS = ("DIRECTORY", "LOCKFILE", "LOGS", "YAML", "CONDA_PACK", "DOCKER_MANIFEST")


def fill(database: Database, times: int = 1) -> None:
    """Write it all, `times` as many environments, builds and namespaces as by default.

    All numbers are from 1: see `_environment` and `_build` for what belongs to what.
    """
    environments, builds = ENVIRONMENTS * times, BUILDS * times
    with database.write() as session:
        _rows(session, NamespaceRow, [_namespace(n) for n in range(1, NAMESPACES * times + 1)])
        _rows(session, EnvironmentRow, [_environment(n, times) for n in range(1, environments + 1)])
        _rows(session, SpecificationRow, [_specification(n) for n in range(1, 1001)])
        _rows(session, ChannelRow, [{"id": 1, "name": "conda-forge"}])
        _rows(session, PackageRow, [_package(n) for n in range(1, PACKAGES + 1)])
        _rows(session, BuildRow, [_build(n, environments) for n in range(1, builds + 1)])
        _fill_builds(session)
        # The last build of each environment is current.
        newest = EnvironmentRow.id + (builds - environments)
        session.execute(
            update(EnvironmentRow).values(current_build_id=newest).execution_options(synchronize_session=False)
        )
    if database.url.drivername.startswith("postgresql"):
        # It does so by itself within a minute; SQLite never does.
        with database.write() as session:
            session.execute(text("ANALYZE"))


def _fill_builds(session: Session) -> None:
    """What the first builds left; the lists, for which there are more of them, tell nothing of it.

    It is made in place: it takes PostgreSQL a quarter of a minute to be told so many rows.
    """
    for kind in ARTIFACTS:
        made = select(BuildRow.id, literal(kind), literal("READY"), literal(kind), literal(0))
        made = made.where(BuildRow.id <= BUILDS)
        columns = ["build_id", "artifact_type", "state", "key", "size"]
        session.execute(insert(ArtifactRow).from_select(columns, made.order_by(BuildRow.id)))
    place = PackageRow.id - 1
    contents = select(BuildRow.id, (BuildRow.id * 7 + place * 57) % PACKAGES + 1)
    contents = contents.join_from(BuildRow, PackageRow, place < PACKAGES_PER_BUILD).where(BuildRow.id <= BUILDS)
    session.execute(insert(BuildPackageRow).from_select(["build_id", "package_id"], contents))


def _rows(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    session.execute(insert(table), rows)


def _namespace(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"group-{number:03}", "created_on": START}


def _environment(number: int, times: int) -> dict[str, Any]:
    namespace_id = (number - 1) % (NAMESPACES * times) + 1
    return {"id": number, "namespace_id": namespace_id, "name": f"environment-{number:04}", "created_on": START}


def _specification(number: int) -> dict[str, Any]:
    return {"id": number, "name": "data", "sha256": f"{number:064}", "spec": SPEC, "source": "", "created_on": START}


def _package(number: int) -> dict[str, Any]:
    name, version = f"package-{number % 400}", f"1.{number // 400}"
    row = {"id": number, "channel_id": 1, "name": name, "version": version, "build": "0", "sha256": f"{number:064}"}
    return row | {"license": "BSD-3-Clause", "summary": SUMMARY}


def _build(number: int, environments: int) -> dict[str, Any]:
    scheduled_on = START + timedelta(minutes=number)
    return {
        "id": number,
        "environment_id": (number - 1) % environments + 1,
        "specification_id": (number - 1) % 1000 + 1,
        "status": "COMPLETED" if number % 10 else "FAILED",
        "size": number,
        "scheduled_on": scheduled_on,
        "started_on": scheduled_on + timedelta(seconds=1),
        "ended_on": scheduled_on + timedelta(seconds=5),
    }
