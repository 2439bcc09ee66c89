"""`api/v1/channel/` and `api/v1/package/`: where packages come from, and which there are."""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, public
from conda_store.inputs import KnownPackageQuery, PageQuery
from conda_store.models import Channel, Package, Page


class Channels(ApiHandler):
    """`channel/`"""

    @public
    @describes(Page[Channel], query=PageQuery)
    async def get(self) -> None:
        """List channels from which packages were taken."""
        asked = self.queried(PageQuery)
        self.send(await self.ask(self.parts.packages.channels, asked, self.parts.page_limit))


class Packages(ApiHandler):
    """`package/`"""

    @public
    @describes(Page[Package], query=KnownPackageQuery)
    async def get(self) -> None:
        """Search the packages that any build had."""
        asked = self.queried(KnownPackageQuery)
        self.send(await self.ask(self.parts.packages.page, asked, self.parts.page_limit))
