"""Who callers are, as an identity provider knows them: OpenID Connect, or OAuth 2 with an endpoint about people.

People sign in there with a browser. What the provider said is kept for each of them, with what to ask again; sessions
and the tokens that people made live on that (`visiting.py`). Presets for well-known providers are in `presets.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from traitlets import Bool, Dict, Float, List, Unicode

from conda_store.auth.base import Authenticator, SignedIn
from conda_store.auth.people_claims import Person, groups_in, person_in
from conda_store.auth.permissions import CredentialsInvalid, Identity
from conda_store.auth.provider import Provider, ProviderSettings, is_safe_url
from conda_store.auth.signing_in import SigningIn
from conda_store.auth.visiting import Visitors, VisitSettings
from conda_store.auth.visits import Visit
from conda_store.errors import BadInput
from conda_store.secret_options import SecretText

#: Holds the client secret where no option does.
SECRET_VARIABLE = "CONDA_STORE_CLIENT_SECRET"  # noqa: S105
_DAY = 86400.0
_URLS = ("issuer", "authorize_url", "token_url", "userdata_url")


class OAuth2Authenticator(Authenticator):
    """People of an identity provider, by the authorization code flow with PKCE (docs/login.md). Scripts and docker use
    the tokens that people make here."""

    login_title = Unicode(
        "Login", help="What the button says that leads to the provider. Example: 'Login with the lab account'"
    ).tag(config=True)
    client_id = Unicode(help="Name under which the provider knows this server. Example: 'conda-store'").tag(config=True)
    client_secret = SecretText(
        help="Secret that the provider gave for client_id. Better in client_secret_file, or in the environment "
        f"variable {SECRET_VARIABLE}, which are looked at when this is empty.",
    ).tag(config=True)
    client_secret_file = Unicode(
        help="Path of a file that holds the secret, readable for the server's user alone. Example: "
        "'/run/secrets/conda-store'"
    ).tag(config=True)
    issuer = Unicode(
        help="URL of an OpenID Connect provider: endpoints and keys are found below it, at "
        "/.well-known/openid-configuration. Empty for a provider without: then give the three URLs. Example: "
        "'https://sso.example.org/realms/lab'"
    ).tag(config=True)
    authorize_url = Unicode(help="URL of the page where people sign in. Default: as the issuer says.").tag(config=True)
    token_url = Unicode(help="URL at which a code becomes a token. Default: as the issuer says.").tag(config=True)
    userdata_url = Unicode(
        help="URL that tells who a token belongs to, in JSON. Default: as the issuer says, and if it has none, the id "
        "token alone counts."
    ).tag(config=True)
    scope = List(
        Unicode(),
        ["openid", "profile", "email"],
        help="Scopes to ask for. Without 'openid' no id token is asked for. Where a refresh token takes a scope, add "
        "it, so that people can be asked about while they are away. Example: ['openid', 'profile', 'offline_access']",
    ).tag(config=True)
    username_claim = Unicode(
        "preferred_username",
        help="Claim that is the user's name here, and of their namespace. It must be unique at the provider and must "
        "not be given to somebody else later; 'email' counts only when it is verified there.",
    ).tag(config=True)
    groups_claim = Unicode(
        help="Claim that lists the user's groups; dots lead into it. Empty by default: there are no groups. Example: "
        "'groups', or 'realm_access.roles'"
    ).tag(config=True)
    allow_all = Bool(False, help="Let in everyone whom the provider lets in.").tag(config=True)
    allowed_users = List(
        Unicode(), help="Names of users who are let in, besides those whom other options let in. Example: ['ana']"
    ).tag(config=True)
    allowed_groups = List(Unicode(), help="Groups whose members are let in. Example: ['data']").tag(config=True)
    allowed_domains = List(
        Unicode(),
        help="Domains: whoever has an e-mail address there that the provider has verified is let in. Example: "
        "['example.org']",
    ).tag(config=True)
    extra_authorize_params = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="More parameters for the page where people sign in. Example: {'prompt': 'select_account'}",
    ).tag(config=True)
    refresh_seconds = Float(
        600.0,
        min=0,
        help="Seconds after which the provider is asked again about somebody who is here, by a refresh token or an "
        "access token that still counts: new groups and a lost account take effect then. Less asks more often.",
    ).tag(config=True)
    outage_seconds = Float(
        3600.0,
        min=0,
        help="Seconds for which those whom the provider knew are let in while it does not answer, counted from when it "
        "should have been asked. Whoever signs in meanwhile gets 503.",
    ).tag(config=True)
    remember_days = Float(
        7.0,
        min=0,
        help="Days for which tokens that somebody made here count after the provider could last be asked about them: "
        "it gave no refresh token, or ended it. Signing in begins them anew. 0 ends tokens then at once.",
    ).tag(config=True)
    provider_seconds = Float(
        10.0, min=0.1, help="Seconds that the provider has to answer one question; longer counts as down."
    ).tag(config=True)
    ca_file = Unicode(
        help="Path of the certificates (PEM) that the provider's is checked against. Default: those of well-known "
        "authorities. Example: '/etc/ssl/lab.pem'"
    ).tag(config=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._check_options()

    @cached_property
    def provider(self) -> Provider:
        """What is asked."""
        urls = {name: getattr(self, name) for name in _URLS}
        who = (self.client_id, self._secret())
        return Provider(ProviderSettings(*who, **urls, seconds=self.provider_seconds, ca_file=self.ca_file))

    @cached_property
    def _visitors(self) -> Visitors:
        remembered = self.remember_days * _DAY
        kept = max(self.session_days, self.remember_days) * _DAY
        settings = VisitSettings(self.refresh_seconds, self.outage_seconds, remembered, kept, self._is_openid)
        return Visitors(self.provider, settings, self.person_in, self.groups_of)

    async def elsewhere(self, attempt: SigningIn) -> str | None:
        asked = {
            **self.extra_authorize_params,
            "client_id": self.client_id,
            "redirect_uri": attempt.callback,
            "response_type": "code",
            "scope": " ".join(self.scope),
            "state": attempt.state,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
            **({"nonce": _nonce(attempt)} if self._is_openid else {}),
        }
        place = urlsplit(await self.provider.authorize_url())
        return urlunsplit(place._replace(query="&".join(filter(None, [place.query, urlencode(asked)]))))

    async def by_answer(self, attempt: SigningIn, answer: Mapping[str, str]) -> SignedIn | None:
        place = self.provider.settings.place
        if self.issuer and answer.get("iss", self.issuer).rstrip("/") != self.issuer.rstrip("/"):
            raise CredentialsInvalid(f"This answer does not come from {place}: sign in again.")  # RFC 9207
        if "error" in answer:
            reason = answer.get("error_description") or answer["error"]
            raise CredentialsInvalid(f"{place} did not let you in: {reason[:200]}")
        if not answer.get("code"):
            return None
        granted = await self.provider.redeem(answer["code"], attempt.verifier, attempt.callback)
        visit = await self._visitors.met(granted, _nonce(attempt))
        who = self._identity(visit)
        if who is None:
            refused = CredentialsInvalid(f"'{visit.name}' of {place} may not use this server: ask who runs it.")
            refused.who = visit.name
            raise refused
        await self._visitors.greet(visit, self.memory)
        return SignedIn(who, visit.subject)

    async def by_session(self, name: str, credential: str) -> Identity | None:
        visit = await self._visitors.find(name, self.memory)
        is_same = visit is not None and visit.subject == credential and not visit.ended
        return self._identity(visit) if is_same else None

    async def by_name(self, name: str) -> Identity | None:
        return self._identity(await self._visitors.find(name, self.memory))

    # An access token of the provider's may have been given to another service: it proves nothing here.
    async def by_secret(self, secret: str) -> Identity | None:
        return None

    async def by_proof(self, proof: str) -> Identity | None:
        return None

    async def by_password(self, name: str, password: str) -> SignedIn | None:
        return None

    def without_credentials(self) -> Identity:
        return Identity(name=None, grants=())

    def person_in(self, claims: Mapping[str, Any]) -> Person:
        """Of whom `claims` tell. Raises `CredentialsInvalid`."""
        return person_in(claims, self.username_claim)

    async def groups_of(self, claims: Mapping[str, Any], access: str) -> tuple[str, ...]:
        """The groups of whom `claims` tell, with an access token of theirs."""
        return groups_in(claims, self.groups_claim) if self.groups_claim else ()

    def _identity(self, visit: Visit | None) -> Identity | None:
        """The caller; None when no option lets them in."""
        if visit is None or not self._lets_in(visit):
            return None
        return Identity(visit.name, (), primary_namespace=visit.name, groups=visit.groups)

    def _lets_in(self, visit: Visit) -> bool:
        domains = {domain.lower() for domain in self.allowed_domains} - {""}
        is_member = not set(self.allowed_groups).isdisjoint(visit.groups)
        return self.allow_all or visit.name in self.allowed_users or is_member or visit.domain in domains

    @property
    def _is_openid(self) -> bool:
        return bool(self.issuer) and "openid" in self.scope

    def _secret(self) -> str:
        if self.client_secret or not self.client_secret_file:
            return self.client_secret.strip() or os.environ.get(SECRET_VARIABLE, "").strip()
        try:
            return Path(self.client_secret_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise self._fault("client_secret_file", f"'{self.client_secret_file}' cannot be read: {error}") from None

    def _check_options(self) -> None:
        """Raises `BadInput` for what would only come out when somebody signs in."""
        if not self.client_id:
            raise self._fault("client_id", "is not set: register this server with the provider, and give its name here")
        if not self._secret():
            raise self._fault("client_secret_file", f"is not set, nor client_secret, nor {SECRET_VARIABLE}")
        missing = [name for name in _URLS[1:] if not getattr(self, name)]
        if not self.issuer and missing:
            raise self._fault("issuer", f"is not set, nor {' and '.join(missing)}: give the one or the others")
        for name in _URLS:
            if (url := getattr(self, name)) and not is_safe_url(url):
                raise self._fault(name, f"'{url}' is no https URL, and not on this machine")
        if not (self.allow_all or self.allowed_users or self.allowed_groups or self.allowed_domains):
            raise self._fault(
                "allow_all",
                "is False, and allowed_users, allowed_groups and allowed_domains are empty: nobody could sign in",
            )
        try:
            _ = self.provider
        except OSError as error:
            raise self._fault("ca_file", f"'{self.ca_file}' cannot be used: {error}") from None

    def _fault(self, option: str, what: str) -> BadInput:
        return BadInput(f"c.{type(self).__name__}.{option} {what}.")


def _nonce(attempt: SigningIn) -> str:
    """What ties an id token to an attempt; it does not give the verifier away."""
    return hmac.new(attempt.verifier.encode(), b"nonce", hashlib.sha256).hexdigest()
