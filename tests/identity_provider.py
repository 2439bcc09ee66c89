"""An identity provider in a thread: OpenID Connect with real keys, besides in the shape of GitHub; and its mistakes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

CLIENT_ID = "conda store"
CLIENT_SECRET = "canary: the client's secret %+/"  # noqa: S105


@dataclass
class Provider:
    """What it knows, and what it does wrong. `who` signs in; `people` are the claims of each, of which
    an id token has those `in_id_token`, and the userinfo endpoint lacks those `hidden`."""

    url: str = ""
    issuer_path: str = ""
    who: str = "ana"
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    mistake: str = ""
    gives_refresh: bool = True
    lifetime: int | None = 3600
    in_id_token: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    organizations: list[dict[str, Any]] = field(default_factory=list)
    teams: list[dict[str, Any]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        """Its own name."""
        return f"{self.url}{self.issuer_path}"

    @property
    def secrets(self) -> list[str]:
        """All that nobody may see."""
        return [CLIENT_SECRET, *self.access, *self.refresh]

    def claims_of(self, name: str) -> dict[str, Any]:
        """What it tells of somebody."""
        return {"sub": f"id-of-{name}", "preferred_username": name, **self.people.get(name, {})}

    def grant(self, name: str, nonce: str | None) -> dict[str, Any]:
        """An answer of the token endpoint."""
        access, refresh = secrets.token_urlsafe(), secrets.token_urlsafe()
        self.access[access] = name
        said: dict[str, Any] = {"access_token": access, "token_type": "Bearer"}
        said |= {"expires_in": self.lifetime} if self.lifetime else {}
        if self.gives_refresh:
            self.refresh[refresh] = name
            said["refresh_token"] = refresh
        if self.mistake != "no id token":
            said["id_token"] = self.id_token(name, nonce)
        return said

    def id_token(self, name: str, nonce: str | None) -> str:
        """Signed, unless that is the mistake."""
        known, now = self.claims_of(name), int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": known["sub"], "iat": now, "exp": now + 600}
        claims |= {name: known[name] for name in self.in_id_token if name in known}
        claims |= {"nonce": nonce} if nonce else {}
        claims |= {
            "wrong nonce": {"nonce": "of somebody else"},
            "no nonce": {"nonce": ""},
            "other audience": {"aud": "another service"},
            "other party": {"aud": [CLIENT_ID, "other"], "azp": "other"},
            "other issuer": {"iss": "https://elsewhere.example"},
            "expired": {"iat": now - 7200, "exp": now - 3600},
            "other subject": {"sub": "somebody else"},
        }.get(self.mistake, {})
        header = {"kid": "unknown" if self.mistake == "unknown key" else "one"}
        if self.mistake == "unsigned":
            return jwt.encode(claims, None, "none", headers=header)  # type: ignore[arg-type]
        if self.mistake == "signed with what is public":
            return jwt.encode(claims, self.jwks()["keys"][0]["n"], "HS256", headers=header)
        other = self.mistake == "other key"
        return jwt.encode(claims, rsa.generate_private_key(65537, 2048) if other else self.key, "RS256", headers=header)

    def jwks(self) -> dict[str, Any]:
        """Its public key."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}


