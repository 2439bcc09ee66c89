"""Sessions are rows: the cookie is worth nothing without its row, and the row gives neither of its secrets away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from conda_store.auth.base import SignedIn
from conda_store.auth.credentials import SESSION_COOKIE
from conda_store.auth.permissions import Identity
from conda_store.auth.signing_in import SigningIn, cookie_of, find_attempt
from conda_store.db.orm import SessionRow
from conda_store.managers.sessions import SessionManager
from conda_store.sealing import Sealer
from tests.server import YAML, Server, running

ADMIN = "the administrator's own secret"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "server"


@pytest.fixture
def server(directory: Path) -> Iterator[Server]:
    with running(directory, DummyAuthenticator__token=ADMIN) as server:
        yield server


def sign_in(server: Server, **more: Any) -> httpx.Client:
    """A browser with a session."""
    answer = server.web.post("login/", json={"username": "admin", "password": ADMIN}, **more)
    assert answer.status_code == 200
    server.web.cookies.clear()
    return httpx.Client(base_url=server.web.base_url, cookies={SESSION_COOKIE: answer.cookies[SESSION_COOKIE]})


def name_of(server: Server, browser: httpx.Client) -> str | None:
    """Whom the server takes a browser for."""
    answer = browser.get("api/v1/permission/")
    assert answer.status_code == 200
    return str(answer.json()["data"]["primary_namespace"]) if answer.json()["data"]["authenticated"] else None


def forget(server: Server) -> None:
    """Let the time of the cache pass."""
    (site,) = [one.request_callback for one in server.app.service.servers]
    server.loop.call_soon_threadsafe(site.parts.callers.forget)  # type: ignore[attr-defined]


def test_the_database_gives_no_session_away(server: Server) -> None:
    with sign_in(server) as browser:
        assert name_of(server, browser) is not None
        with server.app.database.read() as session:
            (row,) = session.scalars(select(SessionRow)).all()
        shown = str(vars(row))
        assert browser.cookies[SESSION_COOKIE] not in shown and ADMIN not in shown and "dummy:" not in shown
        assert timedelta(days=6.9) < row.expires_on - datetime.now(UTC) < timedelta(days=7)


def test_logout_ends_the_session_and_not_only_the_cookie(server: Server) -> None:
    with sign_in(server) as browser, sign_in(server) as other:
        copy = dict(browser.cookies)
        assert browser.post("logout/").status_code == 303
        with httpx.Client(base_url=server.web.base_url, cookies=copy) as thief:
            assert thief.get("api/v1/environment/private/x/").json()["code"] == "credentials_invalid"
        assert name_of(server, other) is not None
    with server.app.database.read() as session:
        ended, going_on = session.scalars(select(SessionRow).order_by(SessionRow.id)).all()
    assert ended.ended_on is not None and ended.credential == "" and going_on.ended_on is None


def test_a_session_outlives_a_restart_but_not_a_new_token(server: Server, directory: Path) -> None:
    with sign_in(server) as browser:
        cookies = dict(browser.cookies)
    for token, is_known in ((ADMIN, True), ("another secret", False)):
        with (
            running(directory, DummyAuthenticator__token=token) as again,
            httpx.Client(base_url=again.web.base_url, cookies=cookies) as browser,
        ):
            assert (name_of(again, browser) is not None) is is_known


def test_a_session_ends_in_time_and_its_row_goes_with_the_next_one(server: Server) -> None:
    with sign_in(server) as browser:
        assert name_of(server, browser) is not None
        with server.app.database.write() as session:
            session.execute(update(SessionRow).values(expires_on=datetime.now(UTC)))
        forget(server)
        assert name_of(server, browser) is None
    sign_in(server).close()
    with server.app.database.read() as session:
        assert [row.id for row in session.scalars(select(SessionRow))] == [2]


def test_what_forms_carry_belongs_to_one_session(server: Server) -> None:
    with sign_in(server) as browser, sign_in(server) as other:
        token = other.get("create/").text.partition('name="form_token" value="')[2].partition('"')[0]
        form = {"namespace": "forms", "specification": YAML.format(name="form"), "form_token": token}
        assert len(token) == 64
        assert browser.post("create/", data=form).status_code == 403
        assert other.post("create/", data=form).status_code == 303


def test_on_https_the_cookie_is_for_https_only(tmp_path: Path) -> None:
    with running(
        tmp_path, DummyAuthenticator__token=ADMIN, trust_proxy=True, Authenticator__session_days=0.5
    ) as server:
        body = {"username": "admin", "password": ADMIN}
        for scheme in ("https", "http"):
            answer = server.web.post("login/", json=body, headers={"X-Forwarded-Proto": scheme})
            cookie = answer.headers["set-cookie"]
            assert ("Secure" in cookie) is (scheme == "https") and "Max-Age=43200" in cookie
            with sign_in(server, headers={"X-Forwarded-Proto": scheme}) as browser:
                assert ("Log out" in browser.get("").text) is True


def test_a_credential_is_sealed_and_worthless_under_another_secret(server: Server) -> None:
    manager = SessionManager(server.app.database, Sealer(b"a" * 32, "sessions"))
    secret = manager.begin(SignedIn(Identity("ana", ()), "her OAuth token"), timedelta(hours=1), "127.0.0.1")
    found = manager.find(secret)
    assert found is not None and (found.name, found.credential) == ("ana", "her OAuth token")
    with server.app.database.read() as session:
        assert "OAuth" not in str([vars(row) for row in session.scalars(select(SessionRow))])
    for sealer in (Sealer(b"b" * 32, "sessions"), Sealer(b"a" * 32, "something else")):
        assert SessionManager(server.app.database, sealer).find(secret) is None
    assert manager.find(secret + "x") is None and manager.find("") is None


def test_an_answer_counts_only_in_the_browser_that_asked(server: Server) -> None:
    sealer = Sealer(b"a" * 32, "sessions")
    attempt = SigningIn.begin("https://here.example/oauth_callback", "/create/")
    sealed = attempt.sealed(sealer)
    assert find_attempt(sealer, sealed, attempt.state) == attempt
    other = SigningIn.begin("https://here.example/oauth_callback", "/")
    assert attempt.cookie == cookie_of(attempt.state) != other.cookie and attempt.verifier != attempt.challenge
    for cookie, state in ((None, attempt.state), ("", ""), (sealed, other.state), (sealed, "ü"), (sealed[:-4], "x")):
        assert find_attempt(sealer, cookie, state) is None
    assert find_attempt(Sealer(b"b" * 32, "sessions"), sealed, attempt.state) is None
    answer = server.web.get("oauth_callback", params={"state": attempt.state, "code": "x"})
    assert answer.status_code == 403 and "not begun in this browser" in answer.text
