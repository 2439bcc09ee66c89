"""`api/v1/token/…`: the caller's own tokens."""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, signed_in
from conda_store.inputs import NewToken
from conda_store.models import Acknowledgement, Answer, NewTokenAnswer, Token


class Tokens(ApiHandler):
    """`token/`"""

    @signed_in
    @describes(Answer[list[Token]])
    async def get(self) -> None:
        """List the caller's tokens."""
        self.answer(await self.ask(self.parts.tokens.list, self.identity))

    @signed_in
    @describes(Answer[NewTokenAnswer], body=NewToken)
    async def post(self) -> None:
        """Make a token with some of the caller's rights."""
        self.answer(await self.ask(self.parts.tokens.create, self.identity, self.body(NewToken)))


class OneToken(ApiHandler):
    """`token/{token}/`"""

    @signed_in
    @describes(Acknowledgement)
    async def delete(self, token: str) -> None:
        """Revoke a token."""
        await self.ask(self.parts.tokens.revoke, self.identity, self.number(token, "token"))
        self.parts.callers.forget()
        self.answer(None, "token revoked")
