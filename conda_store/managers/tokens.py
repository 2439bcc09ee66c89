"""Tokens that people make for their programs: made, listed, revoked, and recognized."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from conda_store import inputs, models
from conda_store.audit import Action
from conda_store.auth.base import Authenticator
from conda_store.auth.callers import Rights
from conda_store.auth.permissions import Grant, Identity, common, covers_all
from conda_store.auth.service_tokens import SERVICE_PREFIX, Services
from conda_store.auth.tokens import fingerprint, new_secret
from conda_store.db import Database
from conda_store.db.audit import record
from conda_store.db.orm import TokenRow
from conda_store.errors import BadInput, CondaStoreError
from conda_store.managers.watching import Watcher

#: How long a token lives when its maker does not say.
DEFAULT_LIFETIME = timedelta(days=1)
# How exactly it is known when a token was used last: each look would otherwise cost a write.
_USED_EVERY = timedelta(minutes=5)
_PROOF = "token:"
_EVERYTHING = Grant("*/*", "admin")


class TokenNotFound(CondaStoreError):
    """No such token, or somebody else's."""

    status = 404
    code = "token_not_found"


class TokenConfigured(CondaStoreError):
    """A token that the configuration gives, and only the configuration takes away."""

    status = 409
    code = "token_configured"


class TokenManager:
    """Tokens in the database, which holds no secret, and those of `services`, which are configured."""

    def __init__(self, database: Database, services: Services) -> None:
        self.database, self.services = database, services
        self._configured = {models.LARGEST_ID - place: one for place, one in enumerate(services.tokens)}
        self._opened_on = datetime.now(UTC)

    def create(self, identity: Identity, asked: inputs.NewToken) -> models.NewTokenAnswer:
        """A token with a part of the caller's rights and time; the only moment at which its secret is known.

        Raises `BadInput` for more than the caller has, a malformed pattern, an unknown role or a time that is over.
        """
        grants = _wanted_grants(identity, asked.role_bindings)
        secret, now = new_secret(), datetime.now(UTC)
        row = TokenRow(
            secret_sha256=fingerprint(secret),
            name=asked.name,
            owner=identity.name or "",
            primary_namespace=asked.primary_namespace or identity.primary_namespace,
            grants=_by_pattern(grants),
            created_on=now,
            expires_on=_wanted_end(identity, asked.expiration, now),
        )
        with self.database.write() as session:
            session.add(row)
            session.flush()
            record(session, identity.actor, Action.TOKEN_CREATED, **_told(row))
            return models.NewTokenAnswer(token=secret, id=row.id)

    def list(self, identity: Identity) -> list[models.Token]:
        """The caller's own tokens that are not revoked, the newest first, and configured ones for administrators."""
        query = select(TokenRow).where(TokenRow.owner == identity.name, TokenRow.revoked_on.is_(None))
        with self.database.read() as session:
            own = [_shown(row) for row in session.scalars(query.order_by(TokenRow.id.desc()))]
        return [*own, *(self._services() if covers_all(identity.grants, _EVERYTHING) else ())]

    def _services(self) -> Iterator[models.Token]:
        for token_id, one in self._configured.items():
            yield models.Token(
                id=token_id,
                name=one.identity.name or "",
                primary_namespace=one.primary_namespace,
                role_bindings=one.role_bindings,
                created_on=self._opened_on,
                expiration=None,
                last_used_on=None,
                configured=True,
            )

    def revoke(self, identity: Identity, token_id: int) -> None:
        """Let a token of the caller's count no longer. Raises `TokenNotFound`, `TokenConfigured`."""
        if (service := self._configured.get(token_id)) and covers_all(identity.grants, _EVERYTHING):
            raise TokenConfigured(
                f"The token of the service '{service.name}' is configured: take it out of c.ServiceTokens.tokens, and "
                "start the server again."
            )
        with self.database.write() as session:
            row = session.get(TokenRow, token_id)
            if row is None or row.owner != identity.name or row.revoked_on is not None:
                raise TokenNotFound(f"You have no token {token_id}.")
            row.revoked_on = datetime.now(UTC)
            record(session, identity.actor, Action.TOKEN_REVOKED, **_told(row))

    def covering(self, namespace: str, environment: str) -> tuple[tuple[models.Token, Identity], ...]:
        """Tokens that count and were given something on an environment (`*`: on all of a namespace), each with what it
        gives at most; the oldest first."""
        query = select(TokenRow).where(TokenRow.revoked_on.is_(None), _lasting())
        with self.database.read() as session:
            rows = session.scalars(query.order_by(TokenRow.id)).all()
        found = [(_shown(row), _identity_of(row)) for row in rows]
        return tuple(pair for pair in found if any(one.covers(namespace, environment) for one in pair[1].grants))

    def find_by_secret(self, secret: str) -> Identity | None:
        """What a token gives at most, in its owner's name; None for one that counts for nothing."""
        return self._find(TokenRow.secret_sha256 == fingerprint(secret))

    def find_by_proof(self, proof: str) -> Identity | None:
        """The same by what stands for a token in a registry token."""
        number = proof.removeprefix(_PROOF)
        if not proof.startswith(_PROOF) or not number.isdigit():
            return None
        return self._find(TokenRow.id == int(number))

    def _find(self, wanted: ColumnElement[bool]) -> Identity | None:
        now = datetime.now(UTC)
        with self.database.read() as session:
            row = session.scalar(select(TokenRow).where(wanted, TokenRow.revoked_on.is_(None)))
        if row is None or (row.expires_on is not None and row.expires_on <= now):
            return None
        if row.last_used_on is None or row.last_used_on + _USED_EVERY < now:
            with self.database.write() as session:
                _note_use(session, row.id, now)
        return _identity_of(row)


