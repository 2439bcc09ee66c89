"""What an authenticator promises: to say who a proof belongs to. Where the proof stood in a request, how a session is
kept, and what a caller may do, is decided elsewhere (`credentials`, `managers.sessions`, `permissions`)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from traitlets import Float
from traitlets.config import LoggingConfigurable

from conda_store.auth.permissions import Identity
from conda_store.auth.rules import Rule
from conda_store.auth.signing_in import SigningIn
from conda_store.auth.visits import Memory
from conda_store.errors import BadInput, CondaStoreError
from conda_store.sealing import Sealer


class IdentityUnknown(CondaStoreError):
    """Who could say who a caller is cannot be reached, and the caller was not seen lately."""

    status = 503
    code = "identity_unknown"


@dataclass(frozen=True)
class SignedIn:
    """Somebody who just signed in, and with what the authenticator will recognize their session: kept encrypted."""

    identity: Identity
    credential: str = ""


class Authenticator(LoggingConfigurable):
    """Who callers are. Subclasses know people and tokens; these options are common to all of them."""

    # Methods are awaited in the event loop and must not block it.

    cache_seconds = Float(
        30.0,
        min=0,
        max=60,
        help="Seconds for which a process remembers who a token or a session belongs to, so that not every request "
        "asks again. What is revoked elsewhere counts for this long; more than 60 cannot be.",
    ).tag(config=True)
    session_days = Float(
        7.0,
        min=0.001,
        help="Days after which a browser has to sign in again. A shorter time costs people more logins, a longer one "
        "helps whoever finds an unlocked screen.",
    ).tag(config=True)

    #: What the button says that leads to where people sign in.
    login_title = "Login"
    #: Encrypts what has to be kept or handed out; there once the server runs.
    sealer: Sealer
    memory: Memory

    def use_secret(self, secret: bytes) -> None:
        """Called with the server's secret before anything is asked; all processes of a server have the same."""
        self.sealer = Sealer(secret, "authenticator")

    def use_memory(self, memory: Memory) -> None:
        """Called besides, with what can be kept of people for all processes."""
        self.memory = memory

    @abstractmethod
    async def by_secret(self, secret: str) -> Identity | None:
        """Whose token (or password of Basic) this is, with `proof` set; None when it is nobody's, or no longer."""

    @abstractmethod
    async def by_proof(self, proof: str) -> Identity | None:
        """The same by `Identity.proof`, which names a token without giving it away."""

    @abstractmethod
    async def by_name(self, name: str) -> Identity | None:
        """The person of that name, who was here before; None when they may no longer."""

    async def by_session(self, name: str, credential: str) -> Identity | None:
        """Who signed in as `name`, with `SignedIn.credential`; None when that counts no longer. Without `proof`."""
        return await self.by_name(name)

    @abstractmethod
    async def by_password(self, name: str, password: str) -> SignedIn | None:
        """Who signs in with a form; None when the proof is wrong."""

    async def elsewhere(self, attempt: SigningIn) -> str | None:
        """The URL of the site where people sign in; None when they do so with a form of ours."""
        return None

    async def by_answer(self, attempt: SigningIn, answer: Mapping[str, str]) -> SignedIn | None:
        """Who comes back from there, with these parameters of the URL; None when they were refused."""
        return None

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
