"""Reading of specifications: the normal form, every broken file of the collection, and anything at all."""

from __future__ import annotations

import json
import random
import time

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conda_store.errors import CondaStoreError, SpecificationInvalid
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.matchspecs import channel_and_name, matchspec_fault, near_misses
from conda_store.packages.submission import read_specification
from conda_store.requirements import normal_requirement
from conda_store.specification import Specification, SpecificationLimits, parse_specification
from tests.broken_specifications import BROKEN, Broken

POLICY = ChannelPolicy()
GOOD = b"""\
# the environment of the course
name: course
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python =3.11
  - numpy>=1.26,<3
  - pip
  - pip:
      - Flask >= 3
      - requests[socks]==2.32.3 ; python_version > "3.8"
  - pandas=2.*=py311*
variables:
  GREETING: hello
  THREADS: 010
  RATIO: 1.10
  FLAG: true
platforms: [linux-64, linux-aarch64]
description: |
  Statistics, first year
"""


def problems_of(source: bytes | str, **options: object) -> list[str]:
    with pytest.raises(SpecificationInvalid) as refused:
        parse_specification(source, **options)  # type: ignore[arg-type]
    return [str(problem) for problem in refused.value.problems]


def test_names_of_the_collection_are_unique_enough_for_ids() -> None:
    assert len(BROKEN) >= 100
    assert len({case.source for case in BROKEN}) == len(BROKEN)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_broken(case: Broken) -> None:
    with pytest.raises(SpecificationInvalid) as refused:
        read_specification(case.source, POLICY)
    fitting = [
        problem
        for problem in refused.value.problems
        if case.culprit in problem.message
        and case.hint in problem.message
        and case.line == problem.line
        and case.column in (None, problem.column)
    ]
    assert fitting, str(refused.value)
    assert str(fitting[0]) in refused.value.message
    assert "hunter2" not in refused.value.message
    assert "ab-123" not in refused.value.message.replace("t/ab-123/a' is not", "")


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_one_mistake_is_one_problem(case: Broken) -> None:
    with pytest.raises(SpecificationInvalid) as refused:
        read_specification(case.source, POLICY)
    assert len(refused.value.problems) == 1, str(refused.value)


def test_all_problems_are_reported_in_the_order_of_the_file() -> None:
    source = (
        b"name: a/b\nchannels: [file:///x]\nchanels: []\ndependencies:\n- numpy==\n- 3.11\n- pip: [-e .]\n"
        b"variables: {1A: b}\nplatforms: [linux]\n"
    )
    with pytest.raises(SpecificationInvalid) as refused:
        read_specification(source, POLICY)
    assert [problem.line for problem in refused.value.problems] == [1, 2, 3, 5, 6, 7, 8, 9]
    assert [problem.path for problem in refused.value.problems][-3:] == [
        "dependencies[2].pip[0]",
        "variables.1A",
        "platforms[0]",
    ]


def test_a_good_file() -> None:
    parsed = read_specification(GOOD, POLICY)
    assert parsed.specification.as_dict() == {
        "name": "course",
        "channels": ["conda-forge"],
        "dependencies": [
            "numpy>=1.26,<3",
            "pandas=2.*=py311*",
            "pip",
            "python =3.11",
            {"pip": ["flask>=3", 'requests[socks]==2.32.3; python_version > "3.8"']},
        ],
        "variables": {"FLAG": "True", "GREETING": "hello", "RATIO": "1.10", "THREADS": "010"},
        "platforms": ["linux-64", "linux-aarch64"],
        "description": "Statistics, first year",
        "prefix": None,
    }
    assert next((place.text, place.line, place.column) for place in parsed.entries.pip) == ("Flask >= 3", 11, 9)
    assert [warning.line for warning in parsed.warnings] == [18]


def test_keys_of_other_tools_are_warnings() -> None:
    source = b"name: a\ncategory: dev\ndependencies: [python]\nprefix: /home/ana/envs/a\n"
    parsed = parse_specification(source)
    assert [(warning.line, warning.message.split("'")[1]) for warning in parsed.warnings] == [
        (2, "category"),
        (4, "prefix"),
    ]
    assert parsed.specification == Specification("a", dependencies=("python",))


def test_the_rest_apis_own_form_is_read_without_a_warning() -> None:
    parsed = read_specification(GOOD, POLICY)
    again = read_specification(json.dumps(parsed.specification.as_dict()), POLICY)
    assert again.specification == parsed.specification
    assert again.warnings == ()
    smile = json.dumps({"name": "a", "dependencies": ["b"], "description": "\\\U0001f600 \\ud83d\\ude00"})
    assert parse_specification(smile).specification.description == json.loads(smile)["description"]


