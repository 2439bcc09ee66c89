"""What happens in a build, as numbered rows: a worker anywhere writes them, any server streams them.

Data by kind: `log` {text: one line}; `progress` {stage, and any of: total, done, note, summary, seconds} (`seconds`
ends the stage); `status` {status, status_info}; `artifact` {artifact_type, state, size, reason}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from conda_store.builds.leases import Lease, StaleLease, find_held
from conda_store.db.orm import BuildRow, EventRow

Kind = Literal["log", "progress", "status", "artifact"]


@dataclass(frozen=True)
class Event:
    """Something to tell about a build."""

    kind: Kind
    data: dict[str, Any]
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


def log_lines(text: str) -> list[Event]:
    """A text as one event for each of its lines."""
    return [Event("log", {"text": line}) for line in text.splitlines() or [""]]


def add_events(session: Session, lease: Lease, events: Sequence[Event]) -> None:
    """Append to the build's events. Raises `StaleLease`; a build that is to be canceled may still say why."""
    build = find_held(session, lease)
    if build is None:
        raise StaleLease(f"Build {lease.build_id} was given to another worker, or has ended.")
    tell(session, build, events)


def tell(session: Session, build: BuildRow, events: Iterable[Event]) -> None:
    """Append events about a build that the transaction has locked."""
    last = session.scalar(select(func.max(EventRow.number)).where(EventRow.build_id == build.id)) or 0
    rows = [
        {
            "build_id": build.id,
            "number": number,
            "attempt": build.attempt,
            "time": event.time,
            "kind": event.kind,
            "data": event.data,
        }
        for number, event in enumerate(events, last + 1)
    ]
    if rows:
        session.execute(insert(EventRow), rows)


def log_text(session: Session, build_id: int) -> str:
    """All of a build's log so far; every line ends with a newline."""
    return "".join(f"{line}\n" for line in _lines(session, build_id))


def _lines(session: Session, build_id: int) -> Iterator[str]:
    wanted = select(EventRow.data).where(EventRow.build_id == build_id, EventRow.kind == "log")
    for data in session.scalars(wanted.order_by(EventRow.number)):
        yield str(data.get("text", ""))
