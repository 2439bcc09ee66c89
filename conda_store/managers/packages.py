"""Channels and packages that any build ever had: listed and searched. Those of one build are `builds`'."""

from __future__ import annotations

from conda_store import inputs, models
from conda_store.db import Database, lists
from conda_store.db.lists import PackageKey
from conda_store.db.orm import ChannelRow
from conda_store.managers.paging import order_of, page_of
from conda_store.managers.shapes import channel_of, package_of
from conda_store.packages.versions import VersionKey, version_key

_SORTS = ("channel", "name", "version")


class PackageManager:
    """What everybody may ask; `most` is always the largest page."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def channels(self, asked: inputs.PageQuery, most: int) -> models.Page[models.Channel]:
        """A page of the channels, by name."""
        order = order_of(asked, lists.CHANNEL_SORTS, ChannelRow.id, ("name",))
        with self.database.read() as session:
            return page_of(session, lists.channels(), order, asked, most, channel_of)

    def page(self, asked: inputs.KnownPackageQuery, most: int) -> models.Page[models.Package]:
        """A page of the packages; versions sort as versions, which no database knows: so the keys are sorted here."""
        query = lists.known_packages(asked.search, asked.exact, asked.build, asked.channel, asked.distinct_on)
        sorts = [name for name in dict.fromkeys(asked.sort_by) if name in _SORTS] or list(_SORTS)
        number, size = asked.page or 1, min(asked.size or most, most)
        with self.database.read() as session:
            keys = lists.package_keys(session, query)
            keys.sort(key=lambda key: (*(_part(key, name) for name in sorts), key.id), reverse=asked.descending)
            wanted = [key.id for key in keys[(number - 1) * size : number * size]]
            data = [package_of(row) for row in lists.packages_by_id(session, wanted)]
        return models.Page.model_construct(data=data, page=number, size=size, count=len(keys))


def _part(key: PackageKey, name: str) -> str | VersionKey:
    return version_key(key.version) if name == "version" else str(getattr(key, name))
