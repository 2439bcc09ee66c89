"""After somebody signed in at an identity provider: asked again, revoked, away, down; and the tokens that they made."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.auth.visits import Visit
from conda_store.managers.acquaintances import AcquaintanceManager
from conda_store.sealing import Sealer
from tests.identity_provider import CLIENT_SECRET, Provider, running_provider
from tests.server import YAML, Server
from tests.test_oauth import bearer, new_token, roles, serving, session_of, sign_in


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider(people={"ana": {"groups": ["data"]}}) as provider:
        yield provider


def people_of(server: Server) -> AcquaintanceManager:
    """What the server keeps of people."""
    secret = (server.app.root / "cookie-secret").read_bytes()
    return AcquaintanceManager(server.app.database, Sealer(secret, "acquaintances"))


def visit_of(server: Server, name: str = "ana") -> Visit:
    """What the server keeps of somebody."""
    found = Visit.read(people_of(server).find(name) or "")
    assert found is not None
    return found


def test_changed_groups_reach_sessions_and_tokens(provider: Provider, tmp_path: Path) -> None:
    with (
        serving(tmp_path, provider, allow_all=True) as server,
        session_of(server, sign_in(server, provider)) as browser,
    ):
        token = new_token(browser, role_bindings={"data/*": ["viewer"], "ana/*": ["viewer"]})
        assert roles(server.web, **bearer(token)) == {"ana/*": ["viewer"], "data/*": ["viewer"]}
        provider.people["ana"] = {"groups": ["art"]}
        found = roles(browser)
        assert found is not None and found["art/*"] == ["developer"] and "data/*" not in found
        assert roles(server.web, **bearer(token)) == {"ana/*": ["viewer"]}
        # Each refresh token counted once, and the server went on with the newest.
        assert list(provider.refresh) == [visit_of(server).refresh]


def test_the_provider_is_asked_only_when_it_is_time(provider: Provider, tmp_path: Path) -> None:
    with (
        serving(tmp_path, provider, allow_all=True, refresh_seconds=600) as server,
        session_of(server, sign_in(server, provider)) as browser,
    ):
        before = provider.asked.copy()
        for _ in range(5):
            assert roles(browser) is not None
        assert provider.asked == before
        assert 590 < visit_of(server).next_on - time.time() <= 600


def test_of_several_processes_one_asks(provider: Provider, tmp_path: Path) -> None:
    with serving(tmp_path, provider, allow_all=True) as server:
        session_of(server, sign_in(server, provider)).close()
        people, day = people_of(server), timedelta(days=1)
        seen = people.find("ana")
        assert seen is not None
        assert people.keep("ana", "first", day, seen) and not people.keep("ana", "second", day, seen)
        assert people.find("ana") == "first" and people.find("Ana") is None
        assert people.keep("ana", "over", timedelta(0), None) and people.find("ana") is None
        assert not people.keep("nobody", "text", day, "something")


def test_who_is_gone_is_signed_out_and_their_tokens_count_for_a_while(provider: Provider, tmp_path: Path) -> None:
    for days, is_known in ((7, True), (0, False)):
        with (
            serving(tmp_path / str(days), provider, allow_all=True, remember_days=days) as server,
            session_of(server, sign_in(server, provider)) as browser,
        ):
            token = new_token(browser)
            provider.mistake = "gone"
            assert roles(browser) is None and roles(browser) is None
            assert (roles(server.web, **bearer(token)) is not None) is is_known
            asked = provider.asked.copy()
            roles(server.web, **bearer(token))
            assert provider.asked == asked
            session_of(server, sign_in(server, provider)).close()
            assert roles(server.web, **bearer(token)) is not None


def test_tokens_outlive_the_session_they_were_made_in(provider: Provider, tmp_path: Path) -> None:
    with serving(tmp_path, provider, allow_all=True) as server:
        with session_of(server, sign_in(server, provider)) as browser:
            token = new_token(browser)
            body = {"specification": YAML.format(name="course"), "namespace": "data"}
            assert browser.post("api/v1/specification/", json=body).status_code == 200
            assert browser.post("logout/").status_code == 303
        asked = {"scope": "repository:data/course:pull"}
        for password, status in ((token, 200), ("cst_wrong", 401), (next(iter(provider.access)), 401)):
            basic = {"Authorization": f"Basic {base64.b64encode(f'ana:{password}'.encode()).decode()}"}
            answer = httpx.get(f"{server.root}/v2/token", params=asked, headers=basic)
            assert answer.status_code == status, answer.text


def test_what_the_provider_gave_to_others_proves_nothing(provider: Provider, tmp_path: Path) -> None:
    with serving(tmp_path, provider, allow_all=True) as server:
        session_of(server, sign_in(server, provider)).close()
        (access,) = provider.access
        assert roles(server.web, **bearer(access)) is None
        login = server.web.post("login/", json={"username": "ana", "password": access})
        assert (
            login.status_code == 403 and login.json() if login.headers["content-type"] == "application/json" else True
        )


def test_while_the_provider_is_down_those_it_knew_are_let_in(provider: Provider, tmp_path: Path) -> None:
    with (
        serving(tmp_path, provider, allow_all=True) as server,
        session_of(server, sign_in(server, provider)) as browser,
    ):
        token = new_token(browser)
        for mistake in ("down", "token no json", "client unknown", "userinfo down", "scope too narrow"):
            provider.mistake = mistake
            assert roles(browser) is not None, mistake
            assert roles(server.web, **bearer(token)) is not None, mistake
        newcomer = sign_in(server, provider, "ben", mistake="token down")
        assert newcomer.status_code == 503 and "does not answer" in newcomer.text
        # A refresh token that was used while something else was down is kept.
        provider.mistake = ""
        assert roles(browser) is not None and not visit_of(server).ended


def test_no_longer_than_they_may(provider: Provider, tmp_path: Path) -> None:
    with (
        serving(tmp_path, provider, allow_all=True, outage_seconds=0) as server,
        session_of(server, sign_in(server, provider)) as browser,
    ):
        token = new_token(browser)
        provider.mistake = "down"
        for answer in (browser.get("api/v1/permission/"), server.web.get("api/v1/permission/", **bearer(token))):
            assert answer.status_code == 503 and answer.json()["code"] == "identity_unknown"
        basic = {"Authorization": f"Basic {base64.b64encode(f'ana:{token}'.encode()).decode()}"}
        assert httpx.get(f"{server.root}/v2/token", headers=basic).status_code == 503
        assert httpx.get(f"{server.root}/v2/").status_code == 401
        provider.mistake = ""
        assert roles(browser) is not None


def test_another_account_of_the_same_name_has_no_session(provider: Provider, tmp_path: Path) -> None:
    with serving(tmp_path, provider, allow_all=True) as server, session_of(server, sign_in(server, provider)) as first:
        provider.people["ana"] = {"sub": "another account"}
        assert roles(first) is None
        with session_of(server, sign_in(server, provider)) as second:
            assert roles(first) is None and roles(second) is not None


def test_who_is_renamed_signs_in_again(provider: Provider, tmp_path: Path) -> None:
    with (
        serving(tmp_path, provider, allow_all=True) as server,
        session_of(server, sign_in(server, provider)) as browser,
    ):
        provider.people["ana"] = {"preferred_username": "anna"}
        assert roles(browser) is None
        with session_of(server, sign_in(server, provider)) as again:
            found = roles(again)
            assert found is not None and found["anna/*"] == ["admin"] and "ana/*" not in found


def test_without_a_refresh_token_the_access_token_asks(provider: Provider, tmp_path: Path) -> None:
    provider.gives_refresh, provider.lifetime = False, None
    with (
        serving(tmp_path, provider, allow_all=True) as server,
        session_of(server, sign_in(server, provider)) as browser,
    ):
        provider.people["ana"] = {"groups": ["art"]}
        found = roles(browser)
        assert found is not None and found["art/*"] == ["developer"]
        provider.access.clear()
        assert roles(browser) is None


def test_an_access_token_that_is_over_asks_no_more(provider: Provider, tmp_path: Path) -> None:
    provider.gives_refresh, provider.lifetime = False, 1
    with (
        serving(tmp_path, provider, allow_all=True) as server,
        session_of(server, sign_in(server, provider)) as browser,
    ):
        while visit_of(server).can_be_asked_about(time.time()):
            assert roles(browser) is not None
        asked = provider.asked.copy()
        provider.people["ana"] = {"groups": ["art"]}
        found = roles(browser)
        assert found is not None and "data/*" in found and provider.asked == asked


def test_a_refresh_token_that_was_given_once_is_kept(provider: Provider, tmp_path: Path) -> None:
    with serving(tmp_path, provider, allow_all=True, refresh_seconds=600) as server:
        session_of(server, sign_in(server, provider)).close()
        first = visit_of(server).refresh
        provider.gives_refresh = False
        session_of(server, sign_in(server, provider)).close()
        assert first and visit_of(server).refresh == first


def test_what_only_an_id_token_tells_counts_until_the_next_one(tmp_path: Path) -> None:
    told = ("preferred_username", "groups")
    with (
        running_provider(people={"ana": {"groups": ["data"]}}, in_id_token=told, hidden=told) as provider,
        serving(tmp_path, provider, allow_all=True) as server,
        session_of(server, sign_in(server, provider)) as browser,
    ):
        provider.people["ana"] = {"groups": ["art"]}
        for mistake, group in (("no id token", "data/*"), ("no id token", "data/*"), ("", "art/*")):
            provider.mistake = mistake
            found = roles(browser)
            assert found is not None and found["ana/*"] == ["admin"]
            assert [name for name in found if name in ("data/*", "art/*")] == [group]


def test_no_secret_is_shown(provider: Provider, tmp_path: Path) -> None:
    file = tmp_path / "options.py"
    options = {
        "OAuth2Authenticator.client_secret": CLIENT_SECRET,
        "DummyAuthenticator.token": "canary: token",
        "ChannelCredentials.channels": {"https://c.example.org/a": {"kind": "bearer", "secret": "canary: channel"}},
        "ImageBuilder.base_image_credentials": {"ghcr.io": ["ana", "canary: base"]},
        "ServiceTokens.tokens": {"ci": {"sha256": "canary: service", "role_bindings": {"a/*": "viewer"}}},
        "CondaStore.database_url": "postgresql://ana:canary@127.0.0.1:port/name",
        "HubOAuth.api_token": "canary: Hub",
    }
    file.write_text("".join(f"c.{name} = {value!r}\n" for name, value in options.items()))
    serve = [sys.executable, "-m", "conda_store", "serve", f"--directory={tmp_path / 'server'}", "--port=0"]
    made = tmp_path / "made.py"
    for more in (
        ["--Application.show_config=True", f"--config={file}"],
        ["--Application.show_config_json=True", f"--config={file}"],
        [
            "--log-level=DEBUG",
            f"--config={file}",
            "--CondaStore.authenticator_class=conda_store.auth.oauth.OAuth2Authenticator",
        ],
        ["--generate-config", f"--config={made}", f"--OAuth2Authenticator.client_secret={CLIENT_SECRET}"],
    ):
        done = subprocess.run([*serve, *more], capture_output=True, text=True, timeout=60)
        assert done.stdout + done.stderr and "canary" not in done.stdout + done.stderr, more
    assert "client_secret" in made.read_text() and "canary" not in made.read_text()


@pytest.mark.parametrize("option", ["DummyAuthenticator.token", "CondaStore.database_url"])
def test_a_secret_of_the_wrong_type_is_not_shown_either(option: str, tmp_path: Path) -> None:
    file = tmp_path / "options.py"
    file.write_text(f"c.{option} = ['canary']\n")
    serve = [sys.executable, "-m", "conda_store", "serve", f"--directory={tmp_path / 'server'}", "--port=0"]
    done = subprocess.run([*serve, f"--config={file}"], capture_output=True, text=True, timeout=60)
    told = done.stdout + done.stderr
    assert done.returncode == 1 and f"c.{option} must be a text" in told and "canary" not in told, told


def test_no_secret_is_logged(provider: Provider, tmp_path: Path, caplog: Any, capfd: Any) -> None:
    caplog.set_level("DEBUG")
    with serving(tmp_path, provider, allow_all=True) as server:
        for mistake in ("", "client unknown", "other key", "userinfo down", "token no json"):
            sign_in(server, provider, mistake=mistake)
    own = [record.getMessage() for record in caplog.records if record.name.startswith("conda_store")]
    own += capfd.readouterr().err.splitlines()
    assert any("does not count" in line for line in own) and any("oauth_callback" in line for line in own)
    hidden = [*provider.secrets, *provider.codes]
    assert [secret for secret in hidden if secret in "".join(own)] == []
