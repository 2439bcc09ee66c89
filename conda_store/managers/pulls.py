"""When images on demand were pulled last, and which of them nobody has pulled for so long that they go."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from cachetools import TTLCache
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from conda_store.builds.publishing import withdraw_all_images
from conda_store.db import Database
from conda_store.db.orm import BuildRow, ManifestRow, TagRow
from conda_store.registry.dynamic import DynamicRequest
from conda_store.registry.names import DYNAMIC, LATEST

# Seconds between two notes about one image: each is a write, and a day more or less does not matter.
_NOTED_EVERY = 3600.0
_REMEMBERED = 10_000
# So many at once go: whoever asks for a new image waits for it.
_MOST_AT_ONCE = 20


class Pulls:
    """Notes pulls in the database, each image's at most once an hour for each process."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._noted: TTLCache[str, bool] = TTLCache(_REMEMBERED, _NOTED_EVERY, time.monotonic)

    def is_due(self, name: str) -> bool:
        """Whether a pull from the repository `name` is worth a note; False for the hour after it was."""
        if name in self._noted:
            return False
        self._noted[name] = True
        return True

    def note(self, name: str) -> None:
        """An image was pulled from the repository `name`, as a request spells it."""
        stored = DynamicRequest.parse(name).repository
        manifests = (ManifestRow.repository == stored, ManifestRow.media_type != "")
        with self.database.write() as session:
            session.execute(update(ManifestRow).where(*manifests).values(last_pulled_on=datetime.now(UTC)))


def withdraw_unused(session: Session, before: datetime) -> list[str]:
    """Serve no longer what was made on demand and neither made nor pulled since `before`; returns the repositories."""
    pulled = exists().where(ManifestRow.repository == TagRow.repository, ManifestRow.last_pulled_on >= before)
    query = select(TagRow.repository, BuildRow).join(BuildRow, BuildRow.id == TagRow.build_id)
    unused = (TagRow.repository.startswith(f"{DYNAMIC}/"), TagRow.tag == LATEST, BuildRow.ended_on < before, ~pulled)
    found = session.execute(query.where(*unused).limit(_MOST_AT_ONCE)).all()
    for repository, build in found:
        withdraw_all_images(session, repository)
        build.deleted_on = datetime.now(UTC)
    return [repository for repository, _ in found]
