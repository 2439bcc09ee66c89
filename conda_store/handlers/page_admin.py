"""`/admin/…`: the deployment, for whoever runs it."""

from __future__ import annotations

from urllib.parse import urlencode

from conda_store.audit import Action, AuditQuery
from conda_store.handlers.page_actions import FormHandler
from conda_store.handlers.verbs import needs_permission

#: Entries of the audit trail on a page, which are long.
_MOST_ENTRIES = 50


class AdminHandler(FormHandler):
    """A page about the whole deployment."""

    section = "admin"

    async def check(self, permission: str) -> None:
        """It is about everything."""
        self.identity.require(permission, "*", "*")


class QueuePage(AdminHandler):
    """`/admin/`"""

    @needs_permission("setting::update")
    async def get(self) -> None:
        """What runs and waits."""
        self.page("admin_queue.html", queue=await self.ask(self.parts.administration.queue))


class StoragePage(AdminHandler):
    """`/admin/storage/`"""

    @needs_permission("setting::update")
    async def get(self) -> None:
        """What lies on the disk, what shares it, and, for whoever asks, what would be collected."""
        disk = await self.ask(self.parts.administration.disk)
        collections = self.parts.collections
        # To find it out, each file of the store is looked at.
        found = await self.ask(collections.plan) if self.get_query_argument("plan", "") else None
        self.page("admin_storage.html", disk=disk, found=found, last=collections.last, policy=collections.policy)

    @needs_permission("setting::update")
    async def post(self) -> None:
        """Collect garbage."""
        await self.ask(self.parts.collections.begin, self.actor)
        self.see("admin", "storage")


class AuditPage(AdminHandler):
    """`/admin/audit/`"""

    @needs_permission("setting::update")
    async def get(self) -> None:
        """Who did what, narrowed by a form."""
        asked = self.queried(AuditQuery)
        found = await self.ask(self.parts.audit.page, self.identity, asked, min(self.parts.page_limit, _MOST_ENTRIES))
        # As it was written, so that a day stays a day.
        written = {name: self.get_query_argument(name, "") for name in AuditQuery.model_fields if name != "page"}
        query = urlencode({name: text for name, text in written.items() if text})
        self.page("admin_audit.html", found=found, asked=written, query=query, actions=list(Action))


class ConfigurationPage(AdminHandler):
    """`/admin/configuration/`"""

    @needs_permission("setting::update")
    def get(self) -> None:
        """Options that differ from their defaults."""
        self.page("admin_configuration.html", options=self.parts.administration.options)
