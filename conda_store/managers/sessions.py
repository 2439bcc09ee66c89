"""Browsers that people signed in with: begun, ended, and recognized. One mechanism for every authenticator.

The cookie holds a secret, the table its sha256, and sealed what the authenticator needs to ask again who it is.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update

from conda_store.auth.base import Authenticator, SignedIn
from conda_store.auth.permissions import Identity
from conda_store.auth.sealing import Sealer
from conda_store.auth.tokens import fingerprint
from conda_store.db import Database
from conda_store.db.orm import SessionRow
from conda_store.managers.watching import Watcher


@dataclass(frozen=True)
class OpenSession:
    """A session that counts: who signed in, and with what the authenticator recognizes them."""

    name: str
    credential: str


class SessionManager:
    """Sessions in the database, which holds neither the cookies' secrets nor any credential in clear text."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self.database, self.sealer = database, sealer

    def begin(self, who: SignedIn, lifetime: timedelta) -> str:
        """A new session; returns the secret for its cookie. Those that are over are removed."""
        secret, now = secrets.token_urlsafe(32), datetime.now(UTC)
        row = SessionRow(
            secret_sha256=fingerprint(secret),
            name=who.identity.name or "",
            credential=self.sealer.seal(who.credential) if who.credential else "",
            created_on=now,
            expires_on=now + lifetime,
        )
        with self.database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_on <= now))
            session.add(row)
        return secret

    def find(self, secret: str) -> OpenSession | None:
        """The session of a cookie; None when there is none, or it is over."""
        now = datetime.now(UTC)
        wanted = SessionRow.secret_sha256 == fingerprint(secret)
        with self.database.read() as session:
            row = session.scalar(
                select(SessionRow).where(wanted, SessionRow.ended_on.is_(None), SessionRow.expires_on > now)
            )
        if row is None:
            return None
        # Sealed with another secret: the file was replaced, and everybody signs in again.
        credential = self.sealer.open(row.credential) if row.credential else ""
        return None if credential is None else OpenSession(row.name, credential)

    def end(self, secret: str) -> None:
        """Let a session count no longer, and keep nothing that it was recognized by."""
        ended = update(SessionRow).where(SessionRow.secret_sha256 == fingerprint(secret), SessionRow.ended_on.is_(None))
        with self.database.write() as session:
            session.execute(ended.values(ended_on=datetime.now(UTC), credential=""))


class OpenSessions:
    """Recognizes sessions (`auth.callers.SessionFinder`); the authenticator has the last word on each."""

    def __init__(self, manager: SessionManager, watcher: Watcher, authenticator: Authenticator) -> None:
        self.manager, self.watcher, self.authenticator = manager, watcher, authenticator

    async def by_secret(self, secret: str) -> Identity | None:
        """Whose session this is; None when it is nobody's, or no longer."""
        found = await self.watcher.call(self.manager.find, secret)
        who = await self.authenticator.by_session(found.name, found.credential) if found is not None else None
        # A cookie is no proof that a request was meant: another site's page can make a browser send it.
        return None if who is None else replace(who, proof="")
