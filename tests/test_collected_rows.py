"""The rows that garbage collection removes, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from conda_store.builds import states
from conda_store.builds.states import ENDED, ArtifactState, ArtifactType
from conda_store.builds.subject import JobSettings
from conda_store.db import Database, garbage
from conda_store.db.orm import (
    ArtifactRow,
    BuildRow,
    EnvironmentRow,
    EventRow,
    NamespaceRow,
    SettingRow,
    SpecificationRow,
)
from conda_store.packages.channels import ChannelPolicy
from tests.heap import collector
from tests.jobs import schedule

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as made:
        made.create_or_upgrade()
        yield made


def ended(database: Database, name: str, package: str = "python") -> int:
    """A completed build with two artifacts."""
    with database.write() as session:
        build_id = schedule(session, f"dependencies: [{package}]\n", name, "default", ChannelPolicy())
        lease = states.claim(session, build_id, 60)
        assert lease is not None
        states.complete(session, lease, size=5)
        for kind in (ArtifactType.LOGS, ArtifactType.CONDA_PACK):
            states.set_artifact(session, lease, kind, ArtifactState.READY, f"artifacts/{build_id}/{kind.lower()}", 1)
        states.release(session, lease)
    return build_id


def delete(database: Database, *build_ids: int, environment: str | None = None) -> None:
    with database.write() as session:
        for build_id in build_ids:
            session.get_one(BuildRow, build_id).deleted_on = datetime.now(UTC)
        if environment is not None:
            row = session.scalars(select(EnvironmentRow).where(EnvironmentRow.name == environment)).one()
            row.deleted_on = datetime.now(UTC)
            session.add(SettingRow(namespace_id=row.namespace_id, environment_id=row.id, name="image", value={}))


def counts(database: Database) -> list[int]:
    tables = (BuildRow, EnvironmentRow, SpecificationRow, ArtifactRow, EventRow, SettingRow, NamespaceRow)
    with database.read() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_a_deleted_environment_goes_with_its_builds_and_settings_and_its_namespace_stays(
    database: Database, tmp_path: Path
) -> None:
    first, second = ended(database, "one"), ended(database, "one", "numpy")
    other = ended(database, "two")
    before = counts(database)
    delete(database, first, environment="one")
    jobs = JobSettings(
        database.url.render_as_string(hide_password=False), tmp_path / "s", tmp_path / "p", tmp_path / "e"
    )
    done = collector(database, jobs).collect().removals
    assert [one.name for one in done] == [str(first), str(second)]
    left = counts(database)
    # The specification of the first is that of the other environment too.
    assert left[:4] == [1, 1, 1, 2] and 0 < left[4] < before[4] and left[5:] == [0, 1]
    with database.read() as session:
        assert list(session.scalars(select(BuildRow.id))) == [other]


def test_what_is_current_in_use_or_kept_is_not_found(database: Database) -> None:
    first, second = ended(database, "one"), ended(database, "one")
    only = ended(database, "two")
    with database.write() as session:
        running = schedule(session, "dependencies: [python]\n", "one", "default", ChannelPolicy())
        assert states.claim(session, running, 60) is not None
    delete(database, first, only, running)
    with database.read() as session:
        assert [one.id for one in garbage.deleted_builds(session, LATER, ENDED)] == [first]
        assert garbage.deleted_builds(session, datetime.now(UTC) - timedelta(hours=1), ENDED) == []
        assert garbage.left_behind(session, first, {"LOGS"})
        assert not garbage.left_behind(session, first, {"LOGS", "CONDA_PACK"})
        assert garbage.ready_artifacts(session, first, {"LOGS"}) == {"LOGS": f"artifacts/{first}/logs"}
        assert list(garbage.old_builds(session, ENDED, 0, None)) == []
        assert second
