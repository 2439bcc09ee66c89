"""The audit trail: the one function that writes it, within the transaction of the change itself, and its questions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, and_, delete, select
from sqlalchemy.orm import Session

from conda_store.audit import ANONYMOUS, Action, Actor
from conda_store.db.lists import visible
from conda_store.db.orm import AuditRow, Base, BuildRow, EnvironmentRow, NamespaceRow

#: Characters that the details of a row have at most as JSON, and its names and addresses as the columns allow.
DETAILS, _NAME, _ADDRESS = 4000, 255, 64
# Longest text and most members in details, from what is kept when there is room down to what always fits.
_STEPS = ((500, 50), (100, 15), (20, 4))
_AT_ONCE = 1000
_INSERT = Base.metadata.tables[AuditRow.__tablename__].insert()

Subject = NamespaceRow | EnvironmentRow | BuildRow | None


@dataclass(frozen=True)
class AuditFilters:
    """What rows must be like; `visible` are patterns, `since` <= time < `until`."""

    visible: Sequence[str]
    namespace: str | None = None
    environment: str | None = None
    actor: str | None = None
    action: str | None = None
    build_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def record(session: Session, actor: Actor, action: Action, subject: Subject = None, **details: Any) -> None:
    """Write that `actor` does something to `subject`: kept with the change, or not at all, as the transaction is.

    `details` are never secrets; those that are None are left out, texts and lists are cut to a size, and what no
    database can hold is replaced.
    """
    namespace, environment, build_id = _names(subject)
    told = {key: one for key, one in details.items() if one is not None}
    values = {
        "time": datetime.now(UTC),
        "actor": _cut_text(actor.name or ANONYMOUS, _NAME),
        "address": _cut_text(actor.address, _ADDRESS),
        "action": str(action),
        "namespace": namespace,
        "environment": environment,
        "build_id": build_id,
        "details": bounded({"by": actor.by, **told}),
    }
    # Not an object, which nobody would look at again: that takes thrice as long.
    session.execute(_INSERT, values)


def entries(filters: AuditFilters) -> Select[AuditRow]:
    """The rows that `filters.visible` cover.

    Who has not everything sees nothing of what has no namespace, and of a namespace what was done since it was made:
    what somebody else did to an older one of its name is not theirs.
    """
    query = select(AuditRow).where(*_wanted(filters))
    if any(not pattern.strip("*/") for pattern in filters.visible):
        return query
    living = and_(NamespaceRow.name == AuditRow.namespace, NamespaceRow.deleted_on.is_(None))
    query = query.join(NamespaceRow, and_(living, NamespaceRow.created_on <= AuditRow.time))
    return query.where(visible(filters.visible, AuditRow.namespace, AuditRow.environment))


def prune(session: Session, before: datetime) -> int:
    """Remove the oldest rows from before a time, of which there may be many; returns how many of them it were."""
    oldest = select(AuditRow.id).where(AuditRow.time < before).order_by(AuditRow.time).limit(_AT_ONCE)
    ids = list(session.scalars(oldest))
    session.execute(delete(AuditRow).where(AuditRow.id.in_(ids)))
    return len(ids)


def is_older(session: Session, before: datetime) -> bool:
    """Whether there is a row from before a time."""
    return session.scalar(select(AuditRow.id).where(AuditRow.time < before).limit(1)) is not None


def bounded(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details as JSON of at most `DETAILS` characters: texts and lists are cut, and say so with an ellipsis."""
    for length, count in _STEPS:
        found = _cut(details, length, count)
        if len(json.dumps(found)) <= DETAILS:
            return dict(found)
    return {"by": _cut_text(str(details.get("by", "")), _ADDRESS), "…": len(details)}


def _names(subject: Subject) -> tuple[str, str, int | None]:
    if subject is None:
        return "", "", None
    if isinstance(subject, BuildRow):
        return subject.environment.namespace.name, subject.environment.name, subject.id
    if isinstance(subject, EnvironmentRow):
        return subject.namespace.name, subject.name, None
    return subject.name, "", None


def _wanted(filters: AuditFilters) -> list[Any]:
    same = (
        (AuditRow.namespace, filters.namespace),
        (AuditRow.environment, filters.environment),
        (AuditRow.actor, filters.actor),
        (AuditRow.action, filters.action),
        (AuditRow.build_id, filters.build_id),
    )
    found: list[Any] = [column == value for column, value in same if value]
    if filters.since is not None:
        found.append(AuditRow.time >= filters.since)
    if filters.until is not None:
        found.append(AuditRow.time < filters.until)
    return found


def _cut(value: Any, length: int, count: int) -> Any:
    if isinstance(value, str):
        return _cut_text(value, length)
    if isinstance(value, Mapping):
        pairs = list(value.items())
        kept = {_cut_text(str(key), length): _cut(one, length, count) for key, one in pairs[:count]}
        return kept if len(pairs) <= count else {**kept, "…": len(pairs) - count}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else list(value)
        kept_items = [_cut(one, length, count) for one in items[:count]]
        return kept_items if len(items) <= count else [*kept_items, f"… and {len(items) - count} more"]
    return value if value is None or isinstance(value, (bool, int, float)) else _cut_text(str(value), length)


def _cut_text(text: str, length: int) -> str:
    shown = text if len(text) <= length else f"{text[: length - 1]}…"
    return shown.replace("\0", "\ufffd").encode(errors="replace").decode()
