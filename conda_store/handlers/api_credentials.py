"""`api/v1/namespace/{namespace}/channel-credential/`"""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.inputs import ForgottenChannelCredential, NewChannelCredential
from conda_store.models import Acknowledgement, Answer, ChannelCredential


class ChannelCredentials(ApiHandler):
    """What opens private channels to a namespace."""

    @needs_permission("setting::read")
    @describes(Answer[list[ChannelCredential]])
    async def get(self, namespace: str) -> None:
        """For which channels there are credentials; they themselves are never shown."""
        self.answer(await self.ask(self.parts.credentials.list, namespace))

    @needs_permission("setting::update")
    @describes(Acknowledgement, body=NewChannelCredential)
    async def put(self, namespace: str) -> None:
        """Set the credentials of a channel."""
        await self.ask(self.parts.credentials.put, self.actor, namespace, self.body(NewChannelCredential))
        self.answer(None, "channel credentials updated")

    @needs_permission("setting::update")
    @describes(Acknowledgement, body=ForgottenChannelCredential)
    async def delete(self, namespace: str) -> None:
        """Forget the credentials of a channel."""
        channel = self.body(ForgottenChannelCredential).channel
        await self.ask(self.parts.credentials.delete, self.actor, namespace, channel)
        self.answer(None, "channel credentials deleted")
