"""Several people, as a service with accounts knows them: an authenticator for tests, and clients in their names."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from traitlets import Dict, List, Unicode

from conda_store.auth.base import Authenticator, SignedIn
from conda_store.auth.permissions import Grant, Identity
from tests.server import Server, Site, running

# A Hub takes no token with a space in it.
_SECRET = "secret-of-"  # noqa: S105


class PeopleAuthenticator(Authenticator):
    """Knows `people` and the groups of each; everybody's token and password is `secret_of(name)`."""

    people = Dict(value_trait=List(Unicode()), key_trait=Unicode(), help="Name → groups.").tag(config=True)
    grants = Dict(key_trait=Unicode(), help="Name → pattern → role: what the service itself says of a person.").tag(
        config=True
    )

    async def by_secret(self, secret: str) -> Identity | None:
        name = secret.removeprefix(_SECRET)
        return self._find(name, proof=f"person:{name}") if secret.startswith(_SECRET) else None

    async def by_proof(self, proof: str) -> Identity | None:
        return self._find(proof.removeprefix("person:"), proof=proof) if proof.startswith("person:") else None

    async def by_name(self, name: str) -> Identity | None:
        return self._find(name)

    async def by_password(self, name: str, password: str) -> SignedIn | None:
        found = self._find(name) if password == secret_of(name) else None
        return None if found is None else SignedIn(found)

    def without_credentials(self) -> Identity:
        return Identity(name=None, grants=())

    def _find(self, name: str, proof: str = "") -> Identity | None:
        if name not in self.people:
            return None
        grants = tuple(Grant(pattern, role) for pattern, role in self.grants.get(name, {}).items())
        return Identity(name, grants, proof=proof, groups=tuple(self.people[name]))


def secret_of(name: str) -> str:
    """The token and password of a person."""
    return f"{_SECRET}{name}"


def header_of(name: str | None) -> dict[str, str]:
    """What a person's client sends, as Basic, which takes every name; None is nobody."""
    if name is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(f':{secret_of(name)}'.encode()).decode()}"}


def client_of(server: Site, name: str | None) -> httpx.Client:
    """Speaks to `<prefix>api/v1/` as a person; the caller closes it."""
    return httpx.Client(base_url=server.api.base_url, headers=header_of(name), timeout=30)


@contextmanager
def peopled(directory: Path, people: Mapping[str, Sequence[str]], **options: Any) -> Iterator[Server]:
    """A server that knows `people` (name → groups); `options` as for `running`."""
    known = {"authenticator_class": PeopleAuthenticator, "PeopleAuthenticator__people": dict(people)}
    with running(directory, **known, **options) as server:
        yield server
