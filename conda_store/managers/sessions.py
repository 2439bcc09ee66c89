"""Browsers that people signed in with: begun, ended, and recognized. One mechanism for every authenticator.

The cookie holds a secret, the table its sha256, and sealed what the authenticator needs to ask again who it is.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select

from conda_store.audit import Action, Actor
from conda_store.auth.base import Authenticator, SignedIn
from conda_store.auth.permissions import Identity
from conda_store.auth.tokens import fingerprint
from conda_store.db import Database
from conda_store.db.audit import record
from conda_store.db.orm import SessionRow
from conda_store.managers.watching import Watcher
from conda_store.sealing import Sealer

_MINUTE = 60.0


@dataclass(frozen=True)
class OpenSession:
    """A session that counts: who signed in, and with what the authenticator recognizes them."""

    name: str
    credential: str


class Refusals:
    """How many refused sign-ins are noted in a minute: strangers could fill a disk with them otherwise."""

    def __init__(self, most: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self._clock = most, clock
        self._begun, self._noted, self._left_out = -math.inf, 0, 0
        self._lock = threading.Lock()

    def admit(self) -> int | None:
        """How many were left out since the last that was noted; None for one that is left out too."""
        with self._lock:
            if self._clock() - self._begun >= _MINUTE:
                self._begun, self._noted = self._clock(), 0
            if self._noted >= self.most:
                self._left_out += 1
                return None
            self._noted += 1
            left_out, self._left_out = self._left_out, 0
            return left_out


class SessionManager:
    """Sessions in the database, which holds neither the cookies' secrets nor any credential in clear text."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self.database, self.sealer = database, sealer
        self._refusals = Refusals()

    def begin(self, who: SignedIn, lifetime: timedelta, address: str) -> str:
        """A new session of a browser at `address`; returns the secret for its cookie. Old ones are removed."""
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
            record(session, Actor.of(row.name, "", address), Action.SIGNED_IN)
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

    def end(self, secret: str, address: str) -> None:
        """Let a session count no longer, and keep nothing that it was recognized by."""
        wanted = (SessionRow.secret_sha256 == fingerprint(secret), SessionRow.ended_on.is_(None))
        with self.database.write() as session:
            row = session.scalar(select(SessionRow).where(*wanted))
            if row is not None:
                row.ended_on, row.credential = datetime.now(UTC), ""
                record(session, Actor.of(row.name, "", address), Action.SIGNED_OUT)

    def refuse(self, address: str, name: str | None = None) -> None:
        """Somebody at `address`, who says to be `name`, was not let in: noted, unless that happens all the time."""
        left_out = self._refusals.admit()
        if left_out is not None:
            with self.database.write() as session:
                actor = Actor.of(None, "", address)
                record(session, actor, Action.SIGN_IN_REFUSED, name=name, left_out_before=left_out or None)


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
