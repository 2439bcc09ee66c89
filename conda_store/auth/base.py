"""What an authenticator promises: to say who a proof belongs to. Where the proof stood in a request, and what a
caller may do with it, is decided elsewhere (`credentials`, `permissions`)."""

from __future__ import annotations

from abc import abstractmethod
from ipaddress import ip_address

from traitlets.config import LoggingConfigurable

from conda_store.auth.permissions import Identity
from conda_store.auth.rules import Rule
from conda_store.errors import BadInput


class Authenticator(LoggingConfigurable):
    """Knows people and tokens. Methods are awaited in the event loop and must not block it."""

    @abstractmethod
    async def by_secret(self, secret: str) -> Identity | None:
        """Whose token (or password of Basic) this is, with `proof` set; None when it is nobody's, or no longer."""

    @abstractmethod
    async def by_proof(self, proof: str) -> Identity | None:
        """The same by `Identity.proof`, which names a token without giving it away."""

    @abstractmethod
    async def by_name(self, name: str) -> Identity | None:
        """The person who signed in under `name` before; None when they may no longer."""

    @abstractmethod
    async def by_password(self, name: str, password: str) -> Identity | None:
        """Who signs in with a form; None when the proof is wrong."""

    @abstractmethod
    def without_credentials(self) -> Identity:
        """The caller who shows nothing."""

    def standing_rules(self) -> tuple[Rule, ...]:
        """What it gives to people before they come, for the answer to who can see something."""
        return ()

    def check_address(self, address: str) -> None:
        """Raises `BadInput` when it would be unsafe to listen on `address`."""


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach `address`."""
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def refuse_unless_loopback(address: str, way_out: str) -> None:
    """Raises `BadInput` with a way out when others could reach `address`."""
    if not is_loopback(address):
        raise BadInput(f"Whoever can reach {address} would be the administrator. {way_out}")
