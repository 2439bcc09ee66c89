"""What namespaces hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from conda_store import models
from conda_store.auth.permissions import Identity
from conda_store.db import Database, queries


class UsageManager:
    """Sums of what a caller may read."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, identity: Identity, names: Sequence[str] | None = None) -> dict[str, models.Usage]:
        """By namespace, in the order of their names; of those called `names`, or of all."""
        with self.database.read() as session:
            found = queries.usage(session, identity.patterns("environment::read"), names)
        return {name: models.Usage(**asdict(one)) for name, one in found.items()}
