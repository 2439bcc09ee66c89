"""Tokens of services, such as a CI: named in the configuration, which holds no secret. They come from there alone."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import TraitError, validate
from traitlets.config import Configurable

from conda_store.auth.permissions import Grant, Identity
from conda_store.auth.tokens import fingerprint
from conda_store.errors import BadInput

#: How the name of such a service begins; no person gets in with a name like this.
SERVICE_PREFIX = "service-token:"
SHORTEST_SECRET = 32
_SOURCES = ("sha256", "token_file", "environment")
_KEYS = {*_SOURCES, "role_bindings", "primary_namespace"}
_EMPTY = fingerprint("")


@dataclass(frozen=True)
class ServiceToken:
    """One service, what it may do, and the sha256 of its token."""

    name: str
    secret_sha256: str
    grants: tuple[Grant, ...]
    primary_namespace: str = "default"

    @property
    def identity(self) -> Identity:
        """The service as a caller."""
        return Identity(
            name=f"{SERVICE_PREFIX}{self.name}",
            grants=self.grants,
            primary_namespace=self.primary_namespace,
            # Another one when the token is another one: what was got with the old one counts no longer.
            proof=f"{SERVICE_PREFIX}{self.name}:{self.secret_sha256[:16]}",
            has_namespace=False,
        )

    @property
    def role_bindings(self) -> dict[str, list[str]]:
        """Roles by pattern."""
        return self.identity.entity_roles()


class Services:
    """All services of a server."""

    def __init__(self, tokens: tuple[ServiceToken, ...] = ()) -> None:
        self.tokens = tokens
        self._by_secret = {one.secret_sha256: one.identity for one in tokens}
        self._by_proof = {one.identity.proof: one.identity for one in tokens}
        self._by_name = {one.identity.name: one.identity for one in tokens}

    def by_secret(self, secret: str) -> Identity | None:
        """Whose token this is."""
        return self._by_secret.get(fingerprint(secret)) if self.tokens else None

    def by_proof(self, proof: str) -> Identity | None:
        """The same by `Identity.proof`."""
        return self._by_proof.get(proof)

    def by_name(self, name: str) -> Identity | None:
        """The service of that name, for what it made itself."""
        return self._by_name.get(name)


class ServiceTokens(Configurable):
    """Tokens of services, for REST API and registry; docs/permissions.md tells how to make one."""

    tokens = AnyTrait(
        {},
        help="Services by name. Each says where its token is known from: 'sha256' (64 hex digits, of a token that only "
        "the service has), 'token_file' (a path that others may not read), or 'environment' (the name of a variable "
        "of the server); and what it may do: 'role_bindings', pattern → role or roles. 'primary_namespace' is "
        "'default' unless it says otherwise. Empty by default. Example: {'ci': {'token_file': '/run/secrets/ci', "
        "'role_bindings': {'data/*': 'developer'}, 'primary_namespace': 'data'}}",
    ).tag(config=True, secret=True)

    @validate("tokens")
    def _readable(self, proposal: Any) -> Any:
        try:
            list(_read(proposal["value"]))
        except BadInput as error:
            raise TraitError(f"c.ServiceTokens.tokens: {error.message}") from None
        return proposal["value"]

    def services(self) -> Services:
        """What the option says."""
        return Services(tuple(_read(self.tokens)))


def _read(tokens: Any) -> Iterator[ServiceToken]:
    if not isinstance(tokens, Mapping):
        raise BadInput("it is a dictionary of services by name.")
    seen: dict[str, str] = {}
    for name, said in tokens.items():
        one = _read_one(str(name), said)
        if (other := seen.setdefault(one.secret_sha256, one.name)) != one.name:
            raise BadInput(f"'{one.name}' and '{other}' have the same token: give each its own.")
        yield one


def _read_one(name: str, said: Any) -> ServiceToken:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise BadInput(f"'{name[:80]}' is no name of a service: use letters, digits, '.', '_' and '-'.")
    if not isinstance(said, Mapping) or not said.keys() <= _KEYS:
        raise BadInput(f"'{name}' is not a dictionary with some of {', '.join(sorted(_KEYS))}.")
    sources = [one for one in _SOURCES if one in said]
    if len(sources) != 1:
        raise BadInput(f"'{name}' has not one source of its token: choose one of {', '.join(_SOURCES)}.")
    primary = said.get("primary_namespace", "default")
    if not isinstance(primary, str) or not primary:
        raise BadInput(f"'{name}' has a primary_namespace that is no name.")
    sha256 = _SHA256_OF[sources[0]](name, str(said[sources[0]]))
    return ServiceToken(name, sha256, _grants(name, said.get("role_bindings")), primary)


def _grants(name: str, patterns: Any) -> tuple[Grant, ...]:
    if not isinstance(patterns, Mapping) or not patterns:
        raise BadInput(f"'{name}' has no role_bindings: write {{'namespace/*': 'developer'}}.")
    found = []
    for pattern, roles in patterns.items():
        for role in [roles] if isinstance(roles, str) else roles if isinstance(roles, list | tuple) else [None]:
            try:
                found.append(Grant(str(pattern), str(role)))
            except BadInput as error:
                raise BadInput(f"'{name}': {error.message}") from None
    return tuple(found)


def _given(name: str, text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text) or text == _EMPTY:
        raise BadInput(f"'{name}' has a sha256 that is not 64 hex digits of a token's sha256.")
    return text


def _of_file(name: str, text: str) -> str:
    path = Path(text)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            secret = file.read(4097).decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadInput(f"'{name}' has a token_file {path} that cannot be read: {reason}.") from None
    if mode & 0o027:
        raise BadInput(f"'{name}' has a token_file {path} that others can read or change: chmod 600 {path}")
    return _of_secret(name, secret, f"The file {path}")


def _of_variable(name: str, text: str) -> str:
    if text not in os.environ:
        raise BadInput(f"'{name}' has its token in the environment variable {text}, which is not set.")
    return _of_secret(name, os.environ[text], f"The environment variable {text}")


def _of_secret(name: str, secret: str, place: str) -> str:
    secret = secret.strip()
    if len(secret) < SHORTEST_SECRET or len(secret) > 4096 or not re.fullmatch(r"[!-~]+", secret):
        raise BadInput(
            f"{place} of '{name}' holds no token: it takes at least {SHORTEST_SECRET} letters, digits or signs in one "
            "line. `openssl rand -hex 32` makes one."
        )
    return fingerprint(secret)


_SHA256_OF = {"sha256": _given, "token_file": _of_file, "environment": _of_variable}
