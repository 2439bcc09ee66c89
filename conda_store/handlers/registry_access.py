"""Who may pull: the same callers and rights as everywhere else, asked for the names of the registry."""

from __future__ import annotations

from tornado.web import RequestHandler

from conda_store.auth.base import Authenticator
from conda_store.auth.credentials import identify
from conda_store.auth.origins import BrowserRules
from conda_store.errors import CondaStoreError
from conda_store.registry.errors import Unauthorized
from conda_store.registry.names import DYNAMIC, is_dynamic, split_repository

_PERMISSION = "environment::read"


class RegistryAccess:
    """Decides for the registry's handlers; cookies do not count there. `on_demand_for_all`: anybody may pull what is
    made on demand."""

    def __init__(self, authenticator: Authenticator, rules: BrowserRules, *, on_demand_for_all: bool = False) -> None:
        self.authenticator, self.rules, self.on_demand_for_all = authenticator, rules, on_demand_for_all

    async def may_pull(self, handler: RequestHandler, repository: str | None) -> bool:
        """Whether the caller may pull `repository`, or for None anything at all."""
        if self.rules.is_foreign(handler.request.headers):
            return False
        who = await identify(self.authenticator, handler.request.headers.get("Authorization"), None)
        if who.credentials_invalid:
            raise Unauthorized("The credentials are not valid (any more): log in again.")
        if repository is None:
            return who.may_somewhere(_PERMISSION)
        if is_dynamic(repository):
            return self.on_demand_for_all or who.may("environment:create", DYNAMIC)
        try:
            return who.may(_PERMISSION, *split_repository(repository))
        except CondaStoreError:
            # No environment has this name; who may read everything may hear so.
            return who.may(_PERMISSION, "*")
