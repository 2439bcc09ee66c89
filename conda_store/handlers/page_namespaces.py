"""`/namespace/…`: which there are, what they hold, with whom they are shared, and their rules."""

from __future__ import annotations

from typing import Any

from conda_store.handlers.page_actions import FormHandler
from conda_store.handlers.verbs import filtered, needs_permission
from conda_store.inputs import NamespaceRoleChange, PageQuery
from conda_store.policy_settings import QUOTAS

_OFFERED = (
    "setting::read",
    "setting::update",
    "environment::update",
    "environment:create",
    "namespace::delete",
    "namespace-role-mapping::create",
    "namespace-role-mapping::delete",
)


class NamespaceHandler(FormHandler):
    """A page about one namespace."""

    section = "namespaces"

    async def show(self, template: str, namespace: str, **values: Any) -> None:
        """Answer with a page that offers what the caller may do there."""
        may = {one: self.identity.may(one, namespace) for one in _OFFERED}
        self.page(template, namespace=namespace, may=may, **values)


class NamespacesPage(NamespaceHandler):
    """`/namespace/`"""

    async def check(self, permission: str) -> None:
        """Which one stands in the form."""
        self.identity.require(permission, self.get_body_argument("namespace", ""))

    @filtered("namespace::read")
    async def get(self) -> None:
        """All that one may see, with what they hold."""
        asked = self.queried(PageQuery)
        found = await self.ask(self.parts.namespaces.page, self.identity, asked, self.parts.page_limit)
        usage = await self.ask(self.parts.usage.get, self.identity, [one.name for one in found.data])
        may_create = self.identity.may_somewhere("namespace::create")
        self.page("namespaces.html", found=found, usage=usage, may_create=may_create)

    @needs_permission("namespace::create")
    async def post(self) -> None:
        """Make one."""
        name = self.get_body_argument("namespace", "")
        await self.ask(self.parts.namespaces.create, self.actor, name)
        self.see("namespace", name)


class NamespacePage(NamespaceHandler):
    """`/namespace/{namespace}/`"""

    @needs_permission("namespace::read")
    async def get(self, namespace: str) -> None:
        """What it holds against what it may hold, and with whom it is shared."""
        found = await self.ask(self.parts.namespaces.get, namespace)
        usage = (await self.ask(self.parts.usage.get, self.identity, [namespace])).get(namespace)
        settings = await self.ask(self.parts.settings.get, namespace)
        quotas = {name: settings[name] for name in QUOTAS}
        await self.show("namespace.html", namespace, found=found, usage=usage, quotas=quotas)


class NamespaceRoles(NamespaceHandler):
    """`/namespace/{namespace}/role/`"""

    @needs_permission("namespace-role-mapping::create")
    async def post(self, namespace: str) -> None:
        """Share it with those who belong to another namespace."""
        other, role = self.get_body_argument("other_namespace", ""), self.get_body_argument("role", "")
        asked = NamespaceRoleChange(other_namespace=other, role=role)
        await self.ask(self.parts.role_mappings.create, self.actor, namespace, asked)
        self.parts.callers.forget()
        self.see("namespace", namespace)


class EndNamespaceRole(NamespaceHandler):
    """`/namespace/{namespace}/role/delete/`"""

    @needs_permission("namespace-role-mapping::delete")
    async def post(self, namespace: str) -> None:
        """Share it with another namespace no longer."""
        other = self.get_body_argument("other_namespace", "")
        await self.ask(self.parts.role_mappings.delete, self.actor, namespace, other)
        self.parts.callers.forget()
        self.see("namespace", namespace)


class DeleteNamespace(NamespaceHandler):
    """`/namespace/{namespace}/delete/`"""

    @needs_permission("namespace::delete")
    async def get(self, namespace: str) -> None:
        """Ask whether that is meant."""
        await self.ask(self.parts.namespaces.get, namespace)
        back = self.parts.places.url("namespace", namespace)
        self.page("delete.html", what=namespace, expected=namespace, back=back, kind="namespace")

    @needs_permission("namespace::delete")
    async def post(self, namespace: str) -> None:
        """Delete it with all its environments."""
        self.confirm(namespace)
        await self.ask(self.parts.namespaces.delete, self.actor, namespace)
        self.see("namespace")


class NamespaceAccess(NamespaceHandler):
    """`/namespace/{namespace}/access/`"""

    @needs_permission("environment::update")
    async def get(self, namespace: str) -> None:
        """Who has which role in all of it, and why."""
        people = await self.ask(self.parts.access.people, namespace, None)
        tokens = await self.parts.access.tokens(namespace, None)
        await self.show("access.html", namespace, name=None, rules=[*people, *tokens])
