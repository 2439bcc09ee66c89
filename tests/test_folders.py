"""A namespace is equal to a folder of files: what appears, changes, moves, breaks and goes, in real files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conda_store.db.orm import BuildRow
from tests.folders import QUICK, builds, names, wait_for, write
from tests.jobs import until
from tests.people import client_of, peopled
from tests.server import Server, running
from tests.test_outcomes import small_disk
from tests.told import Log, told

__all__ = ["told"]

YAML = "name: {name}\ndependencies: [python]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made := tmp_path / "folder").mkdir()
    return made


@contextmanager
def watching(folder: Path, *others: Path, **options: Any) -> Iterator[Server]:
    paths = [str(folder), *map(str, others)]
    with running(folder.parent / "s", watch_paths=paths, **(QUICK | options)) as server:
        yield server


def settle(server: Server, folder: Path) -> None:
    """Until all that was done before has had its effect: a pass that takes a newer file has seen the older ones."""
    marker = write(folder, "marker.yaml")
    until(lambda: "marker" in names(server.api), 30, lambda: str(names(server.api)))
    marker.unlink()
    until(lambda: "marker" not in names(server.api), 30, lambda: str(names(server.api)))


def test_what_lies_in_the_folder_is_what_the_namespace_has(folder: Path) -> None:
    write(folder, "a.yaml", name="python-numpy-env")
    write(folder, "stem.yml")
    for other in (".hidden.yaml", "notes.txt", "b.yaml~", "#c.yaml#", ".#d.yaml", ".e.yaml.swp"):
        write(folder, other)
    (folder / "nested").mkdir()
    write(folder / "nested", "deep.yaml")
    (folder / "folder.yaml").mkdir()
    os.mkfifo(folder / "pipe.yaml")
    with watching(folder) as server:
        wait_for(server.api, {"python-numpy-env", "stem"})
        (build,) = builds(server.api, "python-numpy-env")
        assert server.app.executor.submitted.count(build) == 1  # type: ignore[attr-defined]
        with server.app.database.read() as session:
            assert session.get_one(BuildRow, build).requested_by == "watched folder"
        write(folder, "late.yaml")
        wait_for(server.api, {"python-numpy-env", "stem", "late"})
        write(folder, "stem.yml", "python", "numpy")
        until(lambda: len(builds(server.api, "stem")) == 2)
        (folder / "a.yaml").unlink()
        wait_for(server.api, {"stem", "late"})
        told = server.api.get("audit/", params={"namespace": "filesystem", "size": "100"}).json()["data"]
        ours = {(row["action"], row["environment"]) for row in told if row["actor"] == "watched folder"}
        assert {("environment.created", "late"), ("environment.deleted", "python-numpy-env")} <= ours, ours


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    examples = Path(__file__).parent.parent / "examples" / "environments"
    with running(tmp_path / "s", watch_paths=[str(examples)]) as server:
        until(lambda: server.api.get("environment/filesystem/python-numpy-env/").status_code == 200)


def test_the_last_file_takes_its_environment_along(folder: Path) -> None:
    path = write(folder, "only.yaml")
    with watching(folder) as server:
        wait_for(server.api, {"only"})
        path.unlink()
        wait_for(server.api, set())
        write(folder, "only.yaml")
        wait_for(server.api, {"only"})


def test_an_unchanged_file_makes_no_new_build_also_after_a_restart(folder: Path) -> None:
    path = write(folder, "a.yaml", "python", "numpy")
    with watching(folder) as server:
        wait_for(server.api, {"a"})
        path.write_text("# a comment\nname: a\ndependencies:\n  - numpy\n  - python\n")
        settle(server, folder)
        assert len(builds(server.api, "a")) == 1
    with watching(folder) as server:
        settle(server, folder)
        assert len(builds(server.api, "a")) == 1
        path.touch()
        path.rename(folder / "b.yaml")
        settle(server, folder)
        assert len(builds(server.api, "a")) == 1
        assert names(server.api) == {"a"}
    write(folder, "b.yaml", "six", name="a")
    write(folder, "new.yaml")
    with watching(folder) as server:
        wait_for(server.api, {"a", "new"})
        until(lambda: len(builds(server.api, "a")) == 2)
    (folder / "b.yaml").unlink()
    with watching(folder) as server:
        wait_for(server.api, {"new"})


def test_a_failed_build_is_not_tried_again_by_itself(folder: Path) -> None:
    write(folder, "a.yaml")
    with watching(folder) as server:
        wait_for(server.api, {"a"})
        (build,) = builds(server.api, "a")
        server.fail(build, "no such package")
        settle(server, folder)
        assert builds(server.api, "a") == [build]
        server.api.delete(f"build/{build}/").raise_for_status()
        settle(server, folder)
        assert builds(server.api, "a") == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"name: a\ndependencies: [python\n", ("line 3, column 1",)),
        (b"name: a\ndependencies:\n  - python ===\n", ("line 3, column 5",)),
        (b"name: a\ndependencees: [python]\n", ("line 2, column 1", "dependencees")),
        (b"name: a\ndependencies: [caf\xe9]\n", ("line 2, column 19", "not UTF-8")),
        (b"name: a\n#" + b"x" * (17 << 20), ("17825801 bytes",)),
        (b"name: a\ndependencies: [python]\n#" + b"x" * (2 << 20), ("at most 1048576",)),
        (b"", ("empty",)),
        (b"name: a\nchannels: [forbidden]\ndependencies: [python]\n", ("line 2", "forbidden")),
    ],
    ids=["syntax", "matchspec", "key", "encoding", "huge", "large", "empty", "policy"],
)
def test_a_bad_file_is_told_once_and_harms_nothing(
    data: bytes, words: tuple[str, ...], folder: Path, told: Log
) -> None:
    path = write(folder, "a.yaml", name="a")
    write(folder, "other.yaml")
    with watching(folder, allowed_channels=["conda-forge"]) as server:
        wait_for(server.api, {"a", "other"})
        path.write_bytes(data)
        until(lambda: told("a.yaml", "is not taken", *words), 30, lambda: told.text)
        settle(server, folder)
        assert names(server.api) == {"a", "other"} and len(builds(server.api, "a")) == 1
        assert len(told("a.yaml", "is not taken")) == 1
        assert "\nconda_store_watched_files_refused 1.0\n" in server.web.get("metrics").text
        write(folder, "a.yaml", "six", name="a")
        until(lambda: len(builds(server.api, "a")) == 2)


def test_a_file_that_a_setting_forbids_is_taken_when_the_setting_allows_it(folder: Path, told: Log) -> None:
    with watching(folder) as server:
        server.api.post("namespace/filesystem/").raise_for_status()
        server.api.put("setting/filesystem/", json={"conda_denied_packages": ["six"]}).raise_for_status()
        write(folder, "a.yaml", "six")
        until(lambda: told("a.yaml", "six"), 30, lambda: told.text)
        assert names(server.api) == set()
        server.api.put("setting/filesystem/", json={"conda_denied_packages": None}).raise_for_status()
        wait_for(server.api, {"a"})


def test_of_two_files_with_one_name_none_wins(folder: Path, told: Log) -> None:
    write(folder, "a.yaml", name="one")
    with watching(folder) as server:
        wait_for(server.api, {"one"})
        second = write(folder, "b.yaml", "six", name="one")
        until(lambda: told("a.yaml", "b.yaml", "'one'"), 30, lambda: told.text)
        settle(server, folder)
        assert len(builds(server.api, "one")) == 1 and len(told("b.yaml")) == 1
        (folder / "a.yaml").unlink()
        until(lambda: len(builds(server.api, "one")) == 2)
        assert second.exists() and names(server.api) == {"one"}


def test_a_folder_that_vanishes_takes_nothing_along(folder: Path, told: Log) -> None:
    write(folder, "a.yaml")
    write(folder, "b.yaml")
    away = folder.with_name("away")
    (other := folder.with_name("other")).mkdir()
    with watching(folder, other) as server:
        wait_for(server.api, {"a", "b"})
        folder.rename(away)
        until(lambda: told(str(folder), "left alone"), 30, lambda: told.text)
        settle(server, other)
        assert names(server.api) == {"a", "b"}
        folder.mkdir()
        until(lambda: told(str(folder), "mounted"), 30, lambda: told.text)
        settle(server, other)
        assert names(server.api) == {"a", "b"}
        folder.rmdir()
        away.rename(folder)
        write(folder, "c.yaml")
        wait_for(server.api, {"a", "b", "c"})
        (folder / "a.yaml").unlink()
        wait_for(server.api, {"b", "c"})
    shutil.rmtree(folder)
    folder.mkdir()
    told.text = ""
    with watching(folder, other) as server:
        settle(server, other)
        assert names(server.api) == {"b", "c"} and told(str(folder), "left alone")
        (folder / "README").write_text("Empty on purpose.\n")
        wait_for(server.api, set())


def test_an_unmounted_share_takes_nothing_along(folder: Path, told: Log) -> None:
    place = folder / "share"
    with small_disk(place, 4) as share:
        write(share, "a.yaml")
        with watching(place) as server:
            wait_for(server.api, {"a"})
            subprocess.run(["umount", "--lazy", place], check=True)
            until(lambda: told(str(place), "mounted"), 30, lambda: told.text)
            assert names(server.api) == {"a"}
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
            write(place, "a.yaml")
            write(place, "b.yaml")
            wait_for(server.api, {"a", "b"})
            assert len(builds(server.api, "a")) == 1


def test_a_folder_that_is_missing_at_the_start_is_told_and_awaited(folder: Path, told: Log) -> None:
    late = folder / "late"
    with watching(late) as server:
        until(lambda: told(str(late), "No such file"), 30, lambda: told.text)
        assert server.web.get("ready").status_code == 200
        late.mkdir()
        write(late, "a.yaml")
        wait_for(server.api, {"a"})


def test_single_files_and_links(folder: Path) -> None:
    single = write(folder, "single.yaml")
    write(folder, "beside.yaml")
    (linked := folder / "linked").mkdir()
    target = write(folder, "target.yaml", name="by-link")
    (linked / "link.yaml").symlink_to(target)
    (linked / "nowhere.yaml").symlink_to(folder / "missing")
    with watching(single, linked) as server:
        wait_for(server.api, {"single", "by-link"})
        write(folder, "target.yaml", "six", name="by-link")
        until(lambda: len(builds(server.api, "by-link")) == 2)
        replacement = write(folder, ".new", "six")
        replacement.rename(single)
        until(lambda: len(builds(server.api, "single")) == 2)
        single.unlink()
        wait_for(server.api, {"by-link"})
        (linked / "link.yaml").unlink()
        wait_for(server.api, set())


def test_a_half_written_file_is_not_built(folder: Path) -> None:
    with watching(folder, FolderWatching__settle_seconds=3600) as server:
        path = folder / "slow.yaml"
        with path.open("w") as file:
            for number, text in enumerate(("name: slow\n", "dependencies:\n", "  - python\n", "  - six\n")):
                file.write(text)
                file.flush()
                # A pass that takes this old file has seen the other one too.
                (folder / "outside").write_text("dependencies: [python]\n")
                os.utime(folder / "outside", (1, 1))
                (folder / "outside").rename(folder / f"pace{number}.yaml")
                until(lambda name=f"pace{number}": name in names(server.api))  # type: ignore[misc]
                assert "slow" not in names(server.api)
        os.utime(path, (1, 1))
        until(lambda: "slow" in names(server.api))
        (build,) = builds(server.api, "slow")
        specification = server.api.get(f"build/{build}/").json()["data"]["specification"]
        assert specification["spec"]["dependencies"] == ["python", "six"]


def test_what_people_made_stays_and_what_they_change_comes_back(folder: Path) -> None:
    with watching(folder) as server:
        server.submit("mine", "filesystem", YAML)
        write(folder, "mine.yaml", "six")
        write(folder, "ours.yaml")
        wait_for(server.api, {"mine", "ours"})
        until(lambda: len(builds(server.api, "mine")) == 2)
        server.api.delete("environment/filesystem/ours/").raise_for_status()
        until(lambda: "ours" in names(server.api))
        server.submit("ours", "filesystem", "name: ours\ndependencies: [numpy]\n")
        until(lambda: len(builds(server.api, "ours")) >= 3, 30, lambda: str(builds(server.api, "ours")))
        (folder / "mine.yaml").unlink()
        (folder / "ours.yaml").unlink()
        wait_for(server.api, {"mine"})


def test_nobody_writes_to_the_namespace_who_is_not_bound_to_it(folder: Path, tmp_path: Path) -> None:
    write(folder, "a.yaml")
    options: dict[str, Any] = {"watch_paths": [str(folder)], **QUICK}
    people: dict[str, list[str]] = {"ana": [], "ben": []}
    bound = {"ben": {"filesystem/*": "developer"}}
    with (
        peopled(tmp_path / "s", people, RoleBindings__users=bound, **options) as server,
        client_of(server, "ana") as ana,
        client_of(server, "ben") as ben,
    ):
        wait_for(ana, {"a"})
        body = {"specification": YAML.format(name="b"), "namespace": "filesystem"}
        assert ana.post("specification/", json=body).status_code == 403
        assert ana.delete("environment/filesystem/a/").status_code == 403
        assert ben.post("specification/", json=body).status_code == 200


def test_the_namespace_is_a_setting(folder: Path) -> None:
    write(folder, "a.yaml")
    with watching(folder) as server:
        wait_for(server.api, {"a"})
        assert server.api.put("setting/", json={"filesystem_namespace": "a/b"}).status_code == 400
        server.api.put("setting/", json={"filesystem_namespace": "course"}).raise_for_status()
        wait_for(server.api, {"a"}, "course")
        (folder / "a.yaml").unlink()
        wait_for(server.api, set(), "course")
        assert names(server.api) == {"a"}


def test_files_that_find_no_room_wait_for_it(folder: Path, told: Log) -> None:
    for number in range(3):
        write(folder, f"a{number}.yaml")
    with watching(folder, BuildLimits__max_queued_builds_per_namespace=2) as server:
        until(lambda: told("has to wait", "a2.yaml"), 30, lambda: told.text)
        assert names(server.api) == {"a0", "a1"}
        server.complete(builds(server.api, "a0")[0])
        wait_for(server.api, {"a0", "a1", "a2"})


def test_a_file_beyond_a_quota_waits_for_another_one_to_go(folder: Path, told: Log) -> None:
    write(folder, "a.yaml")
    with watching(folder, EnvironmentPolicy__settings={"quota_environments": 1}) as server:
        wait_for(server.api, {"a"})
        write(folder, "b.yaml")
        until(lambda: told("b.yaml", "has to wait", "quota_environments"), 30, lambda: told.text)
        assert names(server.api) == {"a"} and len(builds(server.api)) == 1
        (folder / "a.yaml").unlink()
        wait_for(server.api, {"b"})


def test_polling_sees_what_nobody_tells(folder: Path) -> None:
    options = {"FolderWatching__force_polling": True, "FolderWatching__polling_seconds": 0.05}
    with watching(folder, **options) as server:
        write(folder, "a.yaml")
        wait_for(server.api, {"a"})
        (folder / "a.yaml").unlink()
        wait_for(server.api, set())
