"""Names in the registry: escapes can be taken back, every result is what the distribution-spec allows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_store.packages.matchspecs import matchspec_fault
from conda_store.registry.dynamic import MAX_REQUIREMENTS, DynamicRequest
from conda_store.registry.errors import DigestInvalid, ManifestUnknown, NameInvalid
from conda_store.registry.names import (
    build_tags,
    checked_digest,
    checked_name,
    checked_tag,
    escape,
    repository,
    split_repository,
    unescape,
)

# distribution-spec 1.1, "Pulling manifests", as it stands there.
OCI_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
OCI_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
tricky = st.text(alphabet="xX-_.a0@2d4ö", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("default", "default"),
        ("python-numpy_env.2", "python-numpy_env.2"),
        ("ana@lab.org", "ana--40lab.org"),
        ("Ana", "x--41na"),
        ("_libgcc_mutex", "x--5flibgcc_mutex"),
        ("x", "x"),
        ("x-ray", "x-ray"),
        ("x@y", "x--78--40y"),
        ("max@lab", "max--40lab"),
        ("a--b", "a--2d--2db"),
        ("a-", "a--2d"),
        ("A-b", "x--41--2db"),
        ("data ml", "data--20ml"),
        ("ö", "x--c3--b6"),
    ],
)
def test_names_are_spelt_as_documented(name: str, spelt: str) -> None:
    assert escape(name) == spelt
    assert unescape(spelt) == name


@given(names | tricky)
def test_an_escape_can_be_taken_back_and_is_a_component(name: str) -> None:
    spelt = escape(name)
    assert OCI_NAME.fullmatch(spelt) and "/" not in spelt
    assert unescape(spelt) == name


@given(st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*", fullmatch=True))
def test_a_component_has_one_name_or_none(component: str) -> None:
    try:
        name = unescape(component)
    except NameInvalid:
        return
    assert escape(name) == component


@given(tricky, tricky, tricky, tricky)
def test_repositories_are_as_different_as_their_names(a: str, b: str, c: str, d: str) -> None:
    assert (repository(a, b) == repository(c, d)) == ((a, b) == (c, d))
    assert split_repository(repository(a, b)) == (a, b)


def test_a_name_that_grows_too_long_is_refused_by_name() -> None:
    assert len(repository("n" * 100, "e" * 80)) == 181
    assert len(repository("@" * 40, "+" * 22)) == 1 + 160 + 1 + 1 + 88
    with pytest.raises(NameInvalid, match=r"'EEE.*need 503 characters.*255"):
        repository("E" * 100, "n" * 101)


@pytest.mark.parametrize(
    "name", ["", "/", "a//b", "a/", "/a", "A/b", "_a/b", "a/b-", "a/..", "a/b___c", "a/b+c", "a/%40", "a\n/b", "é/b"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    assert OCI_NAME.fullmatch(name) is None
    with pytest.raises(NameInvalid):
        checked_name(name)


@given(st.from_regex(OCI_NAME, fullmatch=True).filter(lambda name: len(name) <= 255))
def test_what_is_a_name_is_taken(name: str) -> None:
    assert checked_name(name) == name


def test_a_name_of_256_characters_is_too_long() -> None:
    assert checked_name("a/" + "b" * 253)
    with pytest.raises(NameInvalid, match="256"):
        checked_name("a/" + "b" * 254)


@pytest.mark.parametrize("name", ["python", "a/b/c", "default/x--61", "default/a--2db", "default/x--ff"])
def test_only_the_one_spelling_of_an_environment_is_split(name: str) -> None:
    with pytest.raises(NameInvalid):
        split_repository(name)


@given(st.integers(1, 2**31), st.text(alphabet="aZ0.-_+=@~", min_size=1, max_size=80))
def test_a_build_has_tags_that_fit(build_id: int, environment: str) -> None:
    short, key = (f"{sha}-20210825-180211-244815-{build_id}-{environment}" for sha in ("583dd551", "5" * 64))
    tags = build_tags(build_id, short, key, current=True)
    assert all(OCI_TAG.fullmatch(tag) for tag in tags)
    assert tags[0] == str(build_id) and tags[-1] == "latest"
    if not set(environment) & set("+=@~"):
        assert short in tags
        assert (key in tags) == (len(key) <= 128)
    assert set(build_tags(build_id, short, key, current=False)) == set(tags) - {"latest"}


def test_what_a_tag_forbids_is_escaped() -> None:
    assert build_tags(7, "s-7-a+b", "k-7-a+b", current=False) == ("7", "s-7-a--2bb", "k-7-a--2bb")


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a" * 129, "a b", "a/b", "ä", "a\n"])
def test_what_is_no_tag_has_no_manifest(tag: str) -> None:
    with pytest.raises(ManifestUnknown):
        checked_tag(tag)


@pytest.mark.parametrize(
    ("digest", "reason"),
    [
        ("sha256:", "not a digest"),
        ("sha256:" + "A" * 64, "not a digest"),
        ("sha256:" + "a" * 63, "not a digest"),
        ("sha512:" + "a" * 128, "algorithm"),
        (":" + "a" * 64, "not a digest"),
    ],
)
def test_what_is_no_digest_is_refused(digest: str, reason: str) -> None:
    with pytest.raises(DigestInvalid, match=reason):
        checked_digest(digest)


def dependencies(*parts: str) -> tuple[str, ...]:
    return DynamicRequest.parse("/".join(["conda-store-dynamic", *parts])).dependencies


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        (["python"], ["python"]),
        (["python.lt.3.12", "numpy.gt.1.0"], ["numpy>1.0", "python<3.12"]),
        (["python.le.3.12"], ["python<=3.12"]),
        (["python.ge.3.10", "python.lt.3.12"], ["python<3.12,>=3.10"]),
        (["python.eq.3.11.7"], ["python==3.11.7"]),
        (["python.3.11"], ["python=3.11.*"]),
        (["python.3.11", "python.ge.3.11.4", "python"], ["python=3.11.*,>=3.11.4"]),
        (["python", "python", "numpy"], ["numpy", "python"]),
        (["ruamel.yaml"], ["ruamel.yaml"]),
        (["ruamel.yaml.0.18"], ["ruamel.yaml=0.18.*"]),
        (["ruamel.yaml.ge.0.18"], ["ruamel.yaml>=0.18"]),
        (["x--5flibgcc_mutex.eq.0.1"], ["_libgcc_mutex==0.1"]),
        (["scikit-learn.gt.1"], ["scikit-learn>1"]),
        (["pkg.ge.1--212.0--2blocal"], ["pkg>=1!2.0+local"]),
        (["odd--2e2.ge.1"], ["odd.2>=1"]),
        (["tzdata.eq.2024a"], ["tzdata==2024a"]),
        (["gt.gt.1"], ["gt>1"]),
    ],
)
def test_requests_are_read_as_documented(parts: list[str], wanted: list[str]) -> None:
    assert list(dependencies(*parts)) == wanted
    # What is promised to the solver is what it reads.
    assert [matchspec_fault(text) for text in wanted] == [None] * len(wanted)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["python.lt"], r"no version follows '.lt'"),
        (["python.ge.3.10.lt.3.12"], r"write python\.ge\.3\.10/python\.lt\.3\.12\."),
        (["python.3.10.lt.3.12"], r"write python\.3\.10/python\.lt\.3\.12\."),
        (["x--20--20"], "is not the name of a package"),
        (["python.ge.3--2a"], "is not a version"),
        (["python.3--2c--3c4"], "is not a version"),
        (["a--5b"], "is not the name of a package"),
        (["x--3a--3aa"], "is not the name of a package"),
        (["x--2dr"], "is not the name of a package"),
        (["python--0aversion"], "is not the name of a package"),
        (["Python"], "lower-case"),
        (["python.lt.3.12", ""], "not part of a repository name"),
        (["a"] * (MAX_REQUIREMENTS + 1), "are the most"),
        (["a" * 250], "255"),
    ],
)
def test_a_malformed_request_names_the_part_and_the_way_out(parts: list[str], message: str) -> None:
    with pytest.raises(NameInvalid, match=message):
        dependencies(*parts)


@pytest.mark.parametrize("name", ["conda-store-dynamic", "default/python", "conda-store-dynamics/python"])
def test_other_repositories_are_no_requests(name: str) -> None:
    with pytest.raises(NameInvalid, match="names no packages"):
        DynamicRequest.parse(name)


package = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?", fullmatch=True)
version = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}", fullmatch=True)
word = st.sampled_from(["", ".", ".lt.", ".le.", ".gt.", ".ge.", ".eq."])
part = st.builds(lambda name, op, number: f"{name}{op}{number}" if op else name, package, word, version)
requests = st.lists(part, min_size=1, max_size=6)


@given(requests, st.randoms())
def test_order_and_repetition_mean_nothing(parts: list[str], random: object) -> None:
    mixed = [*parts, parts[0]]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    first, second = (DynamicRequest.parse("/".join(["conda-store-dynamic", *some])) for some in (parts, mixed))
    assert first == second and hash(first) == hash(second)
    assert first.repository == second.repository


@given(requests, requests)
def test_different_requests_have_different_repositories(one: list[str], other: list[str]) -> None:
    first, second = (DynamicRequest.parse("/".join(["conda-store-dynamic", *some])) for some in (one, other))
    assert (first.repository == second.repository) == (first.dependencies == second.dependencies)


@given(requests)
def test_the_environment_of_a_request_is_one(parts: list[str]) -> None:
    request = DynamicRequest.parse("/".join(["conda-store-dynamic", *parts]))
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+=@~-]{0,79}", request.environment)
    assert split_repository(request.repository) == ("conda-store-dynamic", request.environment)