class Handler(RequestHandler):
    """Counts what it is asked, and is down when told so."""

    provider: Provider

    def initialize(self, provider: Provider) -> None:
        self.provider = provider

    def prepare(self) -> None:
        kind = type(self).__name__.lower()
        self.provider.asked[kind] += 1
        if self.provider.mistake in ("down", f"{kind} down"):
            raise HTTPError(503)
        if self.provider.mistake == f"{kind} no json":
            self.finish("<h1>Welcome</h1>")

    def write_error(self, status_code: int, **_: Any) -> None:
        self.finish("<h1>Sorry</h1>")

    def signed_in(self) -> str:
        """Whose access token came along."""
        name = self.provider.access.get(self.request.headers.get("Authorization", "").removeprefix("Bearer "))
        if name is None:
            raise HTTPError(401)
        return name

    def say(self, data: Any, status: int = 200) -> None:
        """JSON, lists too."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(data))


class Discovery(Handler):
    def get(self) -> None:
        issuer = self.provider.issuer
        places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        said = {f"{name}_endpoint": f"{issuer}/{path}?x=1" for name, path in places.items()}
        said |= {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"}
        said |= {"document of another": {"issuer": "https://elsewhere.example"}}.get(self.provider.mistake, {})
        said |= {"no tls": {"token_endpoint": "http://sso.example.org/token"}}.get(self.provider.mistake, {})
        self.say(said)


class Keys(Handler):
    def get(self) -> None:
        self.say({"keys": []} if self.provider.mistake == "no keys" else self.provider.jwks())


class Authorize(Handler):
    def get(self) -> None:
        asked = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        self.provider.seen = asked
        back: dict[str, str] = {"state": asked["state"]}
        if self.provider.mistake == "access denied":
            back |= {"error": "access_denied", "error_description": "The <b>owner</b> said no."}
        elif self.provider.mistake != "no code":
            code = secrets.token_urlsafe()
            self.provider.codes[code] = {**asked, "who": self.provider.who}
            back["code"] = code
        if self.provider.mistake == "mixed up":
            back["iss"] = "https://elsewhere.example"
        self.redirect(f"{asked['redirect_uri']}?{urlencode(back)}")


class Token(Handler):
    def post(self) -> None:
        if self.provider.mistake == "no token":
            self.say({"token_type": "Bearer"})
        elif self.provider.mistake == "odd token":
            self.say({"access_token": "ü\n"})
        elif self.provider.mistake == "client unknown" or not self._is_ours():
            self.say({"error": "invalid_client"}, 401)
        elif self.get_body_argument("grant_type") == "refresh_token":
            self._renew()
        else:
            self._redeem()

    def _is_ours(self) -> bool:
        kind, _, value = self.request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            pair = base64.b64decode(value).decode().partition(":")
            return (unquote_plus(pair[0]), unquote_plus(pair[2])) == (CLIENT_ID, CLIENT_SECRET)
        names = ("client_id", "client_secret")
        return [self.get_body_argument(name, "") for name in names] == [CLIENT_ID, CLIENT_SECRET]

    def _redeem(self) -> None:
        asked = self.provider.codes.pop(self.get_body_argument("code"), None)
        digest = hashlib.sha256(self.get_body_argument("code_verifier").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        wanted = (challenge, self.get_body_argument("redirect_uri"))
        if asked is None or (asked["code_challenge"], asked["redirect_uri"]) != wanted:
            self.refuse("invalid_grant")
        else:
            self.say(self.provider.grant(asked["who"], asked.get("nonce")))

    def _renew(self) -> None:
        # A refresh token counts once.
        name = self.provider.refresh.pop(self.get_body_argument("refresh_token"), None)
        if name is None or self.provider.mistake == "gone":
            self.refuse("invalid_grant")
        else:
            self.say(self.provider.grant(name, None))

    def refuse(self, reason: str) -> None:
        """As RFC 6749 says."""
        self.say({"error": reason}, 400)


class Userinfo(Handler):
    def get(self) -> None:
        if self.provider.mistake == "scope too narrow":
            raise HTTPError(403)
        claims = self.provider.claims_of(self.signed_in())
        self.say({name: value for name, value in claims.items() if name not in self.provider.hidden})


class GitHubToken(Token):
    def refuse(self, reason: str) -> None:
        self.say({"error": "bad_verification_code"})


class GitHubUser(Handler):
    def get(self) -> None:
        name = self.signed_in()
        self.say({"login": name, "id": 4711, "email": None, **self.provider.people.get(name, {})})


class GitHubList(Handler):
    """One thing on each page."""

    def get(self, kind: str) -> None:
        self.signed_in()
        found = {"orgs": self.provider.organizations, "teams": self.provider.teams}[kind]
        page = int(self.get_query_argument("page", "1"))
        if page < len(found):
            place = f"{self.request.protocol}://{self.request.host}{self.request.path}?per_page=100&page={page + 1}"
            self.set_header("Link", f'<{place}>; rel="next", <{place}>; rel="last"')
        self.say(found[page - 1 : page])


_ROUTES = [
    (r"/.*\.well-known/openid-configuration", Discovery),
    (r"/(?:.*/)?jwks", Keys),
    (r"/(?:.*/)?authorize", Authorize),
    (r"/(?:.*/)?token", Token),
    (r"/(?:.*/)?userinfo", Userinfo),
    (r"/login/oauth/access_token", GitHubToken),
    (r"/api/v3/user", GitHubUser),
    (r"/api/v3/user/(orgs|teams)", GitHubList),
]


@contextmanager
def running_provider(**known: Any) -> Iterator[Provider]:
    """A provider that runs; `known` are fields of it."""
    provider, loop = Provider(**known), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="identity provider")
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(_served(provider), loop).result(30)
        yield provider
        asyncio.run_coroutine_threadsafe(_closed(server), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _served(provider: Provider) -> HTTPServer:
    routes = [(path, handler, {"provider": provider}) for path, handler in _ROUTES]
    server = HTTPServer(Application(routes, log_function=lambda _: None))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    provider.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    return server


async def _closed(server: HTTPServer) -> None:
    server.stop()
    await server.close_all_connections()
