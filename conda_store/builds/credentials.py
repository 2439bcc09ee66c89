"""Credentials of channels in the database: encrypted with a key that is not there, and decrypted where a build runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from conda_store.db.orm import ChannelCredentialRow
from conda_store.errors import CondaStoreError
from conda_store.packages.credentials import Credential, Credentials
from conda_store.sealing import Sealer

_PURPOSE = "channel credentials"


class CredentialUnreadable(CondaStoreError):
    """What was encrypted with another secret file."""

    status = 409
    code = "credential_unreadable"


def lock_away(session: Session, namespace_id: int, credential: Credential, secret: bytes) -> None:
    """Keep a credential, instead of one that the channel had."""
    text = Sealer(secret, _PURPOSE).seal(json.dumps(credential.as_dict()))
    key = {"namespace_id": namespace_id, "channel": credential.channel}
    session.merge(ChannelCredentialRow(**key, secret=text, changed_on=datetime.now(UTC)))


def read_credentials(session: Session, namespace_id: int, secret_file: Path | None) -> Credentials:
    """Those of a namespace. Raises `CredentialUnreadable` when the secret in `secret_file` is not the one it was."""
    rows = session.scalars(select(ChannelCredentialRow).where(ChannelCredentialRow.namespace_id == namespace_id)).all()
    if not rows or secret_file is None:
        return Credentials()
    sealer = Sealer(secret_file.read_bytes(), _PURPOSE)
    return Credentials(tuple(_read(sealer, row) for row in rows))


def forget_all(session: Session, namespace_id: int) -> None:
    """A namespace is deleted: whoever makes one of the same name gets nothing of it."""
    session.execute(delete(ChannelCredentialRow).where(ChannelCredentialRow.namespace_id == namespace_id))


def _read(sealer: Sealer, row: ChannelCredentialRow) -> Credential:
    text = sealer.open(row.secret)
    if text is None:
        raise CredentialUnreadable(
            f"The credentials of the channel '{row.channel}' cannot be read, since the server's secret file was "
            "replaced: set them again."
        )
    return Credential.read(row.channel, json.loads(text))
