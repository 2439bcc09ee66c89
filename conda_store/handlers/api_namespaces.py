"""`api/v1/namespace/…`"""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, filtered, needs_permission
from conda_store.inputs import NamespaceChange, NamespaceMetadata, PageQuery
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
        await self.ask(self.parts.namespaces.create, self.actor, namespace)
        self.answer(None, "namespace created")

    @needs_permission("namespace::update")
    @describes(Acknowledgement, body=NamespaceChange)
    async def put(self, namespace: str) -> None:
        """Change metadata or role mappings of a namespace."""
        await self.ask(self.parts.namespaces.change, self.actor, namespace, self.body(NamespaceChange))
        self.parts.callers.forget()
        self.answer(None)

    @needs_permission("namespace::delete")
    @describes(Acknowledgement)
    async def delete(self, namespace: str) -> None:
        """Delete a namespace with all its environments."""
        await self.ask(self.parts.namespaces.delete, self.actor, namespace)
        self.parts.callers.forget()
        self.answer(None)


class Metadata(ApiHandler):
    """`namespace/{namespace}/metadata/`"""

    @needs_permission("namespace::update")
    @describes(Acknowledgement, body=NamespaceMetadata)
    async def put(self, namespace: str) -> None:
        """Replace the metadata of a namespace."""
        wanted = NamespaceChange(metadata=self.body(NamespaceMetadata).root)
        await self.ask(self.parts.namespaces.change, self.actor, namespace, wanted)
        self.answer(None)
