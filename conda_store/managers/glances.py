"""Everything at a glance, made once for all who may see the same and as long as nothing was written: panels ask again
every few seconds, and with ten thousand environments an answer is some megabytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cachetools import LRUCache

from conda_store.auth.permissions import RANKS, ROLES, Grant, Identity
from conda_store.db import Database, overviews
from conda_store.glances import EnvironmentGlance, Everything
from conda_store.managers.overview import OverviewManager
from conda_store.models import Answer

# A few megabytes each, at most.
_KEPT = 16
_Key = tuple[tuple[Grant, ...], str]


@dataclass(frozen=True)
class Glance:
    """An answer as JSON, the hash that names it, and the change number (`Database.change_number`) it stands for."""

    body: bytes
    etag: str
    number: int


class GlanceManager:
    """Keeps answers for any number of threads."""

    def __init__(self, database: Database, overview: OverviewManager) -> None:
        self.database, self.overview = database, overview
        self._kept: LRUCache[_Key, Glance] = LRUCache(_KEPT)

    def everything(self, identity: Identity) -> Glance:
        """All environments that the caller may read, and what they may do there."""
        # Read first: what is written meanwhile makes the answer newer than its number, which costs another look only.
        number = self.database.change_number()
        key = (identity.grants, identity.primary_namespace)
        kept = self._kept.get(key)
        if kept is None or kept.number != number:
            body = Answer(data=self._found(identity)).model_dump_json().encode()
            kept = Glance(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', number)
            self._kept[key] = kept
        return kept

    def _found(self, identity: Identity) -> Everything:
        with self.database.read() as session:
            rows = overviews.glances(session, identity.patterns("environment::read"))
        found = [EnvironmentGlance(**row._asdict(), role=_role(identity, row.namespace, row.name)) for row in rows]
        roles = {role: sorted(permissions) for role, permissions in ROLES.items()}
        return Everything(environments=found, roles=roles, writable=self.overview.writable(identity))


def _role(identity: Identity, namespace: str, name: str) -> str:
    """The highest role on something that the caller may read."""
    return max((grant.role for grant in identity.grants if grant.covers(namespace, name)), key=RANKS.index)
