"""What a caller may do by their name, their groups and what namespaces share: for every authenticator alike.

At first sight of a person the namespaces that are theirs are made: a user's own one, and one for each group.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import lru_cache, partial

from cachetools import TTLCache
from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.audit import SERVER
from conda_store.auth.bindings import Bindings
from conda_store.auth.permissions import Grant, Identity
from conda_store.auth.rules import Rule, Subject, applying, covering, rights
from conda_store.db import Database
from conda_store.db.errors import repeated
from conda_store.db.orm import NamespaceRow, RoleMappingRow
from conda_store.errors import BadInput
from conda_store.managers.namespaces import RESERVED, Kind, checked_name, ensure_namespace
from conda_store.managers.watching import Watcher

log = logging.getLogger(__name__)

_SAID = "given where people sign in"
_CACHED = 4096
# As long as it is kept who somebody is; what is changed in this process counts at once.
_CACHE_SECONDS = 30.0


class RightsManager:
    """Rules about people. `standing` are those of the authenticator, which are only told: it gives them itself."""

    def __init__(self, database: Database, bindings: Bindings, standing: tuple[Rule, ...] = ()) -> None:
        self.database, self.bindings, self.standing = database, bindings, standing
        self._told: set[tuple[str, Kind]] = set()
        # Each request of the registry asks what anybody may do, and only the configuration changes that.
        self.of_nobody = lru_cache(16)(self._of_nobody)

    def complete(self, identity: Identity) -> Identity:
        """A caller whom an authenticator knows, with all their rights; makes the namespaces that are theirs."""
        if identity.name is None:
            return self.of_nobody(identity)
        wanted = self._wanted(identity)
        with self.database.read() as session:
            kinds = _kinds(session, wanted)
            shared = mapping_rules(session)
        if missing := {name: kind for name, kind in wanted.items() if name not in kinds}:
            kinds |= repeated(partial(self._make, missing))
        self._tell(wanted, kinds)
        homes = [rule for name, kind in kinds.items() for rule in self._home_rules(name, kind)]
        grants = rights(identity, [*self.bindings.rules, *homes, *shared])
        return replace(identity, grants=grants, primary_namespace=_primary(identity, kinds, grants))

    def reasons(self, identity: Identity) -> list[Rule]:
        """The rules that give something to a caller with all their rights, and what the authenticator gives besides."""
        wanted = self._wanted(identity)
        with self.database.read() as session:
            kinds, shared = _kinds(session, wanted), mapping_rules(session)
        homes = [rule for name, kind in kinds.items() for rule in self._home_rules(name, kind)]
        # Without their grants: what is shared with a namespace is given to those who belong there by a rule.
        found = applying(replace(identity, grants=()), [*self.bindings.rules, *homes, *shared])
        explained = {rule.grant for rule in found}
        said = [grant for grant in identity.grants if grant not in explained]
        return [*found, *(Rule(Subject.USER, identity.name or "", grant, _SAID) for grant in said)]

    def _of_nobody(self, identity: Identity) -> Identity:
        """The same for whoever shows nothing: asks no database."""
        return replace(identity, grants=rights(identity, self.bindings.rules))

    def rules_on(self, namespace: str, environment: str = "*") -> list[Rule]:
        """All rules that give something on an environment, or with `*` on all of a namespace."""
        with self.database.read() as session:
            kinds = _kinds(session, {namespace: Kind.SHARED})
            shared = mapping_rules(session, namespace)
        homes = [rule for name, kind in kinds.items() for rule in self._home_rules(name, kind)]
        return covering([*self.standing, *self.bindings.rules, *homes, *shared], namespace, environment)

    def _wanted(self, identity: Identity) -> dict[str, Kind]:
        """The namespaces that are a person's, if they can have them; of a user and a group of one name the user's."""
        groups = identity.groups if self.bindings.group_role else ()
        found = {self.bindings.namespace_of(group): Kind.GROUP for group in groups}
        if self.bindings.own_role and identity.has_namespace and identity.name:
            found[identity.name] = Kind.USER
        return {name: kind for name, kind in found.items() if self._is_possible(name, kind)}

    def _is_possible(self, name: str, kind: Kind) -> bool:
        try:
            fault = f"The name '{name}' is reserved." if name in RESERVED else None
            checked_name(name)
        except BadInput as error:
            fault = error.message
        if fault is not None:
            self._warn(name, kind, fault)
        return fault is None

    def _make(self, missing: dict[str, Kind]) -> dict[str, Kind]:
        with self.database.write() as session:
            for name, kind in missing.items():
                ensure_namespace(session, SERVER, name, kind)
            return _kinds(session, missing)

    def _home_rules(self, namespace: str, kind: Kind) -> list[Rule]:
        """Who has a namespace by what it is: its user, or the members of its group."""
        pattern = f"{namespace}/*"
        if kind is Kind.USER and self.bindings.own_role:
            return [Rule(Subject.OWNER, namespace, Grant(pattern, self.bindings.own_role), "own namespace", True)]
        if kind is Kind.GROUP and self.bindings.group_role:
            grant, why = Grant(pattern, self.bindings.group_role), "namespace of the group"
            return [Rule(Subject.GROUP, group, grant, why, True) for group in self.bindings.groups_of(namespace)]
        return []

    def _tell(self, wanted: dict[str, Kind], kinds: dict[str, Kind]) -> None:
        for name, kind in wanted.items():
            if kinds.get(name, kind) is not kind:
                self._warn(name, kind, f"'{name}' is a {kinds[name]} namespace already.")

    def _warn(self, name: str, kind: Kind, fault: str) -> None:
        """Once: people come many times a day."""
        if (name, kind) not in self._told:
            self._told.add((name, kind))
            log.warning("The %s '%s' gets no namespace. %s", kind, name, fault)


class Rights:
    """The same for the event loop (`auth.callers.Rights`), kept for a while."""

    def __init__(self, manager: RightsManager, watcher: Watcher) -> None:
        self.manager, self.watcher = manager, watcher
        self._known: TTLCache[Identity, Identity] = TTLCache(_CACHED, _CACHE_SECONDS, time.monotonic)

    async def complete(self, identity: Identity) -> Identity:
        """A caller with all their rights."""
        if identity.name is None:
            return self.of_nobody(identity)
        person = replace(identity, proof="", expiration=None)
        found = self._known.get(person)
        if found is None:
            found = self._known[person] = await self.watcher.call(self.manager.complete, person)
        return replace(found, proof=identity.proof, expiration=identity.expiration)

    def of_nobody(self, identity: Identity) -> Identity:
        """Whoever shows nothing, with all their rights."""
        return self.manager.of_nobody(identity)

    def forget(self) -> None:
        """Look everybody up again."""
        self._known.clear()


def mapping_rules(session: Session, namespace: str | None = None) -> list[Rule]:
    """What namespaces share, or one of them."""
    query = select(NamespaceRow.name, RoleMappingRow.entity, RoleMappingRow.role)
    query = query.join(RoleMappingRow, RoleMappingRow.namespace_id == NamespaceRow.id)
    query = query.where(NamespaceRow.deleted_on.is_(None))
    if namespace is not None:
        query = query.where(NamespaceRow.name == namespace)
    rows = session.execute(query.order_by(RoleMappingRow.id)).all()
    return [
        Rule(Subject.MEMBERS, entity, Grant(f"{name}/*", role), f"the namespace '{name}' is shared with '{entity}'")
        for name, entity, role in rows
    ]


def _kinds(session: Session, names: dict[str, Kind]) -> dict[str, Kind]:
    """What the namespaces among `names` are that exist."""
    query = select(NamespaceRow.name, NamespaceRow.kind)
    rows = session.execute(query.where(NamespaceRow.name.in_(names), NamespaceRow.deleted_on.is_(None))).all()
    return {name: Kind(kind) for name, kind in rows}


def _primary(identity: Identity, kinds: dict[str, Kind], grants: tuple[Grant, ...]) -> str:
    """A person's own namespace where there is one, else what the authenticator says."""
    if identity.has_namespace and identity.name and kinds.get(identity.name) is Kind.USER:
        return identity.name
    return "default" if identity.primary_namespace == identity.name else identity.primary_namespace
