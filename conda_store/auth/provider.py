"""The questions that an identity provider answers: OAuth 2 (RFC 6749, RFC 7636) and OpenID Connect (Core, Discovery).

Here is how they are asked and when an answer counts; whom to let in is decided by `oauth.py`. Tokens are read by PyJWT.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

import jwt

from conda_store.auth.base import IdentityUnknown, is_loopback
from conda_store.auth.permissions import CredentialsInvalid
from conda_store.auth.visits import Granted

if TYPE_CHECKING:
    # Twenty megabytes, with what it brings for its command line: only servers that sign people in elsewhere need it.
    import httpx

log = logging.getLogger(__name__)

#: Only those whose keys are public: with any other one, whoever knows the provider's keys could sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: The token endpoint says that a grant counts no longer (RFC 6749, 5.2; GitHub has words of its own).
GONE = frozenset({"invalid_grant", "bad_verification_code", "bad_refresh_token", "invalid_token"})
_OURS = frozenset({"invalid_client", "unauthorized_client", "incorrect_client_credentials"})
_DOCUMENT = "/.well-known/openid-configuration"
_DOCUMENT_SECONDS = 3600.0
_LEEWAY_SECONDS = 60
_JSON = {"Accept": "application/json", "User-Agent": "conda-store"}
_TOO_MANY = 429
_MOST_PAGES = 20


class Refused(CredentialsInvalid):
    """The provider says no, or what it says proves nothing; `reason` is its word for it."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


def is_safe_url(url: str) -> bool:
    """Whether nobody on the way can read or change what is said there: https, or this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


@dataclass(frozen=True)
class ProviderSettings:
    """Where a provider is, and who we are there. Without `issuer` the three URLs are all that is known."""

    client_id: str
    client_secret: str = field(repr=False)
    issuer: str = ""
    authorize_url: str = ""
    token_url: str = ""
    userdata_url: str = ""
    seconds: float = 10.0
    ca_file: str = ""

    @property
    def place(self) -> str:
        """The provider's name, for people."""
        return urlsplit(self.issuer or self.authorize_url).netloc


