"""The audit trail: asked for, and kept for as long as it shall be. What changes something writes it (`db.audit`)."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from conda_store.audit import AuditEntry, AuditQuery
from conda_store.auth.permissions import Identity
from conda_store.db import Database, audit
from conda_store.db.lists import Order
from conda_store.db.orm import AuditRow
from conda_store.errors import CondaStoreError
from conda_store.managers.paging import page_of
from conda_store.managers.watching import Watcher
from conda_store.models import Page

log = logging.getLogger(__name__)

_EVERY_SECONDS = 3600.0


class AuditManager:
    """What administrators may ask of the trail; rows older than `days` are removed, with 0 none."""

    def __init__(self, database: Database, days: float = 0) -> None:
        self.database, self.days = database, days

    def page(self, identity: Identity, asked: AuditQuery, most: int) -> Page[AuditEntry]:
        """A page of what was done to that which the caller administers, the newest first."""
        filters = audit.AuditFilters(
            visible=identity.patterns("namespace::update"),
            namespace=asked.namespace,
            environment=asked.environment,
            actor=asked.actor,
            action=asked.action,
            build_id=asked.build_id,
            since=asked.since,
            until=asked.until,
        )
        order = Order((), AuditRow.id, descending=(asked.order or "").lower() != "asc")
        with self.database.read() as session:
            return page_of(session, audit.entries(filters), order, asked, most, entry_of)

    def prune(self) -> int:
        """Remove what is too old; returns how many rows it was. Several processes may do so."""
        before, removed = datetime.now(UTC) - timedelta(days=self.days), 0
        while self.days and self._is_older(before):
            with self.database.write() as session:
                removed += audit.prune(session, before)
        return removed

    async def tend(self, watcher: Watcher) -> None:
        """Do that now and every hour."""
        while self.days:
            try:
                await watcher.run(self.prune)
            except CondaStoreError as error:
                log.warning("Old rows of the audit trail were not removed: %s", error)
            await asyncio.sleep(_EVERY_SECONDS)

    def _is_older(self, before: datetime) -> bool:
        # A look is cheap, while each write wakes every process.
        with self.database.read() as session:
            return audit.is_older(session, before)


def entry_of(row: AuditRow) -> AuditEntry:
    """A row as it is shown."""
    details = dict(row.details)
    return AuditEntry(
        id=row.id,
        time=row.time,
        actor=row.actor,
        by=str(details.pop("by", "")),
        address=row.address,
        action=row.action,
        namespace=row.namespace or None,
        environment=row.environment or None,
        build_id=row.build_id,
        details=details,
    )
