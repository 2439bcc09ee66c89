"""Signing in at an identity provider: who gets in, as whom, with which groups, and what proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from traitlets.config import Config

from conda_store.auth.credentials import SESSION_COOKIE
from conda_store.auth.oauth import SECRET_VARIABLE, OAuth2Authenticator
from conda_store.auth.people_claims import value_of
from conda_store.auth.presets import (
    PROVIDERS,
    GitHubAuthenticator,
    GitLabAuthenticator,
    GoogleAuthenticator,
    KeycloakAuthenticator,
)
from conda_store.db.orm import AuditRow, SessionRow
from conda_store.errors import BadInput
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider
from tests.server import Server, running

GROUPS = {"ana": {"groups": ["data", "/lab/ml"]}, "ben": {"groups": ["art"]}}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider(people=dict(GROUPS)) as provider:
        yield provider


@pytest.fixture(scope="module")
def server(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), provider, allow_all=True) as server:
        yield server


@contextmanager
def serving(
    directory: Path, provider: Provider, kind: type[OAuth2Authenticator] = OAuth2Authenticator, **options: Any
) -> Iterator[Server]:
    """A server whose people are those of `provider`; `options` are those of `kind`."""
    known = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "cache_seconds": 0, "refresh_seconds": 0}
    if kind is OAuth2Authenticator:
        known |= {"issuer": provider.issuer, "groups_claim": "groups"}
    given = {f"{kind.__name__}__{name}": value for name, value in {**known, **options}.items()}
    with running(directory, authenticator_class=kind, **given) as server:
        yield server


def sign_in(server: Server, provider: Provider, who: str = "ana", mistake: str = "") -> httpx.Response:
    """The last answer of the way there and back, as a browser goes it."""
    provider.who, provider.mistake = who, mistake
    with httpx.Client(base_url=server.web.base_url) as browser:
        away = browser.get("login/")
        if away.status_code != 302:
            return away
        back = httpx.get(away.headers["location"])
        return come_back(server, dict(away.cookies), back.headers["location"])


def come_back(server: Server, cookies: dict[str, str], place: str) -> httpx.Response:
    """The browser with these cookies follows the provider's answer."""
    with httpx.Client(cookies=cookies) as browser:
        return browser.get(place)


def session_of(server: Server, answer: httpx.Response) -> httpx.Client:
    """A browser with the session that somebody signed in to; the caller closes it."""
    assert answer.status_code == 200, answer.text
    return httpx.Client(base_url=server.web.base_url, cookies={SESSION_COOKIE: answer.cookies[SESSION_COOKIE]})


def roles(client: httpx.Client, **more: Any) -> dict[str, list[str]] | None:
    """What the caller may do; None for nobody."""
    answer = client.get("api/v1/permission/", **more)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return dict(data["entity_roles"]) if data["authenticated"] else None


