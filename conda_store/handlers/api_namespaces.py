"""`api/v1/namespace/…`"""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, filtered, needs_permission
from conda_store.inputs import PageQuery
from conda_store.models import Acknowledgement, Answer, Namespace, NamespaceSummary, Page


class Namespaces(ApiHandler):
    """`namespace/`"""

    @filtered("namespace::read")
    @describes(Page[NamespaceSummary], query=PageQuery)
    async def get(self) -> None:
        """List namespaces."""
        asked = self.queried(PageQuery)
        self.send(await self.ask(self.parts.namespaces.page, self.identity, asked, self.parts.page_limit))


class OneNamespace(ApiHandler):
    """`namespace/{namespace}/`"""

    @needs_permission("namespace::read")
    @describes(Answer[Namespace])
    async def get(self, namespace: str) -> None:
        """Show a namespace."""
        self.answer(await self.ask(self.parts.namespaces.get, namespace))

    @needs_permission("namespace::create")
    @describes(Acknowledgement)
    async def post(self, namespace: str) -> None:
        """Make a namespace."""
        await self.ask(self.parts.namespaces.create, namespace)
        self.answer(None, "namespace created")
