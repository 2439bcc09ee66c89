"""The state of this deployment: whether its dependencies answer, and its numbers for Prometheus."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from conda_store.builds.states import Status
from conda_store.db import Database, lists
from conda_store.db.orm import BuildRow, EnvironmentRow
from conda_store.storage.base import Storage


class StateManager(Collector):
    """`directory` is where the store lies; its file system is the disk that is measured."""

    def __init__(self, database: Database, storage: Storage, directory: Path) -> None:
        self.database, self.storage, self.directory = database, storage, directory
        # A registry of our own: the global one belongs to whoever imports us.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._others: list[tuple[str, str, Callable[[], float]]] = []

    def count(self, name: str, text: str, number: Callable[[], float]) -> None:
        """Show one more number, of a part that this one does not know."""
        self._others.append((name, text, number))

    def check(self) -> None:
        """Raises `DatabaseUnavailable`, `StorageFull`."""
        self.database.change_number()
        self.storage.check_writable()

    def metrics(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Everything that is counted."""
        yield from self._counted()
        disk = shutil.disk_usage(self.directory)
        for name in ("free", "total", "used"):
            shown = "usage" if name == "used" else name
            text = f"Bytes on the disk of the store: {shown}"
            yield GaugeMetricFamily(f"conda_store_disk_{shown}", text, value=getattr(disk, name))
        for name, text, number in self._others:
            yield GaugeMetricFamily(name, text, value=number())

    def _counted(self) -> Iterator[Metric]:
        living = select(EnvironmentRow).join(EnvironmentRow.namespace).where(*lists.living(), lists.listed())
        with self.database.read() as session:
            environments = lists.count(session, living)
            grouped = select(BuildRow.status, func.count()).where(BuildRow.deleted_on.is_(None))
            builds = {status: number for status, number in session.execute(grouped.group_by(BuildRow.status)).all()}
        yield GaugeMetricFamily("conda_store_environments", "Environments", value=environments)
        for status in Status:
            name = f"conda_store_build_{status.lower()}"
            yield GaugeMetricFamily(name, f"Builds that are {status}", value=builds.get(status, 0))
