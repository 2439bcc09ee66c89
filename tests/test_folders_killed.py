"""Watched folders and the real command: killed in the middle, several at once, many files, real builds."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select

from conda_store.db.orm import BuildRow
from conda_store.executors.local import LocalExecutor
from tests.folders import QUICK, builds, names, process, wait_for, write
from tests.jobs import until
from tests.server import NeverExecutor, running

NEVER = {"CondaStore__executor_class": "tests.server.NeverExecutor"}
MANY = 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made := tmp_path / "folder").mkdir()
    return made


def test_killed_in_the_middle_the_next_server_goes_on(folder: Path, tmp_path: Path) -> None:
    chance = random.Random("killed")
    wanted = {f"env{number}" for number in range(MANY)}
    for name in wanted:
        write(folder, f"{name}.yaml")
    for step in (0.2, 0.6):
        with process(tmp_path / "s", folder, **NEVER) as server:
            until(lambda part=step: len(names(server.api)) >= part * MANY)  # type: ignore[misc]
            server.end()
    for name in chance.sample(sorted(wanted), MANY // 2):
        (folder / f"{name}.yaml").unlink()
        wanted.discard(name)
    with process(tmp_path / "s", folder, **NEVER) as server:
        until(lambda: len(names(server.api)) < 0.9 * MANY)
        server.end()
    write(folder, "env-late.yaml")
    with process(tmp_path / "s", folder, **NEVER) as server:
        wait_for(server.api, wanted | {"env-late"})
        found = server.api.get("build/", params={"namespace": "filesystem", "page": "1", "size": "1"}).json()["count"]
        assert found == len(wanted) + 1
        server.end(signal.SIGTERM)
        assert server.process.returncode == 0
        assert "Traceback" not in server.told()


def test_two_servers_at_once_make_each_build_once(folder: Path, tmp_path: Path, database_url: str) -> None:
    options = {"database_url": database_url, "watch_paths": [str(folder)], "executor_class": NeverExecutor, **QUICK}
    wanted = {f"env{number}" for number in range(40)}
    for name in wanted:
        write(folder, f"{name}.yaml")
    with running(tmp_path / "a", **options) as first, running(tmp_path / "b", **options) as second:
        wait_for(first.api, wanted)
        for name in wanted:
            write(folder, f"{name}.yaml", "six")
        until(lambda: all(len(builds(first.api, name)) > 1 for name in wanted))
        (folder / "env0.yaml").unlink()
        wait_for(second.api, wanted - {"env0"})
        write(folder, "marker.yaml")
        wait_for(second.api, wanted - {"env0"} | {"marker"})
        with first.app.database.read() as session:
            counted = session.execute(select(BuildRow.environment_id, func.count()).group_by(BuildRow.environment_id))
            assert Counter(number for _, number in counted) == {2: len(wanted), 1: 1}


def test_a_folder_becomes_environments_that_can_be_used(folder: Path, tmp_path: Path, sample_channel: Path) -> None:
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [sample_channel.as_uri()],
        "build_artifacts": ["LOCKFILE"],
        "watch_paths": [str(folder)],
    }
    write(folder, "anything.yaml", "python", "markupsafe", name="python-numpy-env")
    with running(tmp_path / "s", **options, **QUICK) as server:
        link = tmp_path / "s" / "environments" / "filesystem" / "python-numpy-env"
        until(link.exists, 120)
        assert (link / "bin" / "python").exists()
        lock = server.api.get("environment/filesystem/python-numpy-env/lockfile/").json()
        # As other tools write it: without the name.
        lock["metadata"].pop("custom_metadata")
        (folder / "locked.conda-lock.yml").write_text(json.dumps(lock))
        locked = link.with_name("locked")
        until(locked.exists, 120, lambda: str(server.api.get("environment/").json()))
        assert (locked / "bin" / "python").exists()
        (folder / "anything.yaml").unlink()
        wait_for(server.api, {"locked"})
        assert not link.exists() and len(builds(server.api, "locked")) == 1