def bearer(token: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {token}"}}


def new_token(browser: httpx.Client, **asked: Any) -> str:
    made = browser.post("api/v1/token/", json=asked)
    assert made.status_code == 200, made.text
    return str(made.json()["data"]["token"])


def test_people_have_their_own_and_their_groups_namespaces(server: Server, provider: Provider) -> None:
    with (
        session_of(server, sign_in(server, provider)) as ana,
        session_of(server, sign_in(server, provider, "ben")) as ben,
    ):
        assert roles(ana) == {
            "ana/*": ["admin"],
            "data/*": ["developer"],
            "default/*": ["viewer"],
            "filesystem/*": ["viewer"],
        }
        found = roles(ben)
        assert found is not None and found["art/*"] == ["developer"] and "data/*" not in found
        assert ana.post("logout/").status_code == 303 and roles(ana) is None
        assert roles(ben) is not None
    assert provider.seen["code_challenge_method"] == "S256" and provider.seen["scope"] == "openid profile email"


def test_the_database_holds_nothing_in_clear_text(server: Server, provider: Provider) -> None:
    session_of(server, sign_in(server, provider)).close()
    with server.app.database.read() as session:
        shown = str([vars(row) for row in session.scalars(select(SessionRow))])
    assert "ana" in shown
    assert [secret for secret in (*provider.secrets, "data") if secret in shown] == []


@pytest.mark.parametrize(
    ("mistake", "status", "words"),
    [
        ("access denied", 403, "The &lt;b&gt;owner&lt;/b&gt; said no."),
        ("no code", 403, "not let in"),
        ("mixed up", 403, "does not come from"),
        ("wrong nonce", 403, "another sign-in"),
        ("no nonce", 403, "another sign-in"),
        ("other audience", 403, "Audience"),
        ("other party", 403, "another service"),
        ("other issuer", 403, "issuer"),
        ("expired", 403, "expired"),
        ("other key", 403, "Signature"),
        ("unknown key", 403, "key that the provider does not have"),
        ("unsigned", 403, "proves nothing"),
        ("signed with what is public", 403, "proves nothing"),
        ("no id token", 403, "proves nothing"),
        ("other subject", 403, "somebody else"),
        ("client unknown", 403, "does not know this server"),
        ("scope too narrow", 403, "tells nothing about you"),
        ("no token", 503, "does not answer"),
        ("odd token", 503, "does not answer"),
        ("token down", 503, "does not answer"),
        ("token no json", 503, "does not answer"),
        ("userinfo down", 503, "does not answer"),
        ("userinfo no json", 503, "does not answer"),
    ],
)
def test_what_proves_nothing_lets_nobody_in(
    server: Server, provider: Provider, mistake: str, status: int, words: str
) -> None:
    answer = sign_in(server, provider, mistake=mistake)
    assert answer.status_code == status and words in answer.text, answer.text
    assert answer.headers["content-type"].startswith("text/html") and SESSION_COOKIE not in answer.cookies


def test_whom_the_provider_or_we_refuse_stands_in_the_audit_trail(provider: Provider, tmp_path: Path) -> None:
    with serving(tmp_path, provider, allowed_groups=["data"]) as server:
        assert sign_in(server, provider, mistake="other key").status_code == 403
        assert sign_in(server, provider, "ben").status_code == 403
        assert sign_in(server, provider, mistake="token down").status_code == 503
        with server.app.database.read() as session:
            rows = session.scalars(select(AuditRow).where(AuditRow.action == "session.refused").order_by(AuditRow.id))
            assert [row.details.get("name") for row in rows] == [None, "ben"]


@pytest.mark.parametrize("mistake", ["down", "discovery no json", "document of another", "no tls", "no keys"])
def test_a_provider_that_is_down_is_no_error_of_ours(mistake: str, provider: Provider, tmp_path: Path) -> None:
    with serving(tmp_path, provider, allow_all=True) as server:
        answer = sign_in(server, provider, mistake=mistake)
        assert answer.status_code == 503 and "does not answer" in answer.text
        assert server.web.get("").status_code == 200
        session_of(server, sign_in(server, provider)).close()


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"preferred_username": None}, "gives no &#39;preferred_username&#39;"),
        ({"preferred_username": ""}, "gives no"),
        ({"preferred_username": True}, "gives no"),
        ({"preferred_username": ["ana"]}, "gives no"),
        ({"preferred_username": "lab/ana"}, "leave out &#39;/&#39;"),
        ({"preferred_username": "service:ana"}, "leave out"),
        ({"preferred_username": "*"}, "leave out"),
        ({"preferred_username": " ana"}, "spaces around"),
        ({"preferred_username": "a\ud800b"}, "printable"),
        ({"preferred_username": "a" * 101}, "longer than 100 bytes"),
    ],
)
def test_who_has_no_name_that_can_be_used_is_told(
    server: Server, provider: Provider, claims: dict[str, Any], words: str
) -> None:
    provider.people["odd"] = claims
    answer = sign_in(server, provider, "odd")
    assert answer.status_code == 403 and words in answer.text, answer.text


@pytest.mark.parametrize("name", ["ana@lab.org", "Ana+x", "ana.b", "jürgen", "default"])
def test_odd_names(server: Server, provider: Provider, name: str) -> None:
    with session_of(server, sign_in(server, provider, name)) as browser:
        found = roles(browser)
    assert found is not None
    assert found[f"{name}/*"] == (["viewer"] if name == "default" else ["admin"]) and "ana/*" not in found


def test_an_answer_counts_once_and_only_where_it_was_asked_for(server: Server, provider: Provider) -> None:
    provider.who, provider.mistake = "ana", ""
    away = server.web.get("login/")
    server.web.cookies.clear()
    place = httpx.get(away.headers["location"]).headers["location"]
    cookies = dict(away.cookies)
    assert come_back(server, {}, place).status_code == 403
    changed = place.replace("state=", "state=x")
    assert come_back(server, cookies, changed).status_code == 403
    assert come_back(server, cookies, place).status_code == 200
    # A thief who has the cookie too comes too late.
    again = come_back(server, cookies, place)
    assert again.status_code == 403 and "did not confirm" in again.text
    odd = come_back(server, cookies, place.replace("code=", "code=%FF"))
    assert odd.status_code == 400


