"""Roles that the configuration gives: to everyone, to users and groups by name, to the derived namespaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from traitlets import Dict, Enum, List, TraitError, Unicode, validate
from traitlets.config import Configurable

from conda_store.auth.permissions import ROLES, Grant
from conda_store.auth.rules import Rule, Subject
from conda_store.errors import BadInput

_EVERYTHING = Grant("*/*", "admin")
_ROLES = [None, *ROLES]


@dataclass(frozen=True)
class Bindings:
    """What the configuration says: its rules, and the roles that own and group namespaces give (None: there are none).

    `group_namespaces` says which namespace a group has where it is not called as the group.
    """

    rules: tuple[Rule, ...] = ()
    own_role: str | None = "admin"
    group_role: str | None = "developer"
    group_namespaces: Mapping[str, str] = field(default_factory=dict)

    def namespace_of(self, group: str) -> str:
        """The namespace of a group."""
        return self.group_namespaces.get(group, group)

    def groups_of(self, namespace: str) -> list[str]:
        """The groups whose namespace this is."""
        mapped = [group for group, place in self.group_namespaces.items() if place == namespace]
        return sorted({*mapped, *([] if namespace in self.group_namespaces else [namespace])})


class RoleBindings(Configurable):
    """Who has which role where, unless a namespace shares itself (docs/permissions.md)."""

    anonymous = Dict(
        default_value={"default/*": "viewer"},
        key_trait=Unicode(),
        help="Roles of everyone, signed in or not: pattern 'namespace/environment' → role (viewer, developer, admin), "
        "in which '*' is the only wildcard. The default shows the namespace 'default' to all who reach the server; {} "
        "shows nothing. Example: {'public/*': 'viewer'}",
    ).tag(config=True)
    identified = Dict(
        default_value={"default/*": "viewer", "filesystem/*": "viewer"},
        key_trait=Unicode(),
        help="Roles of everyone who has signed in, besides those of everyone: pattern → role. Example: {'global/*': "
        "'developer'}",
    ).tag(config=True)
    users = Dict(
        key_trait=Unicode(),
        help="Roles of users by name: name → pattern → role. Example: {'ana@lab.org': {'course-*/*': 'admin'}}",
    ).tag(config=True)
    groups = Dict(
        key_trait=Unicode(),
        help="Roles of groups by name: group → pattern → role. Example: {'teachers': {'default/*': 'developer'}}",
    ).tag(config=True)
    admin_users = List(
        Unicode(),
        help="Names of users who are administrators: they may do everything everywhere. Empty by default. Example: "
        "['ana']",
    ).tag(config=True)
    admin_groups = List(
        Unicode(), help="Groups whose members are administrators. Empty by default. Example: ['operators']"
    ).tag(config=True)
    own_namespace = Enum(
        _ROLES,
        "admin",
        allow_none=True,
        help="Role of users in the namespace that has their name; it is made when they first come. None: users have no "
        "namespace of their own.",
    ).tag(config=True)
    group_namespace = Enum(
        _ROLES,
        "developer",
        allow_none=True,
        help="Role of the members of a group in the namespace that has its name; it is made when the first of them "
        "comes. None: groups have no namespaces.",
    ).tag(config=True)
    group_namespaces = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Namespaces of groups that are not called as the group, since a name may not hold '/', '*' or ':': group "
        "→ namespace. Example: {'/data/ml': 'data-ml'}",
    ).tag(config=True)

    @validate("anonymous", "identified")
    def _known_roles(self, proposal: Any) -> Any:
        _check(proposal["trait"].name, proposal["value"])
        return proposal["value"]

    @validate("users", "groups")
    def _known_roles_by_name(self, proposal: Any) -> Any:
        for patterns in proposal["value"].values():
            _check(proposal["trait"].name, patterns)
        return proposal["value"]

    def bindings(self) -> Bindings:
        """The value of the options."""
        return Bindings(tuple(self._rules()), self.own_namespace, self.group_namespace, dict(self.group_namespaces))

    def _rules(self) -> Iterator[Rule]:
        for subject, name in ((Subject.EVERYONE, "anonymous"), (Subject.SIGNED_IN, "identified")):
            for grant in _grants(getattr(self, name)):
                yield Rule(subject, "", grant, _why(name))
        for subject, option in ((Subject.USER, "users"), (Subject.GROUP, "groups")):
            for name, patterns in getattr(self, option).items():
                yield from (Rule(subject, name, grant, _why(option)) for grant in _grants(patterns))
        for subject, option in ((Subject.USER, "admin_users"), (Subject.GROUP, "admin_groups")):
            yield from (Rule(subject, name, _EVERYTHING, _why(option)) for name in getattr(self, option))


def _why(option: str) -> str:
    return f"configured (c.RoleBindings.{option})"


def _grants(patterns: Mapping[str, str | list[str]]) -> list[Grant]:
    """`patterns` give a role, or a list of roles."""
    return [
        Grant(pattern, role)
        for pattern, roles in patterns.items()
        for role in ([roles] if isinstance(roles, str) else roles)
    ]


def _check(option: str, patterns: Any) -> None:
    try:
        _grants(patterns)
    except (BadInput, AttributeError, TypeError) as error:
        reason = error.message if isinstance(error, BadInput) else f"{patterns!r} is no pattern → role"
        raise TraitError(f"c.RoleBindings.{option}: {reason}") from error
