"""What people do on the pages about themselves, namespaces and the deployment, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.people import client_of, peopled
from tests.server import Site
from tests.visitors import GRANTS, PEOPLE, chromium, submit, visiting


@pytest.fixture(scope="module")
def server(sample_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    channel = sample_channel.as_uri()
    options = {"default_channels": [channel], "allowed_channels": ["conda-forge", channel]}
    options["GarbageCollection__keep_deleted_days"] = 0
    with peopled(tmp_path_factory.mktemp("ruled"), PEOPLE, PeopleAuthenticator__grants=GRANTS, **options) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def test_a_namespace_is_made_shared_ruled_and_deleted(browser: Any, server: Site) -> None:
    with visiting(browser, server, "root") as visitor:
        page = visitor.page
        visitor.click("Namespaces", "header")
        for name in ("partners", "made"):
            visitor.open("namespace/")
            page.fill("input[name=namespace]", name)
            visitor.click("Create namespace")
            page.wait_for_url(f"**/namespace/{name}/")
        page.fill("input[name=other_namespace]", "partners")
        page.select_option("select[name=role]", "developer")
        visitor.click("Share")
        page.wait_for_selector("li:has-text('partners/* as developer')")
        visitor.click("Remove")
        page.wait_for_selector("text=Nobody besides those whose namespace it is.")
        page.click(".subnav a:text-is('Settings')")
        page.fill("#quota_environments", "many")
        visitor.click("Save settings")
        page.wait_for_selector("#failure:has-text('quota_environments')")
        assert page.input_value("#quota_environments") == "many"
        page.fill("#quota_environments", "7")
        visitor.click("Save settings")
        page.wait_for_selector("main:not(:has(#failure))")
        assert page.input_value("#quota_environments") == "7"
        visitor.open("namespace/made/")
        assert "0 of 7" in page.inner_text(".facts")
        page.click("text=Delete this namespace")
        page.fill("#confirmation", "made")
        visitor.click("Delete")
        page.wait_for_url("**/namespace/")
        assert not page.locator("main a:text-is('made')").count()


def test_a_token_is_made_copied_used_and_revoked(browser: Any, server: Site) -> None:
    with visiting(browser, server, "dan") as visitor:
        page = visitor.page
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.click(".who a")
        assert "developer" in page.inner_text("[aria-label=Roles] tr:has-text('lab/*')")
        page.fill("#token-name", "for scripts")
        page.fill("#pattern", "lab/*")
        visitor.click("Create token")
        secret = page.inner_text(".alert code")
        visitor.click("Copy")
        page.wait_for_selector("button:text-is('Copied')")
        assert page.evaluate("navigator.clipboard.readText()") == secret
        headers = {"Authorization": f"Bearer {secret}"}
        own = server.api.get("permission/", headers=headers).json()["data"]
        assert own["entity_roles"] == {"lab/*": ["viewer"]}
        visitor.open("user/")
        assert secret not in page.content()
        visitor.click("Revoke")
        page.wait_for_selector("#tokens ~ * :text-is('None.')")
        assert not server.api.get("permission/", headers=headers).json()["data"]["authenticated"]


def test_signing_out_ends_it(browser: Any, server: Site) -> None:
    with visiting(browser, server, "dan", anew=True) as visitor:
        visitor.click("Log out", "header")
        visitor.page.wait_for_selector("header a:has-text('Login')")
        assert visitor.open("user/").status == 403


def test_rules_of_an_environment_and_of_all_are_written_in_forms(browser: Any, server: Site) -> None:
    submit(server, "ruled")
    for name, path in (("ada", "environment/lab/ruled/"), ("root", "admin/")):
        with visiting(browser, server, name) as visitor:
            page = visitor.page
            visitor.open(path)
            page.click(".subnav a:text-is('Settings')")
            for written in ("AGPL-3.0-only\nGPL-*", ""):
                page.fill("#denied_licenses", written)
                with page.expect_navigation():
                    visitor.click("Save settings")
                assert page.input_value("#denied_licenses") == written and not page.locator("#failure").count()


def test_who_can_see_an_environment_is_told_with_the_reason(browser: Any, server: Site) -> None:
    submit(server, "seen")
    with visiting(browser, server, "dan") as visitor:
        visitor.open("environment/lab/seen/")
        visitor.page.click(".subnav a:text-is('Access')")
        assert visitor.page.locator("[aria-label=Access] tbody tr").count()
        visitor.open("namespace/lab/")
        visitor.page.click(".subnav a:text-is('Access')")
        assert visitor.page.locator("[aria-label=Access] tbody tr").count()


def test_an_administrator_cancels_looks_and_collects(browser: Any, server: Site) -> None:
    waiting, gone = submit(server, "waiting"), submit(server, "gone")
    server.complete(gone)
    with client_of(server, "root") as root:
        assert root.delete("environment/lab/gone/").status_code == 200
    with visiting(browser, server, "root") as visitor:
        page = visitor.page
        visitor.click("Administration", "header")
        page.click(f"button[aria-label='Cancel build {waiting}']")
        page.wait_for_selector("#status:has-text('CANCELED')")
        visitor.click("Administration", "header")
        assert not page.locator(f"button[aria-label='Cancel build {waiting}']").count()
        page.click(".subnav a:text-is('Storage')")
        assert not page.locator("button:text-is('Collect garbage')").count()
        visitor.click("Show what would go")
        assert "would go now" in page.inner_text("main")
        page.click("summary:text-is('Each of them')")
        assert str(gone) in page.inner_text("[aria-label='Each thing']")
        visitor.click("Collect garbage")
        page.wait_for_url("**/admin/storage/")
        page.click(".subnav a:text-is('Audit trail')")
        page.select_option("select[name=action]", "store.collected")
        visitor.click("Search")
        assert "root" in page.inner_text("[aria-label='Audit trail'] tbody") and "action=store.collected" in page.url
        page.click(".subnav a:text-is('Configuration')")
        assert "default_channels" in page.inner_text("[aria-label=Options]")
