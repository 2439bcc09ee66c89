"""What happened in a build, as server-sent events (HTML standard, 9.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC

from sqlalchemy import select

from conda_store.builds.artifact_states import ArtifactState
from conda_store.builds.states import ENDED
from conda_store.db import Database
from conda_store.db.orm import ArtifactRow, BuildRow, EventRow
from conda_store.db.queries import list_events

_MOST_EVENTS = 1000
_UNFINISHED = (ArtifactState.WAITING, ArtifactState.MAKING)


@dataclass(frozen=True)
class EventPage:
    """Events in order, each with its number; `whole` when no more are there, `ended` when no more will come."""

    events: tuple[tuple[int, bytes], ...]
    whole: bool
    ended: bool


def read_events(database: Database, build_id: int, after: int) -> EventPage:
    """The events of a build with numbers above `after`."""
    with database.read() as session:
        rows = list_events(session, build_id, after, _MOST_EVENTS)
        build = session.get(BuildRow, build_id)
        unfinished = select(ArtifactRow.id).where(ArtifactRow.build_id == build_id, ArtifactRow.state.in_(_UNFINISHED))
        settled = session.scalar(unfinished.limit(1)) is None
    # Artifacts follow in the same job: until it gives its lease back, more may come.
    ended = build is None or (build.status in ENDED and settled and build.lease is None)
    events = tuple((row.number, _event_text(row)) for row in rows)
    return EventPage(events, whole=len(rows) < _MOST_EVENTS, ended=ended)


def _event_text(row: EventRow) -> bytes:
    time = row.time.astimezone(UTC).replace(tzinfo=None).isoformat()
    data = json.dumps({**row.data, "time": time}, separators=(",", ":"))
    return f"id: {row.number}\nevent: {row.kind}\ndata: {data}\n\n".encode()
