"""Who a request comes from: by a conda-store token, by what the authenticator knows, or by a session.

Answers are kept for a while, since every pull of a layer asks again. What was revoked counts here no longer than that.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from cachetools import TTLCache

from conda_store.auth.base import Authenticator
from conda_store.auth.credentials import header_secret
from conda_store.auth.permissions import Identity, common
from conda_store.auth.rules import reduced
from conda_store.auth.service_tokens import SERVICE_PREFIX, Services
from conda_store.auth.tokens import PREFIX

_CACHED = 4096


class TokenFinder(Protocol):
    """Knows the tokens that conda-store gave out."""

    async def by_secret(self, secret: str) -> Identity | None:
        """Whose token this is, with the rights of the token; None when it is nobody's, or no longer."""

    async def by_proof(self, proof: str) -> Identity | None:
        """The same by `Identity.proof`."""


class Rights(Protocol):
    """Knows what people may do whom an authenticator knows."""

    async def complete(self, identity: Identity) -> Identity:
        """The same caller with all that configuration, namespaces and mappings give."""

    def of_nobody(self, identity: Identity) -> Identity:
        """The same at once, for whoever shows nothing."""

    def forget(self) -> None:
        """Look again: a namespace or mapping was changed."""


class SessionFinder(Protocol):
    """Knows the browsers that people signed in with."""

    async def by_secret(self, secret: str) -> Identity | None:
        """Whose session a cookie belongs to; None when it is nobody's, or no longer."""


class Callers:
    """Finds out who calls."""

    def __init__(
        self,
        authenticator: Authenticator,
        tokens: TokenFinder,
        sessions: SessionFinder,
        rights: Rights,
        services: Services,
    ) -> None:
        self.authenticator, self.tokens, self.sessions, self.rights = authenticator, tokens, sessions, rights
        self.services = services
        seconds = authenticator.cache_seconds
        self._known: TTLCache[tuple[str, str], Identity] = TTLCache(_CACHED, seconds, time.monotonic)

    async def identify(self, authorization: str | None, session: str | None) -> Identity:
        """The caller of a request by its `Authorization` header, else by the cookie of its session.

        A wrong or expired proof counts as none, and the identity remembers that it was there.
        """
        found: Identity | None = None
        if authorization is not None:
            secret = header_secret(authorization)
            found = await self.by_secret(secret) if secret else None
        elif session is not None:
            found = await self._find("session", session, self._by_session)
        if found is not None:
            return found
        shown = authorization is not None or session is not None
        return replace(self.nobody(), credentials_invalid=shown)

    async def by_secret(self, secret: str) -> Identity | None:
        """Whose token this is; None when it is nobody's, or no longer."""
        find = self.tokens.by_secret if secret.startswith(PREFIX) else self._by_secret
        return self.services.by_secret(secret) or await self._find("secret", secret, find)

    async def by_proof(self, proof: str) -> Identity | None:
        """The caller whose `Identity.proof` this was; "" is whoever shows nothing."""
        if not proof:
            return self.nobody()
        found = self.services.by_proof(proof) or await self._find("proof", proof, self.tokens.by_proof)
        return found or await self._find("proof", proof, self._by_proof)

    def forget(self) -> None:
        """Look everybody up again: a token was revoked, a session ended, a namespace or mapping changed."""
        self._known.clear()
        self.rights.forget()

    def nobody(self) -> Identity:
        """Whoever shows nothing."""
        return self.rights.of_nobody(self.authenticator.without_credentials())

    async def _find(self, kind: str, value: str, find: Callable[[str], Awaitable[Identity | None]]) -> Identity | None:
        found = self._known.get((kind, value))
        if found is None:
            found = await find(value)
            if found is not None:
                self._known[kind, value] = found
        return found if found is None or not found.has_expired else None

    # Whom the authenticator knows has more than it says, by configuration and namespaces; a token of ours has not.
    async def _by_secret(self, secret: str) -> Identity | None:
        return await self._completed(await self.authenticator.by_secret(secret))

    async def _by_proof(self, proof: str) -> Identity | None:
        return await self._completed(await self.authenticator.by_proof(proof))

    async def _by_session(self, secret: str) -> Identity | None:
        return await self._completed(await self.sessions.by_secret(secret))

    async def _completed(self, found: Identity | None) -> Identity | None:
        if found is None or (found.name or "").startswith(SERVICE_PREFIX):
            return None
        whole = await self.rights.complete(found)
        return whole if whole.most is None else replace(whole, grants=reduced(common(whole.grants, whole.most)))
