"""Who may do what: a pure table. Who somebody is, is decided by an authenticator.

A grant binds a pattern `namespace/environment` to a role. In a pattern `*` is the only wildcard and stands for any
text without `/`; every other character is meant literally, in its own case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product

from conda_store.audit import Actor
from conda_store.errors import BadInput, CondaStoreError

_VIEWER = frozenset({"environment::read", "namespace::read", "namespace-role-mapping::read"})
_DEVELOPER = _VIEWER | {
    "environment:create",  # one colon: so it has always been spelled
    "environment::update",
    "environment::solve",
    "build::cancel",
    "setting::read",
}
_ADMIN = _DEVELOPER | {
    "environment::delete",
    "build::delete",
    "namespace::create",
    "namespace::update",
    "namespace::delete",
    "namespace-role-mapping::create",
    "namespace-role-mapping::update",
    "namespace-role-mapping::delete",
    "setting::update",
}
ROLES = {"viewer": _VIEWER, "developer": _DEVELOPER, "admin": _ADMIN}
PERMISSIONS = _ADMIN
#: Each role has all that those before it have.
RANKS = tuple(ROLES)
#: The primary namespace of whoever has none: the setting default_namespace says which one that is.
NO_HOME = "default"
_SYNONYMS = {"editor": "developer"}


class PermissionDenied(CondaStoreError):
    """The caller may not do this; it reads alike whether the thing exists or not."""

    status = 403
    code = "permission_denied"


class CredentialsInvalid(PermissionDenied):
    """Not allowed, and the credential that came along is wrong or has expired."""

    code = "credentials_invalid"
    #: The name of whoever proved to be somebody, and is not let in.
    who: str | None = None


@dataclass(frozen=True)
class Grant:
    """A role on everything that a pattern matches. Raises `BadInput` for an unknown role or a malformed pattern."""

    pattern: str
    role: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", _SYNONYMS.get(self.role, self.role))
        if self.role not in ROLES:
            raise BadInput(f"'{self.role[:40]}' is no role: choose viewer, developer or admin.")
        if self.pattern.count("/") != 1 or not all(self.pattern.split("/")):
            raise BadInput(f"'{self.pattern[:100]}' is no pattern: write namespace/environment, with * for any.")

    def covers(self, namespace: str, environment: str) -> bool:
        """Whether the pattern matches an environment; `*` as a name asks for all of a namespace."""
        return matches(self.pattern, f"{namespace}/{environment}")


@dataclass(frozen=True)
class Identity:
    """A caller. `proof` names the token that a request carried, "" where there was none: a session, or nothing.

    `name` is None for somebody unknown; `credentials_invalid` for somebody whose proof counted for nothing.
    `groups` are those of a person. Without `has_namespace` (a service, the operator of the machine) no namespace is
    their own. `most` is what a credential was narrowed to, None for one that was not; it gives nothing by itself.
    `address` is where a request came from.
    """

    name: str | None
    grants: tuple[Grant, ...]
    primary_namespace: str = NO_HOME
    expiration: datetime | None = None
    proof: str = ""
    credentials_invalid: bool = False
    groups: tuple[str, ...] = ()
    has_namespace: bool = True
    most: tuple[Grant, ...] | None = None
    address: str = ""

    @property
    def actor(self) -> Actor:
        """The caller as the audit trail names them."""
        return Actor.of(self.name, self.proof, self.address)

    @property
    def by_token(self) -> bool:
        """Whether the request carried the proof itself, so that no other site can have sent it."""
        return bool(self.proof)

    @property
    def has_expired(self) -> bool:
        """Whether its time is over."""
        return self.expiration is not None and self.expiration <= datetime.now(UTC)

    def may(self, permission: str, namespace: str, environment: str = "*") -> bool:
        """Whether a grant gives `permission` on an environment, or with `*` on all of a namespace."""
        return any(permission in ROLES[grant.role] and grant.covers(namespace, environment) for grant in self.grants)

    def may_somewhere(self, permission: str) -> bool:
        """Whether there is anything at all on which the caller has `permission`."""
        return any(permission in ROLES[grant.role] for grant in self.grants)

    def patterns(self, permission: str) -> tuple[str, ...]:
        """Patterns of everything on which the caller has `permission`, sorted."""
        return tuple(sorted({grant.pattern for grant in self.grants if permission in ROLES[grant.role]}))

    def require(self, permission: str, namespace: str, environment: str = "*") -> None:
        """Raises `PermissionDenied` unless the caller has `permission` there."""
        if not self.may(permission, namespace, environment):
            raise self.refusal(permission)

    def require_within(self, permission: str, namespace: str) -> None:
        """Raises `PermissionDenied` unless the caller has `permission` on something that a namespace may hold."""
        parts = (grant.pattern.split("/")[0] for grant in self.grants if permission in ROLES[grant.role])
        if not any(matches(part, namespace) for part in parts):
            raise self.refusal(permission)

    def require_name(self) -> None:
        """Raises `PermissionDenied` for a caller who is nobody."""
        if self.name is None:
            raise self.refusal("an account")

    def refusal(self, permission: str) -> PermissionDenied:
        """What to raise for want of `permission`."""
        if self.credentials_invalid:
            return CredentialsInvalid("The token or password is wrong or has expired: sign in again.")
        who = f"'{self.name}' has" if self.name else "Without signing in you have"
        return PermissionDenied(f"{who} no right to do this here (it takes {permission}).")

    def entity_roles(self) -> dict[str, list[str]]:
        """Roles by pattern, all sorted."""
        patterns = sorted({grant.pattern for grant in self.grants})
        return {one: sorted({grant.role for grant in self.grants if grant.pattern == one}) for one in patterns}

    def entity_permissions(self) -> dict[str, list[str]]:
        """Permissions by pattern, all sorted."""
        return {
            pattern: sorted(frozenset().union(*(ROLES[role] for role in roles)))
            for pattern, roles in self.entity_roles().items()
        }


def covers_all(grants: Iterable[Grant], wanted: Grant) -> bool:
    """Whether `grants` give everything that `wanted` would give, wherever it would."""
    have = [ROLES[grant.role] for grant in grants if matches(grant.pattern, wanted.pattern)]
    return ROLES[wanted.role] <= frozenset().union(*have)


def common(some: Iterable[Grant], others: Iterable[Grant]) -> tuple[Grant, ...]:
    """What both give. Where neither of two patterns lies within the other one, nothing: rather less than too much."""
    found = {
        Grant(narrow.pattern, min(one.role, other.role, key=RANKS.index))
        for one, other in product(some, tuple(others))
        for narrow, wide in ((one, other), (other, one))
        if matches(wide.pattern, narrow.pattern)
    }
    return tuple(sorted(found, key=lambda grant: (grant.pattern, grant.role)))


def matches(pattern: str, entity: str) -> bool:
    """Whether `pattern` covers `entity`; a `*` inside `entity` is covered by a `*` only."""
    return _compiled(pattern).fullmatch(entity) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def readable(patterns: Iterable[str], entities: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of (namespace, environment) that any of the patterns covers."""
    wanted = tuple(patterns)
    return [pair for pair in entities if any(matches(pattern, f"{pair[0]}/{pair[1]}") for pattern in wanted)]
