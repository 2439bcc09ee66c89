"""Credentials of a namespace's channels: set, taken away, listed; never shown."""

from __future__ import annotations

from sqlalchemy import delete, select

from conda_store import inputs, models
from conda_store.audit import Action, Actor
from conda_store.builds.credentials import lock_away
from conda_store.db import Database
from conda_store.db.audit import record
from conda_store.db.orm import ChannelCredentialRow
from conda_store.errors import CondaStoreError
from conda_store.managers.role_mappings import live_namespace
from conda_store.packages.channel_urls import channel_url
from conda_store.packages.credentials import Credential


class CredentialNotFound(CondaStoreError):
    """No credentials for a channel."""

    status = 404
    code = "credential_not_found"


class CredentialManager:
    """What namespaces have for private channels, encrypted with the server's `secret`."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self.database, self._secret = database, secret

    def list(self, namespace: str) -> list[models.ChannelCredential]:
        """For which channels there are credentials, and since when. Raises `NamespaceNotFound`."""
        with self.database.read() as session:
            own = ChannelCredentialRow.namespace_id == live_namespace(session, namespace).id
            rows = session.scalars(select(ChannelCredentialRow).where(own).order_by(ChannelCredentialRow.channel))
            return [models.ChannelCredential(channel=row.channel, changed_on=row.changed_on) for row in rows]

    def put(self, actor: Actor, namespace: str, new: inputs.NewChannelCredential) -> None:
        """Set those of a channel. Raises `BadInput` for what cannot be, without showing it."""
        said = {"kind": new.kind, "user": new.user, "secret": new.secret.get_secret_value()}
        credential = Credential.read(new.channel, said)
        with self.database.write() as session:
            row = live_namespace(session, namespace)
            lock_away(session, row.id, credential, self._secret)
            record(session, actor, Action.CREDENTIAL_UPDATED, row, channel=credential.channel)

    def delete(self, actor: Actor, namespace: str, channel: str) -> None:
        """Forget those of a channel. Raises `CredentialNotFound`."""
        url = channel_url(channel)
        with self.database.write() as session:
            row = live_namespace(session, namespace)
            own = ChannelCredentialRow.namespace_id == row.id
            one = select(ChannelCredentialRow).where(own, ChannelCredentialRow.channel == url)
            if session.scalar(one) is None:
                raise CredentialNotFound(f"The namespace '{namespace}' has no credentials for the channel '{url}'.")
            session.execute(delete(ChannelCredentialRow).where(own, ChannelCredentialRow.channel == url))
            record(session, actor, Action.CREDENTIAL_DELETED, row, channel=url)
