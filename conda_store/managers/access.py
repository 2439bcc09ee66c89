"""Who can see something: the rules and tokens that decide it, read from the other side."""

from __future__ import annotations

from conda_store import models
from conda_store.auth.permissions import RANKS, Grant, Identity
from conda_store.auth.rules import Rule, Subject
from conda_store.db import Database
from conda_store.managers.environments import live_environment
from conda_store.managers.rights import RightsManager
from conda_store.managers.role_mappings import live_namespace
from conda_store.managers.tokens import OwnTokens

_CONFIGURED = "configured (c.ServiceTokens.tokens)"


class AccessManager:
    """Tells what the engine would decide, and why. Without `name` it is about all of a namespace."""

    def __init__(self, database: Database, rights: RightsManager, own_tokens: OwnTokens) -> None:
        self.database, self.rights, self.own_tokens = database, rights, own_tokens

    def people(self, namespace: str, name: str | None = None) -> list[models.Access]:
        """Rules about people. Raises `NamespaceNotFound`, `EnvironmentNotFound`."""
        with self.database.read() as session:
            if name is None:
                live_namespace(session, namespace)
            else:
                live_environment(session, namespace, name)
        return [_shown(rule) for rule in self.rights.rules_on(namespace, name or "*")]

    def own(self, identity: Identity) -> list[models.Access]:
        """Every reason for which a caller has a role somewhere, by place."""
        found = [_shown(rule) for rule in self.rights.reasons(identity)]
        return sorted(found, key=lambda one: (one.pattern, one.role))

    async def tokens(self, namespace: str, name: str | None = None) -> list[models.Access]:
        """Tokens that count, each with the highest role that it gives here at this moment."""
        found = []
        for token, identity in await self.own_tokens.covering(namespace, name or "*"):
            if grant := _highest(identity, namespace, name or "*"):
                found.append(_shown(Rule(Subject.TOKEN, token.name, grant, f"token {token.id}"), identity.name))
        for service in self.own_tokens.manager.services.tokens:
            if grant := _highest(service.identity, namespace, name or "*"):
                found.append(_shown(Rule(Subject.TOKEN, service.name, grant, _CONFIGURED), service.identity.name))
        return found


def _highest(identity: Identity, namespace: str, name: str) -> Grant | None:
    """Of what gives something here the highest role."""
    here = [grant for grant in identity.grants if grant.covers(namespace, name)]
    return max(here, key=lambda one: RANKS.index(one.role), default=None)


def _shown(rule: Rule, owner: str | None = None) -> models.Access:
    return models.Access(
        subject=rule.subject.value,
        name=rule.name or None,
        owner=owner,
        role=rule.grant.role,
        pattern=rule.grant.pattern,
        reason=rule.why,
    )
