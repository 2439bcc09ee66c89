"""One local administrator: for a server on one's own machine, and for tests."""

from __future__ import annotations

import hmac

from traitlets import Unicode

from conda_store.auth.base import Authenticator, SignedIn, refuse_unless_loopback
from conda_store.auth.permissions import Grant, Identity
from conda_store.auth.rules import Rule, Subject
from conda_store.auth.tokens import fingerprint
from conda_store.secret_options import SecretText

_ANYWHERE = (Grant("*/*", "admin"),)


class DummyAuthenticator(Authenticator):
    """Without `token` everyone who reaches the server is the administrator; with it, whoever shows it."""

    username = Unicode(
        "admin",
        help="Name of the one administrator, shown on pages and recorded with each build. Any text.",
    ).tag(config=True)
    token = SecretText(
        "",
        help="Secret that proves who the administrator is: as 'Authorization: Bearer …', as the password of Basic, or "
        "on the login page. Empty by default: then no proof is asked for, and the server only listens on loopback, "
        "since whoever reaches it may do everything. Example: c.DummyAuthenticator.token = open('/run/token').read()",
    ).tag(config=True)

    async def by_secret(self, secret: str) -> Identity | None:
        return self._administrator(proof=self._proof) if self.token and self._is_mine(secret) else None

    async def by_proof(self, proof: str) -> Identity | None:
        return self._administrator(proof=proof) if self.token and hmac.compare_digest(proof, self._proof) else None

    async def by_name(self, name: str) -> Identity | None:
        return self._administrator() if name == self.username else None

    async def by_password(self, name: str, password: str) -> SignedIn | None:
        is_right = name == self.username and self._is_mine(password)
        return SignedIn(self._administrator(), self._proof) if is_right else None

    async def by_session(self, name: str, credential: str) -> Identity | None:
        # Who signed in with a token that was changed since then signs in again.
        return await self.by_name(name) if hmac.compare_digest(credential, self._proof) else None

    def without_credentials(self) -> Identity:
        if not self.token:
            return self._administrator()
        return Identity(name=None, grants=())

    def standing_rules(self) -> tuple[Rule, ...]:
        subject = Subject.USER if self.token else Subject.EVERYONE
        return (Rule(subject, self.username if self.token else "", *_ANYWHERE, "administrator of this server"),)

    def check_address(self, address: str) -> None:
        if not self.token:
            refuse_unless_loopback(
                address, "Set c.DummyAuthenticator.token to a secret, or listen on 127.0.0.1 (--address)."
            )

    def _is_mine(self, token: str) -> bool:
        return hmac.compare_digest(token.strip().encode("utf-8", "replace"), self.token.strip().encode())

    @property
    def _proof(self) -> str:
        """Another one after the token was changed."""
        return f"dummy:{fingerprint(self.token)}"

    def _administrator(self, *, proof: str = "") -> Identity:
        return Identity(self.username, _ANYWHERE, proof=proof, has_namespace=False)