def test_what_is_accepted() -> None:
    byte_order_mark = b"\xef\xbb\xbfname: a\r\ndependencies:\r\n- python\r\n"
    assert parse_specification(byte_order_mark).specification.name == "a"
    assert parse_specification("dependencies: [a]", default_name="b").specification.name == "b"
    two = "name: a\ndependencies: [b, {pip: [y]}, {pip: [x]}]\nchannels:\nvariables:\nplatforms:\ndescription:\n"
    assert parse_specification(two).specification.pip == ("x", "y")
    shared = "name: a\ndependencies: [&x b]\nchannels: [*x]\n"
    assert parse_specification(shared).specification.channels == ("b",)
    empty = SpecificationLimits(require_dependencies=False)
    assert parse_specification("name: a", limits=empty).specification.dependencies == ()


def test_limits() -> None:
    many = "name: a\ndependencies:\n" + "- numpy\n" * 10_001
    assert "names 10001 packages; at most 10000" in problems_of(many)[0]
    assert "bad/name" in problems_of("dependencies: [a]", default_name="bad/name")[0]
    urls = SpecificationLimits(allow_pip_urls=True, allow_pip_options=True)
    source = "name: a\ndependencies: [{pip: ['a @ https://x.org/a.whl', '--pre', './b.whl']}]"
    assert len(parse_specification(source, limits=urls).specification.pip) == 3


def test_credentials_never_stand_in_a_message() -> None:
    items = [
        "https://u:hunter2@h.org/linux-64/a-1-0.conda",
        "https://u:hunter2@h.org/c::numpy",
        "https://u:hunter2@h.org/c::numpy>=1 <2",
        "https://h.org/t/hunter2/c::numpy==",
        {
            "pip": [
                "git+https://hunter2@h.org/a.git",
                "--index-url https://u:hunter2@h.org/",
                "a @ https://:hunter2@h/a",
            ]
        },
    ]
    source = json.dumps({"name": "a", "channels": ["https://u:hunter2@h.org/c", "t/hunter2/c"], "dependencies": items})
    with pytest.raises(SpecificationInvalid) as refused:
        read_specification(source, POLICY)
    assert len(refused.value.problems) >= 9
    assert "hunter2" not in refused.value.message


def test_hostile_files_are_refused_quickly() -> None:
    sources = [
        b"[" * 1_000_000,
        b"{a: " * 250_000,
        b"- " * 500_000,
        b"? " * 500_000,
        b"&a " * 300_000,
        b"!a " * 300_000,
    ]
    sources += [
        b"a: b\n" * 200_000,
        b"[" + b"a," * 500_000,
        b"a" * 1_000_000,
        b'"' + b"\\n" * 500_000,
        b"#\n" * 500_000,
    ]
    sources += [b"[" * 31 + b"a" * 1000 + b": " * 1000, b"name: a\ndependencies: ['a " + b"1|" * 400_000 + b"1']\n"]
    for source in sources:
        began = time.monotonic()
        with pytest.raises(SpecificationInvalid):
            read_specification(source, POLICY)
        assert time.monotonic() - began < 5, source[:20]


# -- the normal form --------------------------------------------------------------------------------------------------

printable = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Cn"], blacklist_characters="\ufeff"), max_size=30)
package = st.from_regex(r"[a-z_][a-z0-9_-]{0,12}(?: ?>=[0-9]{1,2}(?:\.[0-9]{1,2})?(?:,<[0-9]{3})?)?", fullmatch=True)
requirement = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,8}(?:\[[a-z]{1,4}\])?(?: ?==[0-9]{1,2}\.[0-9])?", fullmatch=True)
specifications = st.builds(
    Specification,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+=@~-]{0,79}", fullmatch=True),
    channels=st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True), max_size=3).map(tuple),
    dependencies=st.lists(package, min_size=1, max_size=6).map(tuple),
    pip=st.lists(requirement, max_size=4).map(tuple),
    variables=st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), printable, max_size=3).map(
        lambda found: tuple(found.items())
    ),
    platforms=st.lists(st.sampled_from(["linux-64", "linux-aarch64", "osx-arm64"]), max_size=3).map(tuple),
    description=printable,
)


@given(specifications)
@settings(deadline=None, max_examples=300)
def test_a_specification_survives_its_own_yaml_and_json(specification: Specification) -> None:
    for text in (specification.to_yaml(), json.dumps(specification.as_dict())):
        again = parse_specification(text).specification
        assert again == specification
        assert again.sha256 == specification.sha256
        assert again.canonical_json() == specification.canonical_json()


