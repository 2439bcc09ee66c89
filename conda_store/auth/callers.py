"""Who a request comes from: by a conda-store token, by what the authenticator knows, or by a session.

Answers are kept for a while, since every pull of a layer asks again. What was revoked counts here no longer than that.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Protocol

from cachetools import TTLCache

from conda_store.auth.base import Authenticator
from conda_store.auth.credentials import header_secret
from conda_store.auth.permissions import Identity
from conda_store.auth.tokens import PREFIX

#: Seconds for which a token that was revoked elsewhere may still count.
CACHE_SECONDS = 30
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


class Callers:
    """Finds out who calls."""

    def __init__(
        self, authenticator: Authenticator, tokens: TokenFinder, rights: Rights, seconds: float = CACHE_SECONDS
    ) -> None:
        self.authenticator, self.tokens, self.rights = authenticator, tokens, rights
        self._known: TTLCache[tuple[str, str], Identity] = TTLCache(_CACHED, seconds, time.monotonic)

    async def identify(self, authorization: str | None, session: str | None) -> Identity:
        """The caller of a request by its `Authorization` header, else by the name in its session.

        A wrong or expired proof counts as none, and the identity remembers that it was there.
        """
        found: Identity | None = None
        if authorization is not None:
            secret = header_secret(authorization)
            found = await self.by_secret(secret) if secret else None
        elif session is not None:
            found = await self.authenticator.by_name(session)
            found = found and await self.rights.complete(found)
        if found is not None:
            return found
        shown = authorization is not None or session is not None
        return replace(self.nobody(), credentials_invalid=shown)

    async def by_secret(self, secret: str) -> Identity | None:
        """Whose token this is; None when it is nobody's, or no longer."""
        return await self._find("secret", secret, self.tokens if secret.startswith(PREFIX) else self.authenticator)

    async def by_proof(self, proof: str) -> Identity | None:
        """The caller whose `Identity.proof` this was; "" is whoever shows nothing."""
        if not proof:
            return self.nobody()
        found = await self._find("proof", proof, self.tokens)
        return found or await self._find("proof", proof, self.authenticator)

    def forget(self) -> None:
        """Look everybody up again: a token was revoked, a namespace or mapping changed."""
        self._known.clear()
        self.rights.forget()

    def nobody(self) -> Identity:
        """Whoever shows nothing."""
        return self.rights.of_nobody(self.authenticator.without_credentials())

    async def _find(self, kind: str, value: str, finder: TokenFinder | Authenticator) -> Identity | None:
        found = self._known.get((kind, value))
        if found is None:
            find = finder.by_secret if kind == "secret" else finder.by_proof
            found = await find(value)
            if found is not None and finder is self.authenticator:
                # A token has no more than it was given.
                found = await self.rights.complete(found)
            if found is not None:
                self._known[kind, value] = found
        return found if found is None or not found.has_expired else None
