"""Tokens of people and of the registry: what they give, when they end, and what one may not see."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy import select

from conda_store.auth.permissions import Grant, common, covers_all
from conda_store.auth.tokens import PREFIX, REGISTRY_TOKEN_SECONDS, RegistryTokens
from conda_store.db.orm import ManifestRow, TokenRow
from conda_store.registry.manifests import OCI_CONFIG, OCI_MANIFEST, Descriptor, canonical_json
from tests.jobs import until
from tests.registry_house import admit
from tests.server import Server, running

ADMIN = "the administrator's own secret"
UNKNOWN = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an administrator's token and three images: in default, in ours and in theirs."""
    with running(tmp_path_factory.mktemp("tokens"), DummyAuthenticator__token=ADMIN) as server:
        server.api.headers["Authorization"] = f"Bearer {ADMIN}"
        for namespace in ("default", "ours", "theirs"):
            server.submit("course", namespace)
            admit(server.app.database, server.storage, f"{namespace}/course", image_of(server, namespace), ["latest"])
        yield server


def image_of(server: Server, word: str) -> Descriptor:
    """An image of one blob that holds `word`."""
    storage = server.storage
    config = storage.put_blob(json.dumps({"word": word}).encode())
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}
    document["config"] = Descriptor(
        OCI_CONFIG, config, storage.size(f"blobs/sha256/{config[7:9]}/{config[7:]}")
    ).as_dict()
    data = canonical_json(document)
    return Descriptor(OCI_MANIFEST, storage.put_blob(data), len(data))


def new_token(server: Server, **asked: Any) -> str:
    answer = server.api.post("token/", json=asked)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["token"])


