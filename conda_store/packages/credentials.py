"""What opens private channels. Values, kept out of every text by whoever holds them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from conda_store.errors import BadInput
from conda_store.packages.channel_urls import channel_url, is_below

KINDS = ("basic", "bearer", "token")
# As package indexes end (PEP 503, devpi): their files lie beside it.
_INDEX_PAGES = ("simple", "+simple")


@dataclass(frozen=True)
class Credential:
    """For a channel, by its normal URL; sent only below it.

    `kind` is `basic` (`user` and password), `bearer`, or `token` (conda's `/t/<token>/`).
    """

    channel: str
    kind: str
    secret: str = field(repr=False)
    user: str = ""

    @classmethod
    def read(cls, channel: str, said: Mapping[str, Any]) -> Credential:
        """Raises `BadInput`, which shows nothing of the secret."""
        url = channel_url(channel)
        if not url.startswith(("https://", "http://")):
            raise BadInput(f"The channel '{url}' takes no credentials: only https and http channels do.")
        kind, user, secret = (str(said.get(name) or "") for name in ("kind", "user", "secret"))
        if kind not in KINDS:
            raise BadInput(f"The credentials of '{url}' have no kind: it is one of {', '.join(KINDS)}.")
        if not secret or not secret.isprintable() or not user.isprintable() or (kind == "basic") != bool(user):
            raise BadInput(f"The credentials of '{url}' are not whole: 'secret', and 'user' for the kind 'basic' only.")
        return cls(url, kind, secret, user)

    def as_dict(self) -> dict[str, str]:
        """What `read` reads, secret included."""
        return {"kind": self.kind, "user": self.user, "secret": self.secret}

    @property
    def place(self) -> str:
        """What it is sent below: the channel, or of an index `…/simple` what the index is part of, files included."""
        parent, _, last = self.channel.rpartition("/")
        return parent if last in _INDEX_PAGES and not parent.endswith("/") else self.channel

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a request below the channel."""
        if self.kind == "bearer":
            return {"Authorization": f"Bearer {self.secret}"}
        if self.kind == "basic":
            pair = base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {}

    def opened(self, url: str) -> str:
        """The URL to ask for instead."""
        if self.kind != "token":
            return url
        parts = urlsplit(url)
        return urlunsplit(parts._replace(path=f"/t/{quote(self.secret, safe='')}{parts.path}"))

    def closed(self, url: str) -> str:
        """A URL that the channel answered with, without the token."""
        return url.replace(f"/t/{quote(self.secret, safe='')}/", "/") if self.kind == "token" else url


@dataclass(frozen=True)
class Credentials:
    """Those of one environment; of two that fit, the one of the longer URL counts."""

    known: tuple[Credential, ...] = ()

    def find(self, url: str) -> Credential | None:
        """What opens a normal URL."""
        fitting = [one for one in self.known if is_below(url.partition("?")[0], one.place)]
        return max(fitting, key=lambda one: len(one.channel), default=None)

    def over(self, others: Credentials) -> Credentials:
        """These, and those of `others` for other channels."""
        own = {one.channel for one in self.known}
        return Credentials((*self.known, *(one for one in others.known if one.channel not in own)))
