"""`/v2/token`: credentials become a short-lived token for some repositories.

Formats: distribution's "Token Authentication Specification" (GET) and "OAuth2 Token Authentication" (POST, which
containerd tries first).
"""

from __future__ import annotations

import base64
from typing import Any

from conda_store.auth.tokens import SERVICE
from conda_store.errors import CondaStoreError
from conda_store.handlers.registry_base import RegistryHandler
from conda_store.handlers.verbs import public
from conda_store.registry.errors import RegistryError
from conda_store.registry.names import checked_name

# A client asks for one; some add those that they could mount from.
_MOST_SCOPES = 100


class GrantUnsupported(RegistryError):
    """A way to ask for a token that this registry does not know."""

    status = 400
    code = "unsupported_grant_type"
    oci_code = "UNSUPPORTED"


class TokenHandler(RegistryHandler):
    """`/v2/token`"""

    @public
    async def get(self) -> None:
        """Credentials of Basic, or none, and any number of `scope`."""
        self._check_service(self.get_query_argument("service", SERVICE))
        await self._give(self.request.headers.get("Authorization"), self.get_query_arguments("scope"))

    head = get

    @public
    async def post(self) -> None:  # type: ignore[override]
        """The same as a form with `username` and `password`."""
        if self.get_body_argument("grant_type", "") != "password":
            raise GrantUnsupported("Ask with 'grant_type=password', or by GET with Basic credentials.")
        self._check_service(self.get_body_argument("service", SERVICE))
        pair = f"{self.get_body_argument('username', '')}:{self.get_body_argument('password', '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        await self._give(authorization, self.get_body_argument("scope", "").split())

    async def _give(self, authorization: str | None, scopes: list[str]) -> None:
        names = repositories_of(scopes)
        issued = await self.parts.access.give_token(authorization, names)
        self.set_header("Cache-Control", "no-store")
        answer: dict[str, Any] = {
            "token": issued.text,
            "access_token": issued.text,
            "expires_in": issued.expires_in_seconds,
            "issued_at": issued.issued_on.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if self.request.method == "POST":
            answer["scope"] = " ".join(scopes)
        self.write(answer)

    def _check_service(self, service: str) -> None:
        if service != SERVICE:
            raise GrantUnsupported(f"This server gives tokens for the service '{SERVICE}' only.")

    def challenge(self, fault: str) -> str:
        """Here it takes a password, not another token."""
        return f'Basic realm="{SERVICE}"'


def repositories_of(scopes: list[str]) -> list[str]:
    """The repositories that `repository:<name>:<actions>` ask to pull; what is malformed or asks for else is left out.

    A scope may hold several, separated by spaces (RFC 6749, 3.3).
    """
    found = []
    for scope in [one for text in scopes for one in text.split()][:_MOST_SCOPES]:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        try:
            if kind == "repository" and "pull" in actions.split(","):
                found.append(checked_name(name))
        except CondaStoreError:
            continue
    return found
