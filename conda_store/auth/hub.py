"""Who callers are, as a JupyterHub knows them: users by its OAuth, their tokens and those of its services.

The Hub is asked with its own client library. What it said is kept twice: for `cache_seconds` by `auth.callers`, so that
not every request asks; and here for longer, only for the time in which the Hub does not answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, cast
from urllib.parse import quote, urlencode

from cachetools import TTLCache
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.web import HTTPError
from traitlets import Float

from conda_store.auth.base import Authenticator, IdentityUnknown, SignedIn
from conda_store.auth.bindings import Bindings, RoleBindings
from conda_store.auth.hub_scopes import identity_of
from conda_store.auth.permissions import CredentialsInvalid, Identity
from conda_store.auth.signing_in import SigningIn
from conda_store.auth.tokens import fingerprint
from conda_store.errors import BadInput, ExtraMissing

_CACHED = 4096
# As `conda_store.hub.service` calls it.
_NAME = "conda-store"
_PROOF = "hub:"
_LONGEST_TOKEN = 1024


class HubAuthenticator(Authenticator):
    """Users, groups, services and tokens of a JupyterHub. Where the Hub is and who we are there says the environment
    that it gives to its services (JUPYTERHUB_API_URL, JUPYTERHUB_API_TOKEN, …)."""

    login_title = "Login with JupyterHub"
    outage_seconds = Float(
        300.0,
        min=0,
        help="Seconds for which somebody whom the Hub knew still gets in while it does not answer, so that pulls and "
        "builds survive its restart. Who is not remembered gets 503 then. A longer time also keeps those in whom the "
        "Hub shut out just before it went down. 0 lets nobody in without it.",
    ).tag(config=True)
    hub_seconds = Float(
        10.0, min=0.1, help="Seconds that the Hub has to answer one question; longer counts as down."
    ).tag(config=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        given = [self.config[name].get("api_token") for name in ("HubOAuth", "HubAuth") if name in self.config]
        if not (os.environ.get("JUPYTERHUB_API_TOKEN") or any(given)):
            raise BadInput(
                "HubAuthenticator needs a token of the Hub for itself, but JUPYTERHUB_API_TOKEN is not set: let the "
                "Hub start this server, or set what docs/jupyterhub.md lists under 'Started by somebody else'."
            )
        self._remembered: TTLCache[str, Mapping[str, Any]] = TTLCache(_CACHED, self.outage_seconds, time.monotonic)

    @cached_property
    def _bindings(self) -> Bindings:
        return RoleBindings(config=self.config).bindings()

    @cached_property
    def hub(self) -> Any:
        """JupyterHub's own client. Raises `ExtraMissing`."""
        try:
            from jupyterhub.services.auth import HubOAuth
        except ModuleNotFoundError as error:
            raise ExtraMissing(
                "HubAuthenticator needs the package jupyterhub, which is not installed: pip install 'conda-store[hub]'"
            ) from error
        hub = HubOAuth(parent=self)
        # The Hub tells only the services that it starts. Without a scope to ask for, every token of it would do.
        name = os.environ.get("JUPYTERHUB_SERVICE_NAME") or _NAME
        hub.access_scopes = hub.access_scopes or {f"access:services!service={name}"}
        if not hub.oauth_client_id:
            hub.oauth_client_id = f"service-{name}"
        return hub

    async def by_secret(self, secret: str) -> Identity | None:
        model = await self._model_of(secret)
        if model is None:
            return None
        return replace(self._identity(model), proof=f"{_PROOF}{self.sealer.seal(secret)}")

    async def by_proof(self, proof: str) -> Identity | None:
        secret = self.sealer.open(proof.removeprefix(_PROOF)) if proof.startswith(_PROOF) else None
        model = await self._model_of(secret) if secret else None
        return None if model is None else replace(self._identity(model), proof=proof)

    async def by_name(self, name: str) -> Identity | None:
        model = await self._asked(f"name:{name}", self._user(name))
        return None if model is None else self._identity(model)

    async def by_session(self, name: str, credential: str) -> Identity | None:
        model = await self._model_of(credential)
        found = None if model is None else self._identity(model)
        return found if found is not None and found.name == name else None

    async def by_password(self, name: str, password: str) -> SignedIn | None:
        """A token of the Hub serves as password, for programs that sign in with a form."""
        found = await self.by_secret(password)
        return None if found is None else SignedIn(found, password)

    async def elsewhere(self, attempt: SigningIn) -> str | None:
        asked = {
            "client_id": self.hub.oauth_client_id,
            "redirect_uri": self.hub.oauth_redirect_uri,
            "response_type": "code",
            "state": attempt.state,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.hub.oauth_authorization_url}?{urlencode(asked)}"

    async def by_answer(self, attempt: SigningIn, answer: Mapping[str, str]) -> SignedIn | None:
        if "error" in answer:
            reason = answer.get("error_description") or answer["error"]
            raise CredentialsInvalid(f"The Hub did not let you in: {reason[:200]}")
        if not answer.get("code"):
            return None
        token = await self._answer(self._token_for(answer["code"], attempt.verifier))
        found = await self.by_secret(token)
        return None if found is None else SignedIn(found, token)

    def without_credentials(self) -> Identity:
        return Identity(name=None, grants=())

    def _identity(self, model: Mapping[str, Any]) -> Identity:
        return identity_of(model, self._bindings.namespace_of)

    async def _model_of(self, secret: str) -> Mapping[str, Any] | None:
        """Whom a token belongs to, if it gives access to this service."""
        if not secret.isascii() or not secret.isprintable() or " " in secret or len(secret) > _LONGEST_TOKEN:
            return None
        question = self.hub.user_for_token(secret, use_cache=False, sync=False)
        model = await self._asked(f"token:{fingerprint(secret)}", question)
        wanted = self.hub.access_scopes
        if model is None or not self.hub.check_scopes(wanted, model):
            return None
        return model

    async def _asked(self, key: str, question: Awaitable[Any]) -> Mapping[str, Any] | None:
        """What the Hub says, or while it does not answer what it said last. Raises `IdentityUnknown`."""
        try:
            model = cast("Mapping[str, Any] | None", await self._answer(question))
        except IdentityUnknown:
            if key not in self._remembered:
                raise
            self.log.warning("The Hub does not answer: somebody whom it knew a while ago is let in.")
            return self._remembered[key]
        if model is None:
            self._remembered.pop(key, None)
        else:
            self._remembered[key] = model
        return model

    async def _answer(self, question: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self.hub_seconds):
                return await question
        except (HTTPError, TimeoutError, OSError) as error:
            self.log.warning("The Hub at %s was asked in vain: %s", self.hub.api_url, type(error).__name__)
            raise IdentityUnknown("JupyterHub, which knows who you are, does not answer: try again soon.") from error

    async def _token_for(self, code: str, verifier: str) -> str:
        """What a code is worth. Raises `CredentialsInvalid`: the Hub's own client has one error for that and for a Hub
        that does not answer."""
        grant = {
            "client_id": self.hub.oauth_client_id,
            "client_secret": self.hub.api_token,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.hub.oauth_redirect_uri,
            "code_verifier": verifier,
        }
        try:
            answer = await self._fetch(self.hub.oauth_token_url, method="POST", body=urlencode(grant))
        except HTTPClientError as error:
            if 400 <= error.code < 500:
                raise CredentialsInvalid("The Hub did not confirm your sign-in: sign in again.") from error
            raise HTTPError(502) from error
        return str(json.loads(answer.body)["access_token"])

    async def _user(self, name: str) -> Mapping[str, Any] | None:
        """A user by name; our own token may read users (`conda_store.hub.role`)."""
        headers = {"Authorization": f"token {self.hub.api_token}", "Accept": "application/json"}
        try:
            answer = await self._fetch(f"{self.hub.api_url.rstrip('/')}/users/{quote(name, safe='')}", headers=headers)
        except HTTPClientError as error:
            if error.code == 404:
                return None
            raise HTTPError(502) from error
        return cast("Mapping[str, Any]", json.loads(answer.body))

    async def _fetch(self, url: str, **request: Any) -> HTTPResponse:
        whole = HTTPRequest(
            url,
            request_timeout=self.hub_seconds,
            client_key=self.hub.keyfile or None,
            client_cert=self.hub.certfile or None,
            ca_certs=self.hub.client_ca or None,
            **request,
        )
        return await AsyncHTTPClient().fetch(whole)