@pytest.mark.parametrize(
    ("options", "who", "is_in"),
    [
        ({"allowed_users": ["ana"]}, "ana", True),
        ({"allowed_users": ["ana"]}, "ben", False),
        ({"allowed_users": ["Ana"]}, "ana", False),
        ({"allowed_groups": ["data"]}, "ana", True),
        ({"allowed_groups": ["data"]}, "ben", False),
        ({"allowed_users": ["ben"], "allowed_groups": ["data"]}, "ben", True),
        ({"allowed_domains": ["Lab.example"]}, "verified", True),
        ({"allowed_domains": ["lab.example"]}, "unverified", False),
        ({"allowed_domains": ["lab.example"]}, "elsewhere", False),
        ({"allow_all": True, "username_claim": "email"}, "unverified", False),
    ],
)
def test_who_is_let_in(provider: Provider, tmp_path: Path, options: dict[str, Any], who: str, is_in: bool) -> None:
    provider.people |= {
        "verified": {"email": "v@LAB.example", "email_verified": True},
        "unverified": {"email": "u@lab.example", "email_verified": False},
        "elsewhere": {"email": "e@notlab.example", "email_verified": True},
    }
    with serving(tmp_path, provider, **options) as server:
        answer = sign_in(server, provider, who)
    assert answer.status_code == (200 if is_in else 403), answer.text
    assert is_in or "may not use this server" in answer.text or "not verified" in answer.text


def test_who_is_let_in_no_longer_is_out_at_the_next_start(provider: Provider, tmp_path: Path) -> None:
    with (
        serving(tmp_path, provider, allowed_users=["ana"]) as server,
        session_of(server, sign_in(server, provider)) as browser,
    ):
        cookies, token = dict(browser.cookies), new_token(browser)
    for allowed, is_known in (("ana", True), ("ben", False)):
        with serving(tmp_path, provider, allowed_users=[allowed]) as server:
            with httpx.Client(base_url=server.web.base_url, cookies=cookies) as browser:
                assert (roles(browser) is not None) is is_known
            assert (roles(server.web, **bearer(token)) is not None) is is_known


