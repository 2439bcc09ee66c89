"""`api/v1/namespace/{namespace}/role/` and `roles/`: what a namespace shares with other ones."""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.inputs import NamespaceRoleChange, NamespaceRoleQuery
from conda_store.models import Acknowledgement, Answer, NamespaceRole


class Roles(ApiHandler):
    """`namespace/{namespace}/roles/`"""

    @needs_permission("namespace-role-mapping::read")
    @describes(Answer[list[NamespaceRole]])
    async def get(self, namespace: str) -> None:
        """List the roles that a namespace gives to other ones."""
        self.answer(await self.ask(self.parts.role_mappings.list, namespace))

    @needs_permission("namespace-role-mapping::delete")
    @describes(Acknowledgement)
    async def delete(self, namespace: str) -> None:
        """Remove all role mappings of a namespace."""
        await self.ask(self.parts.role_mappings.delete_all, self.actor, namespace)
        self.parts.callers.forget()
        self.answer(None)


class Role(ApiHandler):
    """`namespace/{namespace}/role/`"""

    @needs_permission("namespace-role-mapping::read")
    @describes(Answer[NamespaceRole], query=NamespaceRoleQuery)
    async def get(self, namespace: str) -> None:
        """Show the role that a namespace gives to another one."""
        other = self.queried(NamespaceRoleQuery).other_namespace
        self.answer(await self.ask(self.parts.role_mappings.get, namespace, other))

    @needs_permission("namespace-role-mapping::create")
    @describes(Acknowledgement, body=NamespaceRoleChange)
    async def post(self, namespace: str) -> None:
        """Give a role to those who belong to another namespace."""
        await self.ask(self.parts.role_mappings.create, self.actor, namespace, self.body(NamespaceRoleChange))
        self.parts.callers.forget()
        self.answer(None)

    @needs_permission("namespace-role-mapping::update")
    @describes(Acknowledgement, body=NamespaceRoleChange)
    async def put(self, namespace: str) -> None:
        """Give another role to those who belong to another namespace."""
        await self.ask(self.parts.role_mappings.change, self.actor, namespace, self.body(NamespaceRoleChange))
        self.parts.callers.forget()
        self.answer(None)

    @needs_permission("namespace-role-mapping::delete")
    @describes(Acknowledgement, body=NamespaceRoleQuery)
    async def delete(self, namespace: str) -> None:
        """Give no role any longer to those who belong to another namespace."""
        other = self.body(NamespaceRoleQuery).other_namespace
        await self.ask(self.parts.role_mappings.delete, self.actor, namespace, other)
        self.parts.callers.forget()
        self.answer(None)
