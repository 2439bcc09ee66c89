"""The engine against a naive model: patterns, roles, rules about people, and the lists of the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets import TraitError
from traitlets.config import Config

from conda_store.auth.bindings import Bindings, RoleBindings
from conda_store.auth.permissions import PERMISSIONS, RANKS, ROLES, Grant, Identity, matches
from conda_store.auth.rules import Rule, Subject, covering, reduced, rights
from conda_store.db import Database, lists
from conda_store.db.orm import EnvironmentRow, NamespaceRow
from tests.postgres_server import PostgresServer

# Everything that regular expressions, globs, LIKE and SQL give a meaning, and capitals.
ALPHABET = "aAb.+@%_[]^$?\\ö'-"
NAMESPACES = ["a", "A", "ab", "a.b", "axb", "a+b", "aab", "a@b", "a%", "a_b", "[ab]", "a\\b", "ö", "a'b", "^a$", "a?"]
NAMES = ["a", "A", "b.a", "b+a", "a_b", "a-b", "b"]

names = st.text(ALPHABET, min_size=1, max_size=4)
parts = st.text(f"{ALPHABET}**", min_size=1, max_size=4) | st.sampled_from([*NAMESPACES, *NAMES, "*", "a*", "*b", "**"])
patterns = st.builds("{}/{}".format, parts, parts)
grants = st.builds(Grant, patterns, st.sampled_from(sorted(ROLES)))
some_grants = st.lists(grants, max_size=5)


def covers(pattern: str, entity: str) -> bool:
    """The model: a star is any text without a slash, every other character itself."""
    if not pattern:
        return not entity
    if pattern[0] != "*":
        return entity[:1] == pattern[0] and covers(pattern[1:], entity[1:])
    return covers(pattern[1:], entity) or (entity[:1] not in ("", "/") and covers(pattern, entity[1:]))


@given(patterns, parts, parts)
def test_a_pattern_covers_what_the_model_says(pattern: str, namespace: str, name: str) -> None:
    assert matches(pattern, f"{namespace}/{name}") is covers(pattern, f"{namespace}/{name}")


@given(some_grants, st.sampled_from(NAMESPACES), st.sampled_from([*NAMES, "*"]))
def test_who_may_what_is_what_the_model_says(some: list[Grant], namespace: str, name: str) -> None:
    who = Identity("x", tuple(some))
    for permission in PERMISSIONS:
        model = any(permission in ROLES[one.role] and covers(one.pattern, f"{namespace}/{name}") for one in some)
        assert who.may(permission, namespace, name) is model


@given(some_grants, names, names | st.just("*"))
def test_leaving_out_what_is_included_changes_no_answer(some: list[Grant], namespace: str, name: str) -> None:
    before, after = Identity("x", tuple(some)), Identity("x", reduced(some))
    assert len(after.grants) <= len({one.pattern for one in some})
    for role in ROLES:
        (telling, *_) = sorted(ROLES[role] - frozenset().union(*(ROLES[one] for one in RANKS[: RANKS.index(role)])))
        assert before.may(telling, namespace, name) is after.may(telling, namespace, name)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Every name of an environment in every namespace."""
    url = f"sqlite:///{tmp_path_factory.mktemp('permissions') / 'database'}"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.new_database()
    database = Database(url)
    database.create_or_upgrade()
    now = datetime.now(UTC)
    with database.write() as session:
        for name in NAMESPACES:
            place = NamespaceRow(name=name, kind="shared", metadata_={}, created_on=now)
            session.add_all(EnvironmentRow(namespace=place, name=one, description="", created_on=now) for one in NAMES)
    yield database
    database.close()


@given(some=some_grants)
def test_lists_show_exactly_what_may_be_read(database: Database, some: list[Grant]) -> None:
    who = Identity("x", tuple(some))
    query = lists.environments(lists.EnvironmentFilters(visible=who.patterns("environment::read")))
    with database.read() as session:
        seen = {(row.namespace.name, row.name) for row in session.scalars(query)}
        spaces = set(session.scalars(lists.namespaces(who.patterns("namespace::read")).with_only_columns(_NAME)))
    assert seen == {(one, name) for one in NAMESPACES for name in NAMES if who.may("environment::read", one, name)}
    assert spaces == {one for one in NAMESPACES if who.may("namespace::read", one)}


_NAME = NamespaceRow.name


def test_thousands_of_patterns_are_no_matter(database: Database) -> None:
    many = [f"group-{number}/*" for number in range(5000)] + [f"a/{number}" for number in range(5000)] + ["a.b/*"]
    with database.read() as session:
        query = lists.environments(lists.EnvironmentFilters(visible=many))
        assert {row.namespace.name for row in session.scalars(query)} == {"a.b"}
        assert [row.name for row in session.scalars(lists.namespaces(many))] == ["a.b"]


subjects = st.sampled_from(sorted(set(Subject) - {Subject.TOKEN}))
people = st.builds(
    Identity,
    name=st.none() | st.sampled_from(["a", "A", "a.b"]),
    grants=st.lists(grants, max_size=2).map(tuple),
    groups=st.lists(st.sampled_from(["a", "ab", "a+b"]), max_size=2).map(tuple),
    has_namespace=st.booleans(),
)
rules = st.lists(
    st.builds(Rule, subjects, st.sampled_from(["a", "A", "ab", "a.b", "a+b"]) | patterns, grants, st.just("so")),
    max_size=6,
)


