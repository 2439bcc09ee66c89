"""Who may pull: the same callers and rights as everywhere else, asked for the names of the registry.

A request shows a registry token (`/v2/token`), or at once the token behind it. Without credentials 401, so that a
client tries with some; with some and without the right, what is said of a repository that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tornado.web import RequestHandler

from conda_store.audit import Actor
from conda_store.auth.callers import Callers
from conda_store.auth.credentials import header_secret
from conda_store.auth.origins import BrowserRules
from conda_store.auth.permissions import Identity
from conda_store.auth.tokens import IssuedToken, RegistryTokens
from conda_store.errors import CondaStoreError
from conda_store.registry.errors import Unauthorized
from conda_store.registry.names import DYNAMIC, is_dynamic, split_repository
from conda_store.registry.serve import unknown_name

_PERMISSION = "environment::read"


@dataclass(frozen=True)
class Puller:
    """A caller of the registry.

    `public` is what anybody may do, `address` is where it calls from; `repositories` are those that a registry
    token is for, None where none was shown. `on_demand_for_all`: anybody may pull what is made on demand.
    """

    identity: Identity
    public: Identity
    address: str = ""
    repositories: frozenset[str] | None = None
    on_demand_for_all: bool = False

    @property
    def actor(self) -> Actor:
        """Who asks, for limits and the audit trail."""
        return replace(self.identity, address=self.address).actor

    def has_right(self, repository: str) -> bool:
        """Whether the caller has the right to pull `repository`."""
        if is_dynamic(repository):
            return self.on_demand_for_all or self.identity.may("environment:create", DYNAMIC)
        try:
            place = split_repository(repository)
        except CondaStoreError:
            # No environment has this name; who may read everything may hear so.
            place = ("*", "*")
        # Whoever logs in with a narrow token loses nothing that is public.
        return self.identity.may(_PERMISSION, *place) or self.public.may(_PERMISSION, *place)

    def may_pull(self, repository: str) -> bool:
        """Whether `repository` is shown to the caller in lists."""
        return self.has_right(repository)

    def check_lists(self) -> None:
        """Let pass whom lists could show something; raises `Unauthorized` where other credentials could help."""
        if self.identity.name is None and not self.identity.may_somewhere(_PERMISSION):
            raise Unauthorized("Log in to list what there is.")

    def check(self, repository: str | None) -> None:
        """Let pass who may pull `repository`, or for None who may talk to the registry at all.

        Raises `Unauthorized` where other credentials could help, and `NameUnknown`.
        """
        if repository is None:
            # Clients ask here whether they should log in at all, and learn it nowhere else.
            if self.identity.name is None and self.repositories is None and not self.identity.may(_PERMISSION, "*"):
                raise Unauthorized("Log in, or get a token without credentials.")
        elif not self.has_right(repository):
            if self.identity.name is None:
                raise Unauthorized("Log in to pull this image.")
            raise unknown_name(repository)
        elif self.repositories is not None and repository not in self.repositories:
            raise Unauthorized("This token is for another repository: get one for this.", "insufficient_scope")


@dataclass(frozen=True)
class RegistryAccess:
    """Finds out who calls the registry; cookies do not count there."""

    callers: Callers
    tokens: RegistryTokens
    rules: BrowserRules
    on_demand_for_all: bool = False

    async def __call__(self, handler: RequestHandler) -> Puller:
        """The caller of a request. Raises `Unauthorized` for credentials that count for nothing."""
        headers = handler.request.headers
        if self.rules.is_foreign(headers):
            return Puller(Identity(None, ()), Identity(None, ()))
        authorization = headers.get("Authorization")
        secret = header_secret(authorization) if authorization else None
        if secret is not None and RegistryTokens.is_like(secret):
            return await self._with_token(secret, handler.request.remote_ip or "")
        who = await self.callers.identify(authorization, None)
        if who.credentials_invalid:
            raise Unauthorized("The credentials are not valid (any more): log in again.", "invalid_token")
        return self._puller(who, handler.request.remote_ip or "")

    async def give_token(self, authorization: str | None, names: Iterable[str]) -> IssuedToken:
        """A registry token for those of the repositories `names` that the caller may pull.

        Raises `Unauthorized` for credentials that count for nothing.
        """
        who = await self.callers.identify(authorization, None)
        if who.credentials_invalid:
            raise Unauthorized("The token that was given as password is wrong, was revoked or has expired.")
        puller = self._puller(who)
        return self.tokens.issue(who.proof, who.name or "", sorted({name for name in names if puller.has_right(name)}))

    async def _with_token(self, text: str, address: str) -> Puller:
        token = self.tokens.read(text)
        who = await self.callers.by_proof(token.proof) if token is not None else None
        if token is None or who is None:
            raise Unauthorized("The token has expired or was revoked: get another one.", "invalid_token")
        return self._puller(who, address, token.repositories)

    def _puller(self, who: Identity, address: str = "", repositories: frozenset[str] | None = None) -> Puller:
        public = self.callers.nobody()
        return Puller(who, public, address, repositories, self.on_demand_for_all)
