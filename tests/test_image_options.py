"""What an image can be told: as a value, as a mapping, as a key of a specification, and every fault by its place."""

from __future__ import annotations

import json

import pytest

from conda_store.builds.lockfile import lockfile_text, parse_lockfile
from conda_store.builds.recording import lock_record, read_lock_record
from conda_store.errors import BadInput, SpecificationInvalid
from conda_store.image_options import ImageOptions, ImageOptionsInvalid
from conda_store.image_options_grammar import KEYS
from conda_store.packages.locked import Lock, PlatformLock
from conda_store.specification import Specification, parse_specification

SAID = {
    "user": "1000:100",
    "working_dir": "/work",
    "environment": {"A": "1", "B": ""},
    "entrypoint": ["tini", "--"],
    "command": ["python", "-m", "http.server"],
    "labels": {"org.example.team": "data"},
}
SOURCE = """\
name: served
dependencies: [python]
variables: {TEAM: data}
image:
  user: 2000
  working_dir: /srv//data/
  environment: {PORT: 8080, RATIO: 1.10, DAY: 2026-01-01}
  command: python -m "http server"
  labels:
    org.example.team: data
"""


def test_a_mapping_is_read_and_written_again() -> None:
    options = ImageOptions.read(SAID)
    assert options.as_dict() == SAID
    assert ImageOptions.read(json.loads(json.dumps(options.as_dict()))) == options
    assert hash(options) == hash(ImageOptions.read(SAID))
    assert set(SAID) == set(KEYS)


@pytest.mark.parametrize("document", [None, {}, {"user": None}, dict.fromkeys(KEYS)])
def test_who_says_nothing_is_falsy(document: object) -> None:
    assert ImageOptions.read(document) == ImageOptions() and not ImageOptions.read(document)


def test_what_is_said_empty_is_said() -> None:
    options = ImageOptions.read({"entrypoint": [], "command": "", "environment": {}})
    assert options and (options.entrypoint, options.command, options.environment) == ((), (), ())


def test_a_text_is_split_as_a_shell_would_and_numbers_are_text() -> None:
    options = ImageOptions.read({"command": "sh -c 'echo $A'", "user": 1000, "environment": {"PORT": 8080}})
    assert options.command == ("sh", "-c", "echo $A")
    assert (options.user, options.environment) == ("1000", (("PORT", "8080"),))


@pytest.mark.parametrize("user", ["0", "root", "1000:1000", "jovyan", "ana:users", "2147483647", "_apt:nogroup"])
def test_users(user: str) -> None:
    assert ImageOptions.read({"user": user}).user == user


def test_a_level_goes_over_a_lower_one_key_by_key_and_changes_neither() -> None:
    deployment = ImageOptions.read(SAID)
    own = ImageOptions.read({"user": "5", "environment": {"B": "2", "C": "3"}, "entrypoint": []})
    merged = own.over(deployment)
    assert merged.as_dict() == {
        **SAID,
        "user": "5",
        "environment": {"A": "1", "B": "2", "C": "3"},
        "entrypoint": [],
    }
    assert deployment.as_dict() == SAID
    nothing = ImageOptions()
    assert nothing.over(deployment) == deployment == deployment.over(nothing)


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ([], "image", "must be a mapping, but is a list"),
        ("root", "image", "the text 'root'"),
        ({"usr": "1"}, "image.usr", "did you mean 'user'?"),
        ({"env": {}}, "image.env", "did you mean 'environment'?"),
        ({"work-dir": "/"}, "image.work-dir", "did you mean 'working_dir'?"),
        ({"volumes": []}, "image.volumes", "the keys are user, working_dir"),
        ({"user": ""}, "image.user", "'' is not a user"),
        ({"user": "-1"}, "image.user", "such as '1000:1000'"),
        ({"user": "2147483648"}, "image.user", "2147483647"),
        ({"user": "1:2147483648"}, "image.user", "2147483647"),
        ({"user": "a b"}, "image.user", "'a b'"),
        ({"user": "\u0661"}, "image.user", "is not a user"),
        ({"user": True}, "image.user", "true"),
        ({"working_dir": "work"}, "image.working_dir", "begin it with '/'"),
        ({"working_dir": "/a\nb"}, "image.working_dir", "not an absolute path"),
        ({"environment": ["A=1"]}, "image.environment", "write 'NAME: value'"),
        ({"environment": {"1A": "x"}}, "image.environment.1A", "variable name"),
        ({"environment": {"A": 1.5}}, "image.environment.A", "the number 1.5"),
        ({"environment": {"A": None}}, "image.environment.A", "empty"),
        ({"environment": {"A": "x\ny"}}, "image.environment.A", "line break"),
        ({"environment": {"A": "\ud800"}}, "image.environment.A", "U+D800"),
        ({"environment": {"CONDA_PREFIX": "/"}}, "image.environment.CONDA_PREFIX", "set by conda-store"),
        ({"entrypoint": "a 'b"}, "image.entrypoint", "open quote"),
        ({"entrypoint": [""]}, "image.entrypoint", "empty word"),
        ({"command": {"a": "b"}}, "image.command", "a mapping"),
        ({"command": ["a", None]}, "image.command[1]", "empty"),
        ({"command": ["a\0"]}, "image.command[0]", "U+0000"),
        ({"labels": {"a b": "c"}}, "image.labels.a b", "not the key of a label"),
        ({"labels": {"": "c"}}, "image.labels.", "not the key of a label"),
        ({"labels": {"a" * 129: "c"}}, f"image.labels.{'a' * 129}", "at most 128"),
        ({"labels": {"a": []}}, "image.labels.a", "a list"),
        ({"labels": {"io.conda-store.x": "c"}}, "image.labels.io.conda-store.x", "set by conda-store"),
        (
            {"labels": {"org.opencontainers.image.created": "c"}},
            "image.labels.org.opencontainers.image.created",
            "set by conda-store",
        ),
    ],
)
def test_a_fault_is_one_problem_with_a_path_and_a_way_out(document: object, path: str, words: str) -> None:
    with pytest.raises(ImageOptionsInvalid) as refused:
        ImageOptions.read(document)
    (problem,) = refused.value.problems
    assert problem.path == path
    assert words in problem.message and problem.message in refused.value.message


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(BadInput) as refused:
        ImageOptions.read({"user": "", "working_dir": "x", "lables": {}, "command": ["a", 1.5]})
    assert (refused.value.status, refused.value.code) == (400, "image_options_invalid")
    assert "4 problems" in refused.value.message
    assert [one.path for one in refused.value.problems] == [
        "image.user",
        "image.working_dir",
        "image.lables",
        "image.command[1]",
    ]


