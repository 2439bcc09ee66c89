"""What an authenticator was told of people when they last came: one text for each, sealed (`auth.visits.Memory`).

They are rows of the table of sessions which no cookie opens: a session's key is a sha256 in hex, theirs is none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.auth.tokens import fingerprint
from conda_store.db import Database
from conda_store.db.errors import repeated
from conda_store.db.orm import SessionRow
from conda_store.managers.watching import Watcher
from conda_store.sealing import Sealer

_MARK = "person:"
_KEY_CHARACTERS = 64


class AcquaintanceManager:
    """The texts in the database; those whose time is over go with the sessions (`SessionManager.begin`)."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self.database, self.sealer = database, sealer

    def find(self, name: str) -> str | None:
        """What is kept of somebody."""
        with self.database.read() as session:
            row = _row(session, name)
            return self._text(row) if row is not None and row.expires_on > datetime.now(UTC) else None

    def keep(self, name: str, text: str, lifetime: timedelta, instead_of: str | None) -> bool:
        """Keep `text`; with `instead_of` only when that is what is kept. Says whether it was."""
        return repeated(partial(self._keep, name, text, lifetime, instead_of))

    def _keep(self, name: str, text: str, lifetime: timedelta, instead_of: str | None) -> bool:
        now = datetime.now(UTC)
        with self.database.write() as session:
            row = _row(session, name, lock=True)
            if instead_of is not None and (row is None or self._text(row) != instead_of):
                return False
            if row is None:
                row = SessionRow(secret_sha256=_key(name), name=name, created_on=now)
                session.add(row)
            row.credential, row.expires_on = self.sealer.seal(text), now + lifetime
            return True

    def _text(self, row: SessionRow) -> str | None:
        return self.sealer.open(row.credential)


class Acquaintances:
    """The same for the event loop."""

    def __init__(self, manager: AcquaintanceManager, watcher: Watcher) -> None:
        self.manager, self.watcher = manager, watcher

    async def recall(self, name: str) -> str | None:
        """What was remembered of somebody."""
        return await self.watcher.call(self.manager.find, name)

    async def remember(self, name: str, text: str, seconds: float, instead_of: str | None = None) -> bool:
        """Keep `text` for so long."""
        return await self.watcher.call(self.manager.keep, name, text, timedelta(seconds=seconds), instead_of)


def _row(session: Session, name: str, *, lock: bool = False) -> SessionRow | None:
    # Where several may write at once (PostgreSQL) the row is locked; SQLite has one writer anyway.
    wanted = select(SessionRow).where(SessionRow.secret_sha256 == _key(name))
    return session.scalar(wanted.with_for_update() if lock else wanted)


def _key(name: str) -> str:
    return f"{_MARK}{fingerprint(name)}"[:_KEY_CHARACTERS]
