"""The audit trail over the REST API: who did what, when and from where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conda_store.client.answers import time_of
from conda_store.client.connection import Speaker


@dataclass(frozen=True)
class AuditEntry:
    """That somebody did something. `by` is what they showed, such as `session` or `token:3`; `namespace`, `environment`
    and `build_id` are None for what concerns none, `details` depend on the action."""

    id: int
    time: datetime
    actor: str
    by: str
    address: str
    action: str
    namespace: str | None
    environment: str | None
    build_id: int | None
    details: Mapping[str, Any]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> AuditEntry:
        """From JSON."""
        return cls(
            id=int(data["id"]),
            time=time_of(data["time"]),
            actor=data["actor"],
            by=data["by"],
            address=data["address"],
            action=data["action"],
            namespace=data["namespace"],
            environment=data["environment"],
            build_id=data["build_id"],
            details=data["details"],
        )


class Audit(Speaker):
    """What was done to that which the caller administers."""

    def audit(
        self,
        *,
        namespace: str | None = None,
        environment: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        build_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[AuditEntry]:
        """Entries of the audit trail, the newest first; every filter narrows. `since` is included, `until` is not."""
        filters = {
            "namespace": namespace,
            "environment": environment,
            "actor": actor,
            "action": action,
            "build_id": build_id,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        }
        last: int | None = None
        for entry in self._connection.pages("audit/", AuditEntry.of, filters):
            # What is written meanwhile moves older entries to the next page, where they come again.
            if last is None or entry.id < last:
                yield entry
                last = entry.id
