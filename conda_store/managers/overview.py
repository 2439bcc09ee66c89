"""What the pages show at a glance: environments with what is current in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conda_store import inputs
from conda_store.auth.permissions import Identity
from conda_store.builds.keys import Places
from conda_store.db import Database, lists, overviews
from conda_store.db.overviews import BuildSummary, Overview, OverviewFilters
from conda_store.managers.environments import live_environment

PAGE_SIZE = 50


@dataclass(frozen=True)
class OverviewPage:
    """One page; `count` is the number of all rows, `namespaces` are those one may choose from."""

    rows: tuple[Overview, ...]
    page: int
    count: int
    namespaces: tuple[str, ...]

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(-(-self.count // PAGE_SIZE), 1)


@dataclass(frozen=True)
class History:
    """One page of an environment's builds, newest first; `count` is the number of all."""

    builds: tuple[BuildSummary, ...]
    page: int
    count: int

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(-(-self.count // PAGE_SIZE), 1)


class OverviewManager:
    """Finds what a caller may read."""

    def __init__(self, database: Database, places: Places) -> None:
        self.database, self.places = database, places

    def page(self, identity: Identity, asked: inputs.OverviewQuery) -> OverviewPage:
        """A page of environments; behind the last one, the last one."""
        visible = identity.patterns("environment::read")
        filters = OverviewFilters(visible, asked.search, asked.namespace, asked.status)
        query = overviews.matching(filters)
        with self.database.read() as session:
            count = lists.count(session, query)
            page = min(asked.page or 1, max(-(-count // PAGE_SIZE), 1))
            rows = overviews.overviews(session, query, asked.sort, (page - 1) * PAGE_SIZE, PAGE_SIZE)
            names = session.scalars(lists.namespaces(identity.patterns("namespace::read")))
            namespaces = sorted(row.name for row in names)
        return OverviewPage(tuple(rows), page, count, tuple(namespaces))

    def writable(self, identity: Identity) -> list[str]:
        """Namespaces in which the caller may create environments of any name, their own first."""
        with self.database.read() as session:
            names = {row.name for row in session.scalars(lists.namespaces(identity.patterns("environment:create")))}
        own = identity.primary_namespace
        mine = [own] if own in names or identity.may("environment:create", own) else []
        return [*mine, *sorted(names - {own})]

    def history(self, namespace: str, name: str, page: int | None = None) -> History:
        """A page of an environment's builds; raises `EnvironmentNotFound`."""
        with self.database.read() as session:
            row = live_environment(session, namespace, name)
            count = lists.count(session, overviews.history(row.id))
            number = min(page or 1, max(-(-count // PAGE_SIZE), 1))
            builds = overviews.builds_of(session, row.id, (number - 1) * PAGE_SIZE, PAGE_SIZE)
        return History(tuple(builds), number, count)

    def kernel(self, namespace: str, name: str) -> Path:
        """The link to the prefix of the current build."""
        return self.places.link(namespace, name)
