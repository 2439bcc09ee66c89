"""Who calls, at which server, and the caller's tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conda_store.client.answers import time_of
from conda_store.client.connection import Speaker


@dataclass(frozen=True)
class Caller:
    """Who calls; permissions and roles by pattern `namespace/environment`. `expiration` is when the credential ends."""

    authenticated: bool
    primary_namespace: str
    permissions: Mapping[str, Sequence[str]]
    roles: Mapping[str, Sequence[str]]
    expiration: datetime | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Caller:
        """From JSON."""
        return cls(
            authenticated=data["authenticated"],
            primary_namespace=data["primary_namespace"],
            permissions=data["entity_permissions"],
            roles=data["entity_roles"],
            expiration=time_of(data["expiration"]) if data.get("expiration") else None,
        )


@dataclass(frozen=True)
class NewToken:
    """A token that was just made: the only moment at which its secret is known. `id` is None at old servers."""

    token: str
    id: int | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> NewToken:
        """From JSON."""
        return cls(str(data["token"]), data.get("id"))


@dataclass(frozen=True)
class Token:
    """A token, without its secret; `role_bindings` are roles by pattern."""

    id: int
    name: str
    primary_namespace: str
    role_bindings: Mapping[str, Sequence[str]]
    created_on: datetime
    expiration: datetime | None
    last_used_on: datetime | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Token:
        """From JSON."""
        return cls(
            id=data["id"],
            name=data["name"],
            primary_namespace=data["primary_namespace"],
            role_bindings=data["role_bindings"],
            created_on=time_of(data["created_on"]),
            expiration=time_of(data["expiration"]) if data.get("expiration") else None,
            last_used_on=time_of(data["last_used_on"]) if data.get("last_used_on") else None,
        )


class Account(Speaker):
    """The server's version, the caller and their tokens."""

    def version(self) -> str:
        """The version of the server."""
        return self._connection.data("GET", "", lambda data: str(data["version"]))

    def caller(self) -> Caller:
        """Who the server takes the caller for; also asked without a token."""
        return self._connection.data("GET", "permission/", Caller.of)

    def tokens(self) -> list[Token]:
        """The caller's own tokens that still count, the newest first."""
        return self._connection.rows("token/", Token.of)

    def create_token(
        self,
        name: str | None = None,
        primary_namespace: str | None = None,
        expiration: datetime | None = None,
        role_bindings: Mapping[str, Sequence[str]] | None = None,
    ) -> NewToken:
        """Make a token with some of the caller's rights (roles by pattern) and time; all of them where nothing is said.

        `expiration` is an aware time. Raises `BadInput` for more than the caller has.
        """
        body = {
            "name": name,
            "primary_namespace": primary_namespace,
            "expiration": expiration.isoformat() if expiration else None,
            "role_bindings": {key: list(roles) for key, roles in role_bindings.items()} if role_bindings else None,
        }
        sent = {key: value for key, value in body.items() if value is not None}
        return self._connection.data("POST", "token/", NewToken.of, json=sent)

    def revoke_token(self, token_id: int) -> None:
        """Let one of the caller's tokens count no longer."""
        self._connection.tell("DELETE", f"token/{token_id}/")
