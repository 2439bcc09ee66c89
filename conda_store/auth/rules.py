"""Why somebody may do something. A rule gives a grant to a subject: to everyone, a user, a group, those who belong to
a namespace. Pure: where rules come from is `bindings.py` (configuration) and the managers (namespaces, mappings).

The rights of a caller and the answer to "who can see this?" are two readings of the same rules, `rights` and
`covering`, so they cannot disagree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from conda_store.auth.permissions import RANKS, Grant, Identity, matches


class Subject(StrEnum):
    """To whom a rule applies; all but the first two go by a name."""

    EVERYONE = "everyone"
    SIGNED_IN = "signed in"
    USER = "user"
    OWNER = "owner"  # the user whose own namespace it is
    GROUP = "group"
    MEMBERS = "members"  # of an entity, a pattern `namespace/environment`
    TOKEN = "token"  # noqa: S105  only in answers: a token has its own grants


@dataclass(frozen=True)
class Rule:
    """A grant, who has it, and why (for people). `is_home`: who has it belongs to what it covers, whatever the role."""

    subject: Subject
    name: str
    grant: Grant
    why: str
    is_home: bool = False

    def includes(self, identity: Identity, homes: Iterable[str] = ()) -> bool:
        """Whether it applies to a caller who belongs to what the patterns `homes` cover."""
        match self.subject:
            case Subject.EVERYONE:
                return True
            case Subject.SIGNED_IN:
                return identity.name is not None
            case Subject.USER:
                return identity.name == self.name
            case Subject.OWNER:
                return identity.has_namespace and identity.name == self.name
            case Subject.GROUP:
                return identity.name is not None and self.name in identity.groups
            case Subject.MEMBERS:
                return identity.name is not None and any(matches(home, self.name) for home in homes)
        return False

    @property
    def makes_member(self) -> bool:
        """Whether those whom it includes belong to what it covers."""
        personal = self.subject in (Subject.USER, Subject.OWNER, Subject.GROUP)
        return personal and (self.is_home or _works_with(self.grant))


def rights(identity: Identity, rules: Iterable[Rule]) -> tuple[Grant, ...]:
    """All that `rules` give to a caller, with what they had before; what another grant includes is left out.

    What belonging to one namespace gives in another one makes nobody belong there: shares are not passed on.
    """
    return reduced([*identity.grants, *(rule.grant for rule in applying(identity, rules))])


def applying(identity: Identity, rules: Iterable[Rule]) -> list[Rule]:
    """Those of the rules that give something to a caller."""
    given = tuple(rules)
    homes = {grant.pattern for grant in identity.grants if _works_with(grant)}
    homes |= {rule.grant.pattern for rule in given if rule.makes_member and rule.includes(identity)}
    return [rule for rule in given if rule.includes(identity, homes)]


def covering(rules: Iterable[Rule], namespace: str, environment: str = "*") -> list[Rule]:
    """The rules that give something on an environment, or with `*` on all of a namespace."""
    return [rule for rule in rules if rule.grant.covers(namespace, environment)]


def reduced(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """The same rights without grants that another one includes, sorted."""
    highest: dict[str, Grant] = {}
    for grant in grants:
        known = highest.get(grant.pattern)
        if known is None or _rank(known) < _rank(grant):
            highest[grant.pattern] = grant
    wider: defaultdict[str, list[Grant]] = defaultdict(list)
    for grant in highest.values():
        wider["*" if "*" in _namespace(grant) else _namespace(grant)].append(grant)
    found = [
        grant
        for grant in highest.values()
        if not any(_includes(other, grant) for place in {_namespace(grant), "*"} for other in wider.get(place, ()))
    ]
    return tuple(sorted(found, key=lambda grant: grant.pattern))


def _includes(wide: Grant, narrow: Grant) -> bool:
    """Of two patterns that cover each other (`**` and `*`) the smaller one stays."""
    if wide is narrow or _rank(wide) < _rank(narrow) or not matches(wide.pattern, narrow.pattern):
        return False
    twins = matches(narrow.pattern, wide.pattern) and _rank(wide) == _rank(narrow)
    return not twins or wide.pattern < narrow.pattern


def _works_with(grant: Grant) -> bool:
    return _rank(grant) >= RANKS.index("developer")


def _rank(grant: Grant) -> int:
    return RANKS.index(grant.role)


def _namespace(grant: Grant) -> str:
    return grant.pattern.partition("/")[0]