def options_of(**options: Any) -> Config:
    return Config({"OAuth2Authenticator": {"client_id": "x", "client_secret": "canary", "allow_all": True, **options}})


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_secret": ""}, "client_secret_file"),
        ({"client_secret": "", "client_secret_file": "/nowhere/at/all"}, "client_secret_file"),
        ({"issuer": ""}, "issuer"),
        ({"issuer": "", "authorize_url": "https://a.example/", "token_url": "https://a.example/"}, "issuer"),
        ({"issuer": "http://sso.example.org"}, "issuer"),
        ({"userdata_url": "ftp://a.example/"}, "userdata_url"),
        ({"allow_all": False}, "allow_all"),
        ({"ca_file": "/nowhere/at/all"}, "ca_file"),
    ],
)
def test_what_is_missing_is_named_at_start(
    options: dict[str, Any], option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    with pytest.raises(BadInput, match=rf"^c\.OAuth2Authenticator\.{option} ") as caught:
        OAuth2Authenticator(config=options_of(**{"issuer": "https://sso.example.org", **options}))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", PROVIDERS[1:])
def test_a_preset_names_its_own_options(kind: type[OAuth2Authenticator]) -> None:
    with pytest.raises(BadInput, match=rf"^c\.{kind.__name__}\.client_id "):
        kind()


def test_the_secret_may_be_in_a_file_or_the_environment(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{CLIENT_SECRET}\n")
    with serving(tmp_path / "a", provider, allow_all=True, client_secret="", client_secret_file=str(file)) as server:
        session_of(server, sign_in(server, provider)).close()
    monkeypatch.setenv(SECRET_VARIABLE, CLIENT_SECRET)
    with serving(tmp_path / "b", provider, allow_all=True, client_secret="") as server:
        session_of(server, sign_in(server, provider)).close()


def test_explicit_urls_and_no_issuer(provider: Provider, tmp_path: Path) -> None:
    urls = {
        f"{name}_url": f"{provider.url}/{path}"
        for name, path in (("authorize", "authorize"), ("token", "token"), ("userdata", "userinfo"))
    }
    with serving(tmp_path, provider, issuer="", scope=["profile"], allow_all=True, **urls) as server:
        with session_of(server, sign_in(server, provider)) as browser:
            found = roles(browser)
        assert found is not None and found["data/*"] == ["developer"]
        assert "nonce" not in provider.seen
        assert sign_in(server, provider, mistake="client unknown").status_code == 403


def test_github(tmp_path: Path) -> None:
    organizations = [{"login": "lab"}, {"login": "Other-Lab"}]
    teams = [{"slug": "ml", "organization": {"login": "lab"}}, {"slug": "ops", "organization": {"login": "lab"}}]
    with running_provider(organizations=organizations, teams=teams, gives_refresh=False, lifetime=None) as github:
        options = {"base_url": github.url, "allowed_groups": ["lab.ml"]}
        with serving(tmp_path, github, GitHubAuthenticator, **options) as server:
            with session_of(server, sign_in(server, github, "Ana")) as browser:
                found = roles(browser)
                assert found is not None and found["Ana/*"] == ["admin"]
                assert found["lab/*"] == found["lab.ml/*"] == found["Other-Lab/*"] == ["developer"]
                github.teams = []
                assert roles(browser) is None
            assert "nonce" not in github.seen and github.seen["scope"] == "read:org"
            again = sign_in(server, github, "Ana")
            assert again.status_code == 403 and "may not use this server" in again.text


def test_keycloak_says_what_it_lacks() -> None:
    with pytest.raises(BadInput, match=r"c\.KeycloakAuthenticator\.base_url is not set"):
        KeycloakAuthenticator(client_id="x", client_secret=CLIENT_SECRET, allow_all=True)


def test_where_github_is() -> None:
    known = {"client_id": "x", "client_secret": "y", "allow_all": True}
    public = GitHubAuthenticator(**known)
    assert (public.authorize_url, public.userdata_url) == (
        "https://github.com/login/oauth/authorize",
        "https://api.github.com/user",
    )
    own = GitHubAuthenticator(**known, base_url="https://github.example.org/")
    assert (own.token_url, own.userdata_url) == (
        "https://github.example.org/login/oauth/access_token",
        "https://github.example.org/api/v3/user",
    )


def test_gitlab(tmp_path: Path) -> None:
    claims = {"sub": "7", "nickname": "ana", "groups": ["data", "lab/ml"], "groups_direct": ["data"]}
    options = {"allowed_groups": ["data"]}
    with (
        running_provider(people={"ana": claims}) as gitlab,
        serving(tmp_path, gitlab, GitLabAuthenticator, base_url=f"{gitlab.url}/", **options) as server,
        session_of(server, sign_in(server, gitlab)) as browser,
    ):
        found = roles(browser)
    assert found is not None and found["ana/*"] == ["admin"] and found["data/*"] == ["developer"]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email": "ana@lab.org", "email_verified": True, "hd": "lab.org"}, 200),
        ({"email": "ana@lab.org", "email_verified": True}, 403),
        ({"email": "ana@lab.org", "email_verified": True, "hd": "other.org"}, 403),
        ({"email": "ana@lab.org", "email_verified": False, "hd": "lab.org"}, 403),
    ],
)
def test_google(tmp_path: Path, claims: dict[str, Any], status: int) -> None:
    with running_provider(people={"ana": claims}, in_id_token=tuple(claims)) as google:
        options = {"base_url": google.url, "allowed_domains": ["lab.org"]}
        with serving(tmp_path, google, GoogleAuthenticator, **options) as server:
            answer = sign_in(server, google)
            assert answer.status_code == status, answer.text
            assert google.seen["access_type"] == "offline"
            if status == 200:
                with session_of(server, answer) as browser:
                    found = roles(browser)
                assert found is not None and found["ana@lab.org/*"] == ["admin"]


def test_keycloak(tmp_path: Path) -> None:
    claims = {"groups": ["/lab/ml", "data"], "realm_access": {"roles": ["offline_access", "course"]}}
    with running_provider(people={"ana": claims}, issuer_path="/auth/realms/lab") as keycloak:
        options = {"base_url": f"{keycloak.url}/auth", "realm": "lab", "allow_all": True}
        for claim, group in (("groups", "data"), ("realm_access.roles", "course")):
            with (
                serving(tmp_path, keycloak, KeycloakAuthenticator, groups_claim=claim, **options) as server,
                session_of(server, sign_in(server, keycloak)) as browser,
            ):
                found = roles(browser)
            assert found is not None and found["ana/*"] == ["admin"] and found[f"{group}/*"] == ["developer"]


def test_a_path_leads_into_claims() -> None:
    claims = {"a": {"b": ["c"]}, "https://lab.example/groups": ["d"], "text": "e"}
    assert value_of(claims, "a.b") == ["c"] and value_of(claims, "https://lab.example/groups") == ["d"]
    assert value_of(claims, "a.x.y") is None and value_of(claims, "text.more") is None