@given(people, rules, st.sampled_from(NAMESPACES), st.sampled_from([*NAMES, "*"]))
def test_who_can_see_it_is_who_may(who: Identity, given_rules: list[Rule], namespace: str, name: str) -> None:
    """Reading rules by what they cover and reading them by whom they include gives one answer."""
    completed = Identity(who.name, rights(who, given_rules))
    told = covering(given_rules, namespace, name)
    own = any(one.covers(namespace, name) for one in who.grants)
    homes = {one.pattern for one in who.grants if one.role != "viewer"} | {
        one.grant.pattern for one in given_rules if one.makes_member and one.includes(who)
    }
    applies = any(rule.includes(who, homes) for rule in told)
    assert completed.may("environment::read", namespace, name) is (own or applies)


def shared(entity: str, place: str = "course/*") -> Rule:
    return Rule(Subject.MEMBERS, entity, Grant(place, "viewer"), "shared")


@pytest.mark.parametrize(
    ("who", "entity", "belongs"),
    [
        (Identity("ana", (Grant("lab/*", "developer"),)), "lab/*", True),
        (Identity("ana", (Grant("lab/*", "viewer"),)), "lab/*", False),
        (Identity("ana", (Grant("lab/x", "admin"),)), "lab/*", False),
        (Identity("ana", (Grant("lab/x", "admin"),)), "lab/x", True),
        (Identity("ana", (Grant("lab/*", "admin"),)), "lab/x", True),
        (Identity("ana", (Grant("l*/*", "developer"),)), "l*/*", True),
        (Identity("ana", (Grant("lab/*", "developer"),)), "l*/*", False),
        (Identity("ana", ()), "default/*", False),
        (Identity(None, ()), "default/*", False),
        (Identity("ana", (), groups=("lab",)), "lab/*", True),
        (Identity("lab", ()), "lab/*", False),
    ],
)
def test_who_belongs_to_an_entity(who: Identity, entity: str, belongs: bool) -> None:
    general = [
        Rule(Subject.SIGNED_IN, "", Grant("default/*", "admin"), "for all"),
        Rule(Subject.GROUP, "lab", Grant("lab/*", "viewer"), "group", is_home=True),
    ]
    completed = Identity(who.name, rights(who, [*general, shared(entity)]))
    assert completed.may("environment::read", "course", "x") is belongs


def test_what_is_shared_is_not_passed_on() -> None:
    chain = [shared("lab/*", "course/*"), shared("course/*", "far/*")]
    chain = [Rule(one.subject, one.name, Grant(one.grant.pattern, "admin"), one.why) for one in chain]
    found = rights(Identity("ana", (Grant("lab/*", "admin"),)), chain)
    assert found == (Grant("course/*", "admin"), Grant("lab/*", "admin"))


def test_nobody_is_an_administrator_by_default() -> None:
    bindings = RoleBindings().bindings()
    for who in (Identity(None, ()), Identity("admin", (), groups=("admin", "wheel"))):
        assert not Identity(who.name, rights(who, bindings.rules)).may_somewhere("build::delete")
    assert bindings.own_role == "admin" and bindings.group_role == "developer"


def test_the_configuration_names_administrators_and_roles() -> None:
    options = {
        "admin_users": ["ana"],
        "admin_groups": ["wheel"],
        "users": {"bob": {"course-*/*": "editor"}},
        "groups": {"lab": {"course/a": ["viewer", "admin"]}},
        "anonymous": {},
    }
    found = RoleBindings(config=Config(RoleBindings=options)).bindings().rules

    def of(name: str | None, *groups: str) -> dict[str, list[str]]:
        return Identity(name, rights(Identity(name, (), groups=groups), found)).entity_roles()

    every = {"default/*": ["viewer"], "filesystem/*": ["viewer"]}
    assert of(None) == of(None, "wheel") == {}
    assert of("ana") == of("x", "wheel") == {"*/*": ["admin"]}
    assert of("bob") == {**every, "course-*/*": ["developer"]}
    assert of("Bob") == every and of("x", "lab") == {**every, "course/a": ["admin"]}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("anonymous", {"default": "viewer"}),
        ("identified", {"default/*": "king"}),
        ("users", {"ana": {"a/b/c": "viewer"}}),
        ("groups", {"lab": "viewer"}),
        ("own_namespace", "king"),
    ],
)
def test_a_binding_that_cannot_be_names_its_option(option: str, value: object) -> None:
    with pytest.raises(TraitError, match=option):
        RoleBindings(config=Config(RoleBindings={option: value})).bindings()


def test_groups_may_be_called_otherwise_than_their_namespaces() -> None:
    bindings = Bindings(group_namespaces={"/data/ml": "data-ml", "old": "new"})
    assert bindings.namespace_of("/data/ml") == "data-ml" and bindings.namespace_of("lab") == "lab"
    assert bindings.groups_of("data-ml") == ["/data/ml", "data-ml"]
    assert bindings.groups_of("old") == [] and bindings.groups_of("new") == ["new", "old"]
