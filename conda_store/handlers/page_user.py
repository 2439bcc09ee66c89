"""`/user/`: who one is, what one may do, and one's tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from conda_store.auth.permissions import ROLES, Identity
from conda_store.errors import CondaStoreError
from conda_store.handlers.base import ApiHandler
from conda_store.handlers.page_actions import FormHandler
from conda_store.handlers.verbs import signed_in
from conda_store.inputs import NewToken


class UserPage(FormHandler):
    """`/user/`"""

    section = "user"

    @signed_in
    async def get(self) -> None:
        """Name, roles with their reasons, tokens."""
        await self.show()

    @signed_in
    async def post(self) -> None:
        """Make a token: it is shown on the answer and nowhere else."""
        days = self.form_number("days")
        pattern, role = self.get_body_argument("pattern", ""), self.get_body_argument("role", "")
        try:
            asked = NewToken(
                name=self.get_body_argument("name", "")[:255],
                expiration=datetime.now(UTC) + timedelta(days=days),
                role_bindings={pattern: [role]} if pattern else _everywhere(self.identity, role) if role else None,
            )
            made = await self.ask(self.parts.tokens.create, self.identity, asked)
        except CondaStoreError as error:
            self.set_status(error.status)
            await self.show(failure=error)
        else:
            await self.show(secret=made.token)

    async def show(self, **values: Any) -> None:
        """The page; a new token's secret stands on it once."""
        tokens = await self.ask(self.parts.tokens.list, self.identity)
        reasons = await self.ask(self.parts.access.own, self.identity)
        known = {"secret": None, "failure": None} | values
        self.page("user.html", tokens=tokens, reasons=reasons, **known)


def _everywhere(identity: Identity, role: str) -> dict[str, list[str]]:
    """All that one may, nowhere more than `role` gives; a role that does not exist is refused later."""
    bindings: dict[str, list[str]] = {}
    for grant in identity.grants:
        is_more = ROLES[grant.role] > ROLES.get(role, frozenset())
        bindings.setdefault(grant.pattern, []).append(role if is_more else grant.role)
    return bindings


class RevokeToken(FormHandler, ApiHandler):
    """`/user/token/{token}/revoke/`"""

    @signed_in
    async def post(self, token: str) -> None:
        """End a token at once."""
        await self.ask(self.parts.tokens.revoke, self.identity, self.number(token, "token"))
        self.parts.callers.forget()
        self.see("user")
