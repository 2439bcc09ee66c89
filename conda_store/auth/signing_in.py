"""A browser that is on its way through the pages of another site, where people sign in (OAuth 2: RFC 6749, RFC 7636).

What has to be remembered meanwhile travels in a cookie, sealed: so any process can take the answer, and only the
browser that began can bring it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import asdict, dataclass

from conda_store.sealing import Sealer

#: Seconds that somebody may take for it.
ATTEMPT_SECONDS = 600
COOKIE = "conda-store-login"


@dataclass(frozen=True)
class SigningIn:
    """`state` comes back with the answer, `verifier` proves that we asked; the answer goes to the URL `callback`, and
    the browser at last to `target`."""

    state: str
    verifier: str
    callback: str
    target: str

    @classmethod
    def begin(cls, callback: str, target: str) -> SigningIn:
        """A new one, which nobody can guess."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(48), callback, target)

    @property
    def challenge(self) -> str:
        """What is shown of `verifier` at first (RFC 7636, 4.2: S256)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    @property
    def cookie(self) -> str:
        """Name of its cookie: several tabs may be on their way at once."""
        return cookie_of(self.state)

    def sealed(self, sealer: Sealer) -> str:
        """Value of its cookie."""
        return sealer.seal(json.dumps(asdict(self)))


def cookie_of(state: str) -> str:
    """Name of the cookie of the attempt that `state` belongs to."""
    return f"{COOKIE}-{hashlib.sha256(state.encode('utf-8', 'replace')).hexdigest()[:12]}"


def find_attempt(sealer: Sealer, cookie: str | None, state: str) -> SigningIn | None:
    """The attempt that `cookie` holds; None unless it is the one of `state`, and not too old."""
    text = sealer.open(cookie, ATTEMPT_SECONDS) if cookie else None
    attempt = SigningIn(**json.loads(text)) if text is not None else None
    return attempt if attempt is not None and secrets.compare_digest(attempt.state.encode(), state.encode()) else None