def refusal(server: Server, **asked: Any) -> str:
    answer = server.api.post("token/", json=asked)
    assert answer.status_code == 400, answer.text
    return str(answer.json()["message"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(password: str, user: str = "anyone") -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def registry_token(server: Server, headers: dict[str, str], *names: str) -> str:
    scopes = [("scope", f"repository:{name}:pull") for name in names]
    answer = httpx.get(f"{server.root}/v2/token", params=[("service", "conda-store"), *scopes], headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token"] == answer.json()["access_token"] and answer.json()["expires_in"] >= 60
    return str(answer.json()["token"])


def pull(server: Server, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and error code (or "")."""
    answer = httpx.get(f"{server.root}/v2/{path}", headers=headers)
    errors = answer.json().get("errors") if answer.status_code >= 400 else None
    return answer.status_code, errors[0]["code"] if errors else ""


def test_a_token_has_a_part_of_its_makers_rights(server: Server) -> None:
    token = new_token(server, role_bindings={"ours/*": ["viewer"]}, primary_namespace="ours")
    assert token.startswith(PREFIX)
    with httpx.Client(base_url=server.api.base_url, headers=bearer(token)) as client:
        told = client.get("permission/").json()["data"]
        assert told["authenticated"] and told["primary_namespace"] == "ours"
        assert told["entity_roles"] == {"ours/*": ["viewer"]} and told["expiration"].endswith("Z")
        listed = client.get("environment/").json()["data"]
        assert [one["namespace"]["name"] for one in listed] == ["ours"]
        assert client.get("environment/theirs/course/").status_code == 403
        assert client.post("specification/", json={"specification": "name: x"}).status_code == 403


def test_the_secret_is_shown_once_and_kept_nowhere(server: Server) -> None:
    token = new_token(server, name="for the cluster")
    listed = server.api.get("token/").json()["data"]
    assert listed[0]["name"] == "for the cluster" and token not in server.api.get("token/").text
    with server.app.database.read() as session:
        rows = session.scalars(select(TokenRow)).all()
    assert all(token not in str(vars(row)) for row in rows)


@pytest.mark.parametrize("alias", ["expiration", "exp"])
def test_it_ends_when_it_was_said_to(server: Server, alias: str) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    token = new_token(server, **{alias: end.isoformat()})
    told = httpx.get(f"{server.api.base_url}permission/", headers=bearer(token)).json()["data"]
    assert datetime.fromisoformat(told["expiration"]) == end
    with server.app.database.write() as session:
        row = session.scalars(select(TokenRow).order_by(TokenRow.id.desc())).first()
        assert row is not None
        row.expires_on = datetime.now(UTC) - timedelta(seconds=1)
    on_loop(server, "forget")
    answer = httpx.get(f"{server.api.base_url}environment/ours/course/", headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (403, "credentials_invalid")


def on_loop(server: Server, method: str) -> None:
    """Let the server look everybody up again, as it does after half a minute."""
    callers = server.app.service.servers[0].request_callback.parts.callers  # type: ignore[attr-defined]
    server.loop.call_soon_threadsafe(getattr(callers, method))


def test_more_than_one_has_cannot_be_given(server: Server) -> None:
    token = new_token(server, role_bindings={"ours/*": ["developer"]})
    with httpx.Client(base_url=server.api.base_url, headers=bearer(token)) as client:
        for bindings in ({"ours/*": ["admin"]}, {"*/*": ["viewer"]}, {"theirs/course": ["viewer"]}):
            answer = client.post("token/", json={"role_bindings": bindings})
            assert answer.status_code == 400 and "more rights than its maker" in answer.json()["message"]
        later = datetime.now(UTC) + timedelta(days=400)
        answer = client.post("token/", json={"expiration": later.isoformat()})
        assert answer.status_code == 400 and "cannot outlive" in answer.json()["message"]
        assert client.post("token/", json={"role_bindings": {"ours/course": ["editor"]}}).status_code == 200


def test_bad_input_is_named(server: Server) -> None:
    assert "no pattern" in refusal(server, role_bindings={"ours": ["viewer"]})
    assert "'king' is no role" in refusal(server, role_bindings={"ours/*": ["king"]})
    assert "over already" in refusal(server, expiration="2001-01-01T00:00:00Z")
    assert "expiration" in refusal(server, expiration="tomorrow")


def test_without_an_account_there_are_no_tokens(server: Server) -> None:
    for method, path in (("GET", "token/"), ("POST", "token/"), ("DELETE", "token/1/")):
        assert httpx.request(method, f"{server.api.base_url}{path}").status_code == 403


def test_revoked_it_counts_no_longer_in_its_registry_tokens_either(server: Server) -> None:
    token = new_token(server, role_bindings={"ours/*": ["viewer"]})
    short = registry_token(server, basic(token), "ours/course")
    path = "ours/course/manifests/latest"
    assert pull(server, path, bearer(short)) == pull(server, path, basic(token)) == (200, "")
    (number, *_) = [one["id"] for one in server.api.get("token/").json()["data"]]
    assert server.api.delete(f"token/{number}/").status_code == 200
    for headers in (bearer(short), basic(token), bearer(token)):
        assert pull(server, path, headers) == (401, "UNAUTHORIZED")
    assert httpx.get(f"{server.root}/v2/token", headers=basic(token)).status_code == 401
    assert server.api.delete(f"token/{number}/").status_code == 404


PATHS = ["manifests/latest", "tags/list", f"manifests/{UNKNOWN}", f"blobs/{UNKNOWN}", f"referrers/{UNKNOWN}"]


@pytest.mark.parametrize("path", PATHS)
def test_what_one_may_not_see_looks_like_what_does_not_exist(server: Server, path: str) -> None:
    viewer = new_token(server, role_bindings={"ours/*": ["viewer"]})
    with_short = bearer(registry_token(server, basic(viewer), "theirs/course", "theirs/nothing"))
    for headers in (bearer(viewer), basic(viewer), with_short):
        hidden = httpx.get(f"{server.root}/v2/theirs/course/{path}", headers=headers)
        missing = httpx.get(f"{server.root}/v2/theirs/nothin/{path}", headers=headers)
        assert (hidden.status_code, hidden.json()["errors"][0]["code"]) == (404, "NAME_UNKNOWN")
        assert hidden.text.replace("theirs/course", "") == missing.text.replace("theirs/nothin", "")
    # Nobody in particular, with and without a token that says so, hears that it takes credentials.
    nobody = bearer(registry_token(server, {}, "theirs/course"))
    for name in ("course", "nothing"):
        assert pull(server, f"theirs/{name}/{path}") == (401, "UNAUTHORIZED")
        assert pull(server, f"theirs/{name}/{path}", nobody) == (401, "UNAUTHORIZED")
        assert pull(server, f"theirs/{name}/{path}", basic("wrong")) == (401, "UNAUTHORIZED")


def test_a_digest_opens_nothing_under_another_name(server: Server) -> None:
    with server.app.database.read() as session:
        rows = session.scalars(select(ManifestRow).where(ManifestRow.repository == "theirs/course")).all()
    viewer = bearer(new_token(server, role_bindings={"ours/*": ["viewer"]}))
    assert len(rows) == 2
    for row in rows:
        code = "MANIFEST_UNKNOWN" if row.media_type else "BLOB_UNKNOWN"
        kind = "manifests" if row.media_type else "blobs"
        assert pull(server, f"ours/course/{kind}/{row.digest}", viewer) == (404, code)
        assert pull(server, f"theirs/course/{kind}/{row.digest}", {"Authorization": f"Bearer {ADMIN}"}) == (200, "")


def test_what_is_public_is_pulled_without_credentials(server: Server) -> None:
    nobody = bearer(registry_token(server, {}, "default/course"))
    for headers in ({}, nobody):
        assert pull(server, "default/course/manifests/latest", headers) == (200, "")
        answer = httpx.get(f"{server.root}/v2/_catalog", headers=headers)
        assert answer.json()["repositories"] == ["default/course"]
    everything = httpx.get(f"{server.root}/v2/_catalog", headers=basic(ADMIN)).json()["repositories"]
    assert everything == ["default/course", "ours/course", "theirs/course"]


def test_who_logs_in_with_a_narrow_token_still_pulls_what_is_public(server: Server) -> None:
    narrow = new_token(server, role_bindings={"ours/*": ["viewer"]})
    for headers in (basic(narrow), bearer(registry_token(server, basic(narrow), "default/course"))):
        assert pull(server, "default/course/manifests/latest", headers) == (200, "")
    listed = httpx.get(f"{server.root}/v2/_catalog", headers=basic(narrow)).json()["repositories"]
    assert listed == ["default/course", "ours/course"]


def test_a_client_learns_where_to_log_in(server: Server) -> None:
    answer = httpx.get(f"{server.root}/v2/")
    realm = f'Bearer realm="{server.root}/v2/token",service="conda-store"'
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == realm
    assert pull(server, "", bearer(registry_token(server, {}))) == (200, "")
    assert pull(server, "", bearer(registry_token(server, basic(ADMIN)))) == (200, "")
    refused = httpx.get(f"{server.root}/v2/token", headers=basic("wrong"))
    assert refused.status_code == 401 and refused.headers["WWW-Authenticate"].startswith("Basic ")
    assert "wrong, was revoked or has expired" in refused.json()["errors"][0]["message"]
    assert "wrong" not in refused.headers["WWW-Authenticate"]


def test_a_token_for_one_repository_asks_for_another_one(server: Server) -> None:
    short = registry_token(server, basic(ADMIN), "ours/course")
    answer = httpx.get(f"{server.root}/v2/theirs/course/manifests/latest", headers=bearer(short))
    assert answer.status_code == 401
    assert 'scope="repository:theirs/course:pull",error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_scopes_are_narrowed_to_what_may_be_pulled(server: Server) -> None:
    viewer = new_token(server, role_bindings={"ours/*": ["viewer"]})
    asked = "repository:ours/course:pull,push repository:theirs/course:pull registry:catalog:* repository:A//b:pull x"
    answer = httpx.get(f"{server.root}/v2/token", params={"scope": asked}, headers=basic(viewer))
    claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    assert claims["access"] == [{"type": "repository", "name": "ours/course", "actions": ["pull"]}]
    assert viewer not in json.dumps(claims) and claims["sub"] == "admin"


def test_the_form_of_oauth_serves_too(server: Server) -> None:
    form = {"grant_type": "password", "service": "conda-store", "username": "x", "password": ADMIN, "client_id": "c"}
    scope = "repository:ours/course:pull"
    answer = httpx.post(f"{server.root}/v2/token", data={**form, "scope": scope})
    assert answer.status_code == 200 and answer.json()["scope"] == scope
    assert answer.headers["Cache-Control"] == "no-store"
    assert pull(server, "ours/course/tags/list", bearer(answer.json()["access_token"])) == (200, "")
    assert httpx.post(f"{server.root}/v2/token", data={**form, "password": "wrong"}).status_code == 401
    assert httpx.post(f"{server.root}/v2/token", data={**form, "grant_type": "refresh_token"}).status_code == 400
    assert httpx.get(f"{server.root}/v2/token", params={"service": "elsewhere"}).status_code == 400
    assert httpx.put(f"{server.root}/v2/token").status_code == 405


def test_a_registry_token_ends_and_cannot_be_changed() -> None:
    tokens = RegistryTokens(b"s" * 32)
    text = tokens.issue("token:1", "ana", ["a/b"]).text
    read = tokens.read(text)
    assert read is not None and (read.proof, read.repositories) == ("token:1", frozenset({"a/b"}))
    head, body, signature = text.split(".")
    assert tokens.read(f"{head}.{body}.{signature[::-1]}") is None
    unsigned = jwt.encode(jwt.decode(text, options={"verify_signature": False}), "", "none")
    assert tokens.read(unsigned) is None
    assert RegistryTokens(b"t" * 32).read(text) is None
    before = datetime.now(UTC) - timedelta(seconds=301)
    assert tokens.read(tokens.issue("token:1", "ana", [], before).text) is None
    assert tokens.read("eyJ.e.30") is None and tokens.read("") is None


def test_a_registry_token_that_was_read_before_ends_too() -> None:
    tokens = RegistryTokens(b"s" * 32)
    text = tokens.issue("token:1", "ana", [], datetime.now(UTC) - timedelta(seconds=REGISTRY_TOKEN_SECONDS - 2)).text
    assert tokens.read(text) is not None
    until(lambda: tokens.read(text) is None)


def test_no_secret_is_logged(tmp_path: Path) -> None:
    options = ["--port=0", f"--directory={tmp_path}", f"--DummyAuthenticator.token={ADMIN}", "--log-level=DEBUG"]
    command = [sys.executable, "-m", "conda_store", "serve", *options]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    with process:
        root = process.stdout.readline().split()[-1]
        token = httpx.post(f"{root}api/v1/token/", headers=basic(ADMIN)).json()["data"]["token"]
        short = httpx.get(f"{root}v2/token?password={token}", headers=basic(token)).json()["token"]
        httpx.get(f"{root}v2/ours/course/manifests/latest?token={token}", headers=bearer(short))
        process.terminate()
    said = (tmp_path / "log").read_text()
    assert "/v2/token" in said and "ours/course" in said
    assert not any(secret in said for secret in (token, short, ADMIN))


def test_rights_are_compared_by_pattern() -> None:
    grants = (Grant("a*/*", "developer"), Grant("ours/*", "viewer"), Grant("ours/x", "admin"))
    assert covers_all(grants, Grant("ana/x", "viewer")) and covers_all(grants, Grant("ours/x", "admin"))
    assert not covers_all(grants, Grant("*/*", "viewer")) and not covers_all(grants, Grant("ours/y", "developer"))
    both = common(grants, (Grant("*/x", "admin"), Grant("ours/*", "admin")))
    assert set(both) == {Grant("ours/*", "viewer"), Grant("ours/x", "admin")}