def test_a_specification_says_it_of_its_image() -> None:
    specification = parse_specification(SOURCE).specification
    assert specification.as_dict()["image"] == {
        "user": "2000",
        "working_dir": "/srv/data",
        "environment": {"DAY": "2026-01-01", "PORT": "8080", "RATIO": "1.10"},
        "command": ["python", "-m", "http server"],
        "labels": {"org.example.team": "data"},
    }
    assert parse_specification(specification.to_yaml()).specification == specification
    assert parse_specification(json.dumps(specification.as_dict())).specification == specification


def test_it_counts_in_the_digest_only_where_it_says_something() -> None:
    plain = parse_specification("name: a\ndependencies: [b]\n").specification
    assert "image" not in plain.as_dict()
    assert parse_specification("name: a\ndependencies: [b]\nimage: {}\n").specification.sha256 == plain.sha256
    assert parse_specification("name: a\ndependencies: [b]\nimage:\n").specification.sha256 == plain.sha256
    other = parse_specification("name: a\ndependencies: [b]\nimage: {user: '5'}\n").specification
    assert other.sha256 != plain.sha256
    # As it was before there were such options: builds keep their keys.
    assert plain.sha256 == "e2725b521cf661d4181de8dd31457be75be45ea945ca2eb5bbd04f55da5d317b"


def test_every_fault_of_a_specification_has_its_line_and_column() -> None:
    source = (
        "name: a\ndependencies: [b]\nvariables: {TEAM: x}\nimage:\n  usr: '1'\n  working_dir: here\n"
        "  environment:\n    TEAM: y\n    FLAG: true\n    1A: z\n  command: [a, {b: c}]\n  labels: [x]\n"
    )
    with pytest.raises(SpecificationInvalid) as refused:
        parse_specification(source)
    assert [(one.line, one.column, one.path) for one in refused.value.problems] == [
        (5, 3, "image.usr"),
        (6, 16, "image.working_dir"),
        (8, 5, "image.environment.TEAM"),
        (9, 11, "image.environment.FLAG"),
        (10, 5, "image.environment.1A"),
        (11, 16, "image.command[1]"),
        (12, 11, "image.labels"),
    ]
    assert "'variables'" in refused.value.problems[2].message


@pytest.mark.parametrize(("line", "near"), [("imgae: {}", "image"), ("docker: {}", "image"), ("image: [x]", "image")])
def test_the_key_itself_misspelt_or_misused(line: str, near: str) -> None:
    with pytest.raises(SpecificationInvalid) as refused:
        parse_specification(f"name: a\ndependencies: [b]\n{line}\n")
    (problem,) = refused.value.problems
    assert problem.line == 3 and f"'{near}'" in problem.message


def test_a_lockfile_and_the_record_of_a_build_carry_it() -> None:
    specification = parse_specification(SOURCE).specification
    lock = Lock(("https://c.example",), {"linux-64": PlatformLock("linux-64", (), ())})
    assert read_lock_record(lock_record(specification, lock))[0] == specification
    _, again = parse_lockfile(lockfile_text(lock, specification))
    assert again == specification


def test_a_record_from_before_there_were_options_is_read() -> None:
    specification = Specification("a", dependencies=("b",))
    lock = Lock((), {"linux-64": PlatformLock("linux-64", (), ())})
    document = json.loads(lock_record(specification, lock))
    del document["specification"]["image"]
    assert read_lock_record(json.dumps(document).encode())[0] == specification