@given(specifications, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_order_and_layout_mean_nothing(specification: Specification, chance: random.Random) -> None:
    document = specification.as_dict()
    document["dependencies"] = [f"  {text.replace(' ', '   ')} " for text in specification.dependencies] * 2
    document["dependencies"].append({"pip": [f" {text}  " for text in specification.pip]})
    chance.shuffle(document["dependencies"])
    keys = list(document)
    chance.shuffle(keys)
    text = yaml.safe_dump(
        {key: document[key] for key in keys}, sort_keys=False, default_flow_style=chance.random() < 0.5
    )
    assert parse_specification(text).specification.sha256 == specification.sha256


def test_order_of_channels_means_something() -> None:
    first, second = Specification("a", channels=("b", "c/")), Specification("a", channels=("c", "b"))
    assert first.sha256 != second.sha256
    assert first.channels == ("b", "c")


def test_the_sha256_is_that_of_the_canonical_json() -> None:
    # Written down: builds, image tags and prefixes are named by it, so that it must not change by accident.
    specification = Specification("a", ("conda-forge",), ("numpy",), ("Flask",), (("A", "é"),))
    assert specification.canonical_json().decode() == (
        '{"channels":["conda-forge"],"dependencies":["numpy",{"pip":["flask"]}],"description":"","name":"a",'
        '"variables":{"A":"é"}}'
    )


@pytest.mark.parametrize("fields", [{"name": "a/b"}, {"variables": (("1", ""),)}, {"platforms": ("mars-64",)}])
def test_the_constructor_refuses_what_is_malformed(fields: dict[str, object]) -> None:
    with pytest.raises(SpecificationInvalid):
        Specification(**{"name": "a", **fields})  # type: ignore[arg-type]


@given(requirement)
def test_requirements_have_one_spelling(text: str) -> None:
    assert normal_requirement(normal_requirement(text)) == normal_requirement(text)
    assert normal_requirement("Flask_SQLAlchemy <4, >=3") == normal_requirement("flask-sqlalchemy>=3,<4")


# -- anything at all --------------------------------------------------------------------------------------------------


def _never_a_traceback(source: bytes | str) -> None:
    try:
        read_specification(source, POLICY)
    except CondaStoreError as error:
        assert error.message
        assert error.problems


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200), st.text("-[]{}:,&*!|>'\"%@#?\n\t a1=<~", max_size=60)))
@settings(deadline=None, max_examples=1500, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes(source: bytes | str) -> None:
    _never_a_traceback(source)


@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 5), st.binary(max_size=4)), min_size=1, max_size=4))
@settings(deadline=None, max_examples=1500)
def test_mutated_files(changes: list[tuple[int, int, bytes]]) -> None:
    source = GOOD
    for place, length, content in changes:
        source = source[:place] + content + source[place + length :]
    _never_a_traceback(source)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["name", "channels", "dependencies", "variables", "platforms", "description", "prefix", "pip"]),
        st.one_of(json_values, st.lists(st.dictionaries(st.just("pip"), json_values), max_size=2)),
    )
)
@settings(deadline=None, max_examples=800, suppress_health_check=[HealthCheck.too_slow])
def test_any_values_under_any_keys(document: dict[str, object]) -> None:
    _never_a_traceback(json.dumps(document))
    _never_a_traceback(yaml.safe_dump(document))


@given(st.one_of(st.text(max_size=40), st.text("numpy<>=!~^*,|[]():/.01 '\"@;-+#", max_size=25)))
@settings(deadline=None, max_examples=1500)
def test_any_dependency(text: str) -> None:
    fault = matchspec_fault(text)
    if fault is None:
        assert channel_and_name(text).name
    else:
        assert "not a conda dependency" in fault


# -- what conda itself writes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "channel", "name"),
    [
        ("numpy=1.26.4=py311h64a7726_0", None, "numpy"),
        ("_libgcc_mutex=0.1=conda_forge", None, "_libgcc_mutex"),
        ("numpy 1.26.4 py311h64a7726_0", None, "numpy"),
        ("blas=*=openblas", None, "blas"),
        ("pytorch * *cuda*", None, "pytorch"),
        ("openjdk 8|11", None, "openjdk"),
        ("tzdata=2024a", None, "tzdata"),
        ('NumPy[version=">=1,<2"]', None, "numpy"),
        ("conda-forge::numpy >=1.0, <2", "conda-forge", "numpy"),
        ("conda-forge/linux-64::numpy", "conda-forge/linux-64", "numpy"),
    ],
)
def test_matchspecs_that_people_write(text: str, channel: str | None, name: str) -> None:
    assert matchspec_fault(text) is None
    assert channel_and_name(text) == (channel, name)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("nunpy", "numpy"),
        ("umpy", "numpy"),
        ("Pandas", "pandas"),
        ("mathplotlib", "matplotlib"),
        ("sklearn", "scikit-learn"),
        ("scikit_learn", "scikit-learn"),
        ("dateutil", "python-dateutil"),
        ("torch", "pytorch"),
    ],
)
def test_near_misses_among_thirty_thousand_names(written: str, meant: str) -> None:
    chance = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz-"
    names = ["".join(chance.choices(letters, k=chance.randint(3, 18))) for _ in range(30_000)]
    names += ["numpy", "pandas", "scikit-learn", "pytorch", "python-dateutil", "matplotlib", "matplotlib-base"]
    began = time.monotonic()
    assert near_misses(written, names)[0] == meant
    assert time.monotonic() - began < 1
    assert near_misses("", names) == []
