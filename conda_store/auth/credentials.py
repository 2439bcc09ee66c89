"""Where the proof of a caller stands in a request: a header or the session cookie."""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256

SESSION_COOKIE = "conda-store-auth"


def header_secret(authorization: str) -> str | None:
    """The token of `Bearer` and `token`, or the password of `Basic` (RFC 6750, RFC 7617); None for anything else."""
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() in {"bearer", "token"}:
        return value.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (password or user) if colon else None


def form_token(secret: bytes, session: str) -> str:
    """What our own forms carry: another site can send a form here, but not read what stands in ours.

    It belongs to the session whose cookie this is, "" for none.
    """
    return hmac.new(secret, f"form:{session}".encode(), sha256).hexdigest()


def is_form_token(secret: bytes, session: str, token: str) -> bool:
    """Whether a form came from one of our pages in this session."""
    return hmac.compare_digest(form_token(secret, session).encode(), token.encode("utf-8", "replace"))
