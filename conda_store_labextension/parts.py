"""What handlers of the extension use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from conda_store_labextension.connection import CondaStoreConnection

if TYPE_CHECKING:
    from conda_store_labextension.upstream import Upstream


class Parts:
    """A connection, the client that uses it, and the path `base` below which everything stands."""

    def __init__(self, connection: CondaStoreConnection, base: str) -> None:
        self.connection, self.base = connection, base

    @cached_property
    def upstream(self) -> Upstream:
        """The client, made when it is wanted: the library that it needs takes longer to load than all of this."""
        from conda_store_labextension.upstream import Upstream

        return Upstream(self.connection)

    async def close(self) -> None:
        """Let go of connections."""
        if "upstream" in self.__dict__:
            await self.upstream.close()