class Provider:
    """Speaks to one provider. All raise `IdentityUnknown` while it does not answer."""

    def __init__(self, settings: ProviderSettings) -> None:
        import httpx

        self.settings = settings
        self._trust = (
            ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else httpx.create_ssl_context()
        )
        self._document: dict[str, Any] = {}
        self._document_until = 0.0
        self._keys: jwt.PyJWKSet | None = None

    async def authorize_url(self) -> str:
        """Where people sign in."""
        return self.settings.authorize_url or await self._endpoint("authorization_endpoint")

    async def redeem(self, code: str, verifier: str, callback: str) -> Granted:
        """What a code is worth. Raises `Refused`."""
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier}
        return await self._granted(grant)

    async def renew(self, refresh: str) -> Granted:
        """New tokens for an old refresh token, which may count on. Raises `Refused`."""
        found = await self._granted({"grant_type": "refresh_token", "refresh_token": refresh})
        return Granted(found.access, found.refresh or refresh, found.id_token, found.expires_on)

    async def userdata(self, access: str) -> dict[str, Any]:
        """What the provider tells of whom an access token belongs to; nothing where there is no such endpoint.

        Raises `Refused`.
        """
        url = self.settings.userdata_url
        if not url and self.settings.issuer:
            url = str((await self._described()).get("userinfo_endpoint", ""))
        return self._object(await self.get(url, access)) if url else {}

    async def all_of(self, url: str, access: str) -> list[dict[str, Any]]:
        """All pages of a list (RFC 8288: `Link` with `rel="next"`). Raises `Refused`."""
        found: list[dict[str, Any]] = []
        host = urlsplit(url).netloc
        for _ in range(_MOST_PAGES):
            answer = await self.get(url, access)
            said = self._json(answer)
            found += [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
            url = str(answer.links.get("next", {}).get("url", ""))
            if urlsplit(url).netloc != host:
                break
        return found

    async def get(self, url: str, access: str) -> httpx.Response:
        """An answer to somebody's access token. Raises `Refused`."""
        answer = await self._ask("GET", url, headers={**_JSON, "Authorization": f"Bearer {access}"})
        if answer.status_code == 401:
            raise Refused(f"{self.settings.place} does not let you in any more: sign in again.", "invalid_token")
        if answer.status_code == 403:
            # Too narrow a scope; from GitHub also too many questions.
            raise Refused(
                f"{self.settings.place} tells nothing about you ({urlsplit(url).path}): ask who runs this server."
            )
        return answer

    async def claims(self, id_token: str, nonce: str | None) -> dict[str, Any]:
        """What an id token says (Core, 3.1.3.7). Raises `Refused`; `nonce` is what it must hold, if it is new."""
        document = await self._described()
        try:
            said = jwt.decode(
                id_token,
                await self._key_of(id_token),
                algorithms=list(ALGORITHMS),
                audience=self.settings.client_id,
                issuer=str(document["issuer"]),
                leeway=_LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise self._unproven(str(error)) from error
        if said.get("azp", self.settings.client_id) != self.settings.client_id:
            raise self._unproven("it was made for another service")
        if nonce is not None and not hmac.compare_digest(str(said.get("nonce", "")).encode(), nonce.encode()):
            raise self._unproven("it belongs to another sign-in")
        return said

    async def _key_of(self, id_token: str) -> jwt.PyJWK:
        """The key that signed; keys change, so an unknown one is looked for again."""
        kid = jwt.get_unverified_header(id_token).get("kid")
        for is_fresh in (False, True):
            if self._keys is None or is_fresh:
                self._keys = await self._fetched_keys()
            found = [
                key for key in self._keys.keys if kid in (None, key.key_id) and key.public_key_use in (None, "sig")
            ]
            if found:
                return found[0]
        raise jwt.InvalidKeyError("it is signed with a key that the provider does not have")

    async def _fetched_keys(self) -> jwt.PyJWKSet:
        answer = await self._ask("GET", await self._endpoint("jwks_uri"), headers=_JSON)
        try:
            return jwt.PyJWKSet.from_dict(self._object(answer))
        except jwt.PyJWTError as error:
            raise self._down(f"its keys cannot be read: {error}") from error

    async def _granted(self, grant: Mapping[str, str]) -> Granted:
        url = self.settings.token_url or await self._endpoint("token_endpoint")
        answer = await self._ask("POST", url, **await self._proven(grant))
        said = self._object(answer) if answer.is_success else self._complaint(answer)
        # GitHub answers errors with status 200.
        if not answer.is_success or "error" in said:
            raise self._refusal(str(said.get("error", answer.status_code)))
        access, seconds = said.get("access_token"), said.get("expires_in")
        if not isinstance(access, str) or not access.isascii() or not access.isprintable():
            raise self._down("its token endpoint gives no token")
        ends = time.time() + float(seconds) if isinstance(seconds, int | float) and seconds > 0 else 0.0
        return Granted(access, str(said.get("refresh_token") or ""), str(said.get("id_token") or ""), ends)

    async def _proven(self, grant: Mapping[str, str]) -> dict[str, Any]:
        """A grant with the proof that it is we who show it: as Basic unless the provider wants it in the body."""
        ours = self.settings
        methods = (await self._described()).get("token_endpoint_auth_methods_supported") if ours.issuer else ()
        if methods is None or "client_secret_basic" in methods:
            # RFC 6749, 2.3.1: both parts are encoded like forms.
            pair = (quote_plus(ours.client_id), quote_plus(ours.client_secret))
            return {"data": dict(grant), "auth": pair, "headers": _JSON}
        data = {**grant, "client_id": ours.client_id, "client_secret": ours.client_secret}
        return {"data": data, "headers": _JSON}

    async def _endpoint(self, name: str) -> str:
        url = (await self._described()).get(name)
        if not isinstance(url, str) or not is_safe_url(url):
            self._document_until = 0.0
            raise self._down(f"its discovery document has no https URL as '{name}'")
        return url

    async def _described(self) -> dict[str, Any]:
        """The discovery document, kept for a while."""
        if time.monotonic() >= self._document_until:
            answer = await self._ask("GET", self.settings.issuer.rstrip("/") + _DOCUMENT, headers=_JSON)
            said = self._object(answer)
            if str(said.get("issuer", "")).rstrip("/") != self.settings.issuer.rstrip("/"):
                raise self._down("its discovery document is that of another issuer")
            self._document, self._document_until = said, time.monotonic() + _DOCUMENT_SECONDS
        return self._document

    async def _ask(self, method: str, url: str, **request: Any) -> httpx.Response:
        import httpx

        seconds = self.settings.seconds
        try:
            async with asyncio.timeout(seconds), httpx.AsyncClient(verify=self._trust, timeout=seconds) as client:
                answer = await client.request(method, url, **request)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise self._down(type(error).__name__) from error
        if answer.is_server_error or answer.status_code == _TOO_MANY:
            raise self._down(f"{url} answers {answer.status_code}")
        return answer

    def _object(self, answer: httpx.Response) -> dict[str, Any]:
        said = self._json(answer)
        if not isinstance(said, dict) or not answer.is_success:
            raise self._down(f"{answer.request.url.copy_with(query=None)} answers something else than it should")
        return said

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise self._down(f"{answer.request.url.copy_with(query=None)} answers no JSON") from error

    @staticmethod
    def _complaint(answer: httpx.Response) -> dict[str, Any]:
        try:
            said = answer.json()
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}

    def _refusal(self, reason: str) -> Refused:
        place = self.settings.place
        if reason in _OURS:
            log.error("%s does not accept our client id and secret (%s): check the options.", place, reason)
            return Refused(f"{place} does not know this server: tell who runs it.", reason)
        log.info("%s refused a grant: %s", place, reason[:100])
        return Refused(f"{place} did not confirm your sign-in: sign in again.", reason)

    def _unproven(self, why: str) -> Refused:
        log.warning("An id token of %s does not count: %s", self.settings.place, why)
        return Refused(f"What {self.settings.place} sent proves nothing ({why}): sign in again.", "invalid_token")

    def _down(self, why: str) -> IdentityUnknown:
        log.warning("%s was asked in vain: %s", self.settings.place, why)
        return IdentityUnknown(f"{self.settings.place}, where people sign in, does not answer: try again soon.")
