"""Secrets that conda-store gives out: tokens for programs, and the registry's own short-lived ones.

A token's secret is shown once, when it is made; what is kept is its sha256. A registry token is a JWT (RFC 7519, HS256)
as distribution's "Token Authentication Implementation" describes it: it says which repositories may be pulled, and
names the token that it was got with, so that the rights behind it can be looked at again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import jwt

#: How a conda-store token begins: nobody else's does, and a scanner that looks for lost secrets finds it.
PREFIX = "cst_"
REGISTRY_TOKEN_SECONDS = 300
#: What a registry token is for (`service` of a challenge).
SERVICE = "conda-store"

_ISSUER = "conda-store"
_ALGORITHM = "HS256"
_CACHED = 1024


def new_secret() -> str:
    """A token that nobody can guess: 256 random bits."""
    return f"{PREFIX}{secrets.token_urlsafe(32)}"


def fingerprint(secret: str) -> str:
    """What is kept of a token: 64 hex digits that do not give it away, since it has more randomness than these."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class RegistryToken:
    """What a registry token says: `proof` names the token behind it ("" for nobody's), `expires` is in Unix seconds."""

    proof: str
    repositories: frozenset[str]
    expires: float


@dataclass(frozen=True)
class IssuedToken:
    """A registry token as text."""

    text: str
    issued_on: datetime
    expires_in_seconds: int = REGISTRY_TOKEN_SECONDS


class RegistryTokens:
    """Makes and reads registry tokens, signed with a key that is derived from the server's `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.new(secret, b"registry tokens", hashlib.sha256).digest()
        # A pull shows the same token with each of its requests, and only the time changes what it says.
        self._read = lru_cache(_CACHED)(self._verified)

    def issue(self, proof: str, subject: str, repositories: Iterable[str], now: datetime | None = None) -> IssuedToken:
        """A token that may pull `repositories`, for `subject` (a name, "" for nobody's)."""
        issued = (now or datetime.now(UTC)).replace(microsecond=0)
        claims = {
            "iss": _ISSUER,
            "aud": SERVICE,
            "sub": subject,
            "iat": issued,
            "nbf": issued,
            "exp": issued + timedelta(seconds=REGISTRY_TOKEN_SECONDS),
            "jti": secrets.token_hex(8),
            "access": [{"type": "repository", "name": name, "actions": ["pull"]} for name in repositories],
            "proof": proof,
        }
        return IssuedToken(jwt.encode(claims, self._key, _ALGORITHM), issued)

    def read(self, text: str) -> RegistryToken | None:
        """What a token says; None for one that is not ours, was changed, or has expired."""
        token = self._read(text)
        return token if token is not None and token.expires > time.time() else None

    def _verified(self, text: str) -> RegistryToken | None:
        try:
            claims = jwt.decode(text, self._key, [_ALGORITHM], audience=SERVICE, issuer=_ISSUER)
            names = frozenset(str(one["name"]) for one in claims["access"])
            return RegistryToken(str(claims["proof"]), names, float(claims["exp"]))
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            return None

    @staticmethod
    def is_like(text: str) -> bool:
        """Whether a text has the form of a registry token."""
        return text.startswith("eyJ") and text.count(".") == 2
