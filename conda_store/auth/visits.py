"""What is kept of somebody whom an identity provider knew: as whom, with what groups, and with what to ask again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Granted:
    """What a token endpoint answers (RFC 6749, 5.1). `expires_on` is in Unix seconds, 0 where it is not said."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    expires_on: float = 0.0


@dataclass(frozen=True)
class Visit:
    """Somebody as they were known at `confirmed_on`; the provider is asked again at `next_on` (Unix seconds).

    `subject` is the account, which another one of the same name has not. `domain` is that of an address the provider
    has verified. `id_token` is one that was not read yet, `claims` are those that only an id token told, for as long as
    there is no newer one. `ended`: the provider answers no more questions.
    """

    name: str
    subject: str
    groups: tuple[str, ...]
    domain: str
    confirmed_on: float
    next_on: float
    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    expires_on: float = 0.0
    claims: dict[str, Any] = field(default_factory=dict, repr=False)
    ended: bool = False

    def can_be_asked_about(self, now: float) -> bool:
        """Whether there is something to ask the provider with."""
        return not self.ended and (bool(self.refresh) or not self.expires_on or now < self.expires_on)

    def text(self) -> str:
        """What `read` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Visit | None:
        """A visit; None for what another version wrote."""
        try:
            said = json.loads(text)
            return cls(**{**said, "groups": tuple(said["groups"])})
        except (ValueError, KeyError, TypeError):
            return None


class Memory(Protocol):
    """Keeps a text for each person, encrypted, for all processes of a server."""

    async def recall(self, name: str) -> str | None:
        """What was remembered of somebody; None when nothing was, or its time is over."""

    async def remember(self, name: str, text: str, seconds: float, instead_of: str | None = None) -> bool:
        """Keep `text` for so long. With `instead_of` only when that is what is kept; whether it was."""
