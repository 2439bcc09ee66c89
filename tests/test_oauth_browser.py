"""Signing in with a real browser at a provider that others wrote (oidc-provider-mock), with its page and its forms."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import sync_playwright

from conda_store.auth.oauth import OAuth2Authenticator
from tests.conftest import need
from tests.hubs import free_ports
from tests.server import YAML, running
from tests.visitors import FLAGS

START_SECONDS = 60.0
CLAIMS = '{"sub": "7", "email": "ana@lab.org", "email_verified": true, "groups": ["data"]}'


@contextmanager
def running_mock() -> Iterator[str]:
    """The provider as a process; its URL."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "oidc_provider_mock", f"--port={port}", "--require-nonce", "--user-claims", CLAIMS]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://localhost:{port}/.well-known/openid-configuration", process)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until somebody answers there."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"The provider did not start: {process.poll()}")


@pytest.fixture
def page() -> Iterator[Any]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=need("chromium"), args=FLAGS.split())
        yield chromium.new_page()
        chromium.close()


def test_a_browser_signs_in_builds_and_signs_out(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "environment.yaml"
    file.write_text(YAML.format(name="course"))
    with running_mock() as issuer:
        options = {
            "issuer": issuer,
            "client_id": "conda-store",
            "client_secret": "any",
            "username_claim": "email",
            "groups_claim": "groups",
            "allowed_domains": ["lab.org"],
            "refresh_seconds": 0,
            "cache_seconds": 0,
        }
        known = {f"OAuth2Authenticator__{name}": value for name, value in options.items()}
        with running(tmp_path / "server", authenticator_class=OAuth2Authenticator, **known) as server:
            root = f"{server.root}{server.app.prefix}"
            page.goto(root)
            page.click("text=Login")
            page.click("button:has-text('Deny')")
            # This provider forgets the state when it refuses: that proves nothing, so it is nobody's answer.
            page.wait_for_selector("text=not begun in this browser")
            page.goto(f"{root}login/?next={quote(f'{server.app.prefix}create/')}")
            page.click("button:has-text('7')")
            page.wait_for_url("**/create/")
            page.set_input_files("input[type=file]", file)
            page.click("button:has-text('Build')")
            page.wait_for_url("**/build/*/")
            # Twice, since a refresh token counts once at some providers.
            for _ in range(2):
                page.goto(root)
                page.wait_for_selector(".who:has-text('ana@lab.org')")
            assert "ana@lab.org/course" in page.text_content("main")
            roles = page.request.get(f"{root}api/v1/permission/").json()["data"]["entity_roles"]
            assert roles["ana@lab.org/*"] == ["admin"] and roles["data/*"] == ["developer"] and "*/*" not in roles
            page.click("text=Log out")
            page.wait_for_selector("text=Login")
            assert "ana@lab.org" not in page.text_content("body")
