"""Environments that hold a Jupyter kernel, found in their prefixes: for whoever starts notebooks in them."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache

from conda_store import inputs, models
from conda_store.auth.permissions import Grant, Identity
from conda_store.db import Database
from conda_store.db.kernels import Runnable, RunnableFilters, packages_of, runnable
from conda_store.packages.kernels import KNOWN, KernelSpecification, kernels_in

_REMEMBERED = 20_000
# A few hundred kilobytes each, at most.
_KEPT = 64

Kernels = tuple[KernelSpecification, ...]
_Key = tuple[tuple[Grant, ...], str]


@dataclass(frozen=True)
class Found:
    """An answer as JSON, the hash that names it, and the change number (`Database.change_number`) it stands for."""

    body: bytes
    etag: str
    number: int


class KernelManager:
    """Finds them; what a prefix holds never changes, so that each is looked at once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._found: LRUCache[int, Kernels] = LRUCache(_REMEMBERED)
        self._answers: LRUCache[_Key, Found] = LRUCache(_KEPT)
        self._lock = threading.Lock()

    def all(self, identity: Identity, asked: inputs.KernelQuery) -> Found:
        """Builds with a kernel that the caller may read: the current ones, and those that are named."""
        # Read first: what is written meanwhile makes the answer newer than its number, which costs another look only.
        number = self.database.change_number()
        key = (identity.grants, asked.model_dump_json())
        with self._lock:
            kept = self._answers.get(key)
        if kept is None or kept.number != number:
            body = models.Answer(data=self._builds(identity, asked)).model_dump_json().encode()
            kept = Found(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', number)
            with self._lock:
                self._answers[key] = kept
        return kept

    def _builds(self, identity: Identity, asked: inputs.KernelQuery) -> list[models.RunnableBuild]:
        visible = identity.patterns("environment::read")
        filters = RunnableFilters(visible, asked.namespace, asked.name, frozenset(asked.build))
        with self.database.read() as session:
            rows = runnable(session, filters)
        found = ((row, self._kernels(row)) for row in rows)
        return [_shown(row, kernels) for row, kernels in found if kernels]

    def _kernels(self, row: Runnable) -> Kernels:
        with self._lock:
            known = self._found.get(row.build_id)
        if known is None:
            known = kernels_in(Path(row.prefix)) if row.prefix else None
            if known is None:  # the prefix is on another machine, or collected
                known = self._expected(row.build_id)
            with self._lock:
                self._found[row.build_id] = known
        return known

    def _expected(self, build_id: int) -> Kernels:
        with self.database.read() as session:
            return tuple(KNOWN[name] for name in sorted(packages_of(session, build_id, KNOWN.keys())))


def _shown(row: Runnable, kernels: Kernels) -> models.RunnableBuild:
    return models.RunnableBuild.model_construct(
        namespace=row.namespace,
        environment=row.name,
        build_id=row.build_id,
        current=row.current,
        digest=row.digest,
        prefix=row.prefix,
        kernels=[models.Kernel.model_construct(**one._asdict()) for one in kernels],
    )