class OwnTokens:
    """Recognizes conda-store's own tokens (`auth.callers.TokenFinder`): each gives no more than its owner has now."""

    def __init__(self, manager: TokenManager, watcher: Watcher, authenticator: Authenticator, rights: Rights) -> None:
        self.manager, self.watcher, self.authenticator, self.rights = manager, watcher, authenticator, rights

    async def by_secret(self, secret: str) -> Identity | None:
        """Whose token this is; None when it is nobody's, or no longer."""
        return await self._limited(await self.watcher.call(self.manager.find_by_secret, secret))

    async def by_proof(self, proof: str) -> Identity | None:
        """The same by `Identity.proof`."""
        return await self._limited(await self.watcher.call(self.manager.find_by_proof, proof))

    async def covering(self, namespace: str, environment: str) -> list[tuple[models.Token, Identity]]:
        """Tokens whose owners have something to give on an environment (`*`: on all of a namespace)."""
        tokens = await self.watcher.call(self.manager.covering, namespace, environment)
        limited = [(token, await self._limited(identity)) for token, identity in tokens]
        return [(token, identity) for token, identity in limited if identity is not None]

    async def _limited(self, token: Identity | None) -> Identity | None:
        if token is None or not token.name:
            return None
        owner = self.manager.services.by_name(token.name) or await self._person(token.name)
        return None if owner is None else replace(token, grants=common(token.grants, owner.grants))

    async def _person(self, name: str) -> Identity | None:
        found = None if name.startswith(SERVICE_PREFIX) else await self.authenticator.by_name(name)
        return None if found is None else await self.rights.complete(found)


def _lasting() -> ColumnElement[bool]:
    return or_(TokenRow.expires_on.is_(None), TokenRow.expires_on > datetime.now(UTC))


def _identity_of(row: TokenRow) -> Identity:
    return Identity(
        name=row.owner,
        grants=_grants_of(row.grants),
        primary_namespace=row.primary_namespace,
        expiration=row.expires_on,
        proof=f"{_PROOF}{row.id}",
    )


def _note_use(session: Session, token_id: int, now: datetime) -> None:
    row = session.get(TokenRow, token_id)
    if row is not None:
        row.last_used_on = now


def _wanted_grants(identity: Identity, bindings: Mapping[str, list[str]] | None) -> tuple[Grant, ...]:
    if bindings is None:
        return identity.grants
    wanted = [Grant(pattern, role) for pattern, roles in bindings.items() for role in roles]
    for grant in wanted:
        if not covers_all(identity.grants, grant):
            raise BadInput(
                f"A token cannot have more rights than its maker: you are not {grant.role} of '{grant.pattern}'."
            )
    return tuple(wanted)


def _wanted_end(identity: Identity, asked: datetime | None, now: datetime) -> datetime:
    own = identity.expiration
    if asked is None:
        end = now + DEFAULT_LIFETIME
        return min(end, own) if own else end
    asked = asked if asked.tzinfo else asked.replace(tzinfo=UTC)
    if asked <= now:
        raise BadInput(f"The expiration {asked.isoformat()} is over already.")
    if own is not None and asked > own:
        raise BadInput(f"A token cannot outlive its maker's own credential, which ends at {own.isoformat()}.")
    return asked


def _by_pattern(grants: tuple[Grant, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for grant in grants:
        found.setdefault(grant.pattern, []).append(grant.role)
    return found


def _grants_of(bindings: Mapping[str, list[str]]) -> tuple[Grant, ...]:
    return tuple(Grant(pattern, role) for pattern, roles in bindings.items() for role in roles)


def _told(row: TokenRow) -> dict[str, Any]:
    """What the audit trail says of a token."""
    ends = row.expires_on.isoformat() if row.expires_on else None
    return {"id": row.id, "name": row.name, "role_bindings": row.grants, "expiration": ends}


def _shown(row: TokenRow) -> models.Token:
    return models.Token(
        id=row.id,
        name=row.name,
        primary_namespace=row.primary_namespace,
        role_bindings=row.grants,
        created_on=row.created_on,
        expiration=row.expires_on,
        last_used_on=row.last_used_on,
    )
