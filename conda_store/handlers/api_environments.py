"""`api/v1/environment/…` and the cursor-paged list of `api/v2/environment/`."""

from __future__ import annotations

from dataclasses import replace

from conda_store.auth.permissions import CredentialsInvalid, Identity, common
from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, filtered, needs_permission
from conda_store.inputs import EnvironmentChange, EnvironmentCursorQuery, EnvironmentQuery
from conda_store.models import Acknowledgement, Answer, CursorPage, Environment, Page


class Environments(ApiHandler):
    """`api/v1/environment/`"""

    @filtered("environment::read")
    @describes(Page[Environment], query=EnvironmentQuery)
    async def get(self) -> None:
        """List environments; all of them when no page is asked for."""
        asked = self.queried(EnvironmentQuery)
        who = await self.narrowed(asked.jwt) if asked.jwt else self.identity
        self.send(await self.ask(self.parts.environments.page, who, asked, self.parts.page_limit))

    async def narrowed(self, secret: str) -> Identity:
        """The caller with no more than a token gives. Raises `CredentialsInvalid`."""
        token = await self.parts.callers.by_secret(secret)
        if token is None:
            raise CredentialsInvalid("The token in 'jwt' is wrong or has expired.")
        return replace(self.identity, grants=common(self.identity.grants, token.grants))


class EnvironmentsByCursor(ApiHandler):
    """`api/v2/environment/`"""

    @filtered("environment::read")
    @describes(CursorPage[Environment], query=EnvironmentCursorQuery)
    async def get(self) -> None:
        """List environments by cursor."""
        asked = self.queried(EnvironmentCursorQuery)
        self.send(await self.ask(self.parts.environments.cursor_page, self.identity, asked, self.parts.page_limit))


class OneEnvironment(ApiHandler):
    """`api/v1/environment/{namespace}/{name}/`"""

    @needs_permission("environment::read")
    @describes(Answer[Environment])
    async def get(self, namespace: str, name: str) -> None:
        """Show an environment with its current build."""
        self.answer(await self.ask(self.parts.environments.get, namespace, name))

    @needs_permission("environment::update")
    @describes(Acknowledgement, body=EnvironmentChange)
    async def put(self, namespace: str, name: str) -> None:
        """Make another build the current one, or change the description."""
        await self.ask(self.parts.environments.change, self.actor, namespace, name, self.body(EnvironmentChange))
        self.answer(None)

    @needs_permission("environment::delete")
    @describes(Acknowledgement)
    async def delete(self, namespace: str, name: str) -> None:
        """Delete an environment; its builds are canceled."""
        await self.ask(self.parts.environments.delete, self.actor, namespace, name)
        self.answer(None)
