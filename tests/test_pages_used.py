"""What people do on the pages, in a real browser: create, roll back, compare, share, delete, by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.people import client_of, peopled
from tests.server import Server
from tests.visitors import GRANTS, PEOPLE, Visitor, chromium, install, submit, visiting

DROPS = """([text, name]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name));
    const drop = new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
    document.querySelector(".editor").dispatchEvent(drop);
}"""
WRITTEN = "document.querySelector('textarea[name=specification]').value"


@pytest.fixture(scope="module")
def server(sample_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    channel = sample_channel.as_uri()
    options = {"default_channels": [channel], "allowed_channels": ["conda-forge", channel]}
    with peopled(tmp_path_factory.mktemp("used"), PEOPLE, PeopleAuthenticator__grants=GRANTS, **options) as server:
        submit(server, "first")
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def two_builds(server: Server, name: str) -> tuple[int, int]:
    """Numbers of two completed builds, the second of which is current."""
    found = submit(server, name, dependencies="[numpy]"), submit(server, name, dependencies="['numpy >=2']")
    for build_id, version in zip(found, ("1.26", "2.1"), strict=True):
        server.complete(build_id)
        install(server, build_id, {"name": "numpy", "version": version}, {"name": f"only-in-{build_id}"})
    return found


def current(server: Server, name: str) -> int:
    with client_of(server, "root") as client:
        return int(client.get(f"environment/lab/{name}/").json()["data"]["current_build_id"])


def write(visitor: Visitor, text: str) -> None:
    """Write in the editor what stands there then."""
    visitor.page.click(".cm-content")
    visitor.page.keyboard.press("Control+A")
    visitor.page.keyboard.insert_text(text)


def test_one_writes_checks_and_builds(browser: Any, server: Server) -> None:
    with visiting(browser, server, "dan") as visitor:
        page = visitor.page
        visitor.click("Create environment", "header")
        assert page.locator("#namespace option").all_inner_texts() == ["dan", "lab"]
        page.select_option("#namespace", "lab")
        write(visitor, "name: written\ndependencies:\n  - numpy\n  - 7\n")
        page.wait_for_selector("#problems li:has-text('line 4')")
        page.wait_for_selector(".cm-lintRange-error")
        write(visitor, "name: written\ndependencies: [no-such-thing]\n")
        with page.expect_response("**/create/") as answered:
            visitor.click("Check")
        assert answered.value.status == 200
        page.wait_for_selector("#outcome:has-text('no-such-thing')")
        write(visitor, "name: written\ndependencies: [python, numpy]\n")
        page.wait_for_selector("#outcome:has-text('Before your last changes')")
        visitor.click("Check")
        page.wait_for_selector("#outcome:has-text('packages would be installed')")
        assert "Before" not in page.inner_text("#outcome")
        assert page.evaluate(WRITTEN).startswith("name: written")
        visitor.click("Build")
        page.wait_for_url("**/build/*/")
        assert "lab/written" in page.text_content("h1")


def test_what_was_written_survives_a_page_that_was_left(browser: Any, server: Server) -> None:
    with visiting(browser, server, "dan") as visitor:
        visitor.open("create/")
        write(visitor, "name: half")
        visitor.open("docs/")
        visitor.open("create/")
        assert visitor.page.evaluate(WRITTEN) == "name: half"


def test_a_file_is_dropped_or_chosen(browser: Any, server: Server, tmp_path: Path) -> None:
    with visiting(browser, server, "dan") as visitor:
        page = visitor.page
        visitor.open("create/")
        page.evaluate(DROPS, ["name: dropped\ndependencies: [numpy]\n", "environment.yaml"])
        page.wait_for_selector(".cm-content:has-text('dropped')")
        (tmp_path / "not-text.yaml").write_bytes(b"\xff\xfe")
        page.set_input_files("#file", tmp_path / "not-text.yaml")
        page.wait_for_selector("#problems:has-text('not UTF-8')")
        (tmp_path / "chosen.yaml").write_text("name: chosen\ndependencies: [numpy]\n")
        page.set_input_files("#file", tmp_path / "chosen.yaml")
        page.wait_for_selector(".cm-content:has-text('chosen')")
        visitor.click("Build")
        page.wait_for_url("**/build/*/")
        assert "dan/chosen" in page.text_content("h1")


def test_an_environment_is_edited_described_rolled_back_and_compared(browser: Any, server: Server) -> None:
    old, new = two_builds(server, "course")
    with visiting(browser, server, "dan") as visitor:
        page = visitor.page
        visitor.open("environment/lab/course/")
        page.click("summary:has-text('Add a description')")
        page.fill("textarea[name=description]", "Arrays for beginners")
        visitor.click("Save description")
        page.wait_for_selector("summary:has-text('Arrays for beginners')")
        page.click(f"tr:has(a:text-is('{old}')) button:text-is('Make current')")
        page.wait_for_selector(f"tr[aria-current] a:text-is('{old}')")
        assert current(server, "course") == old
        visitor.click("Compare")
        page.wait_for_url(f"**/build/{old}/diff/{new}/")
        assert page.inner_text("tr:has-text('numpy')").split() == ["numpy", "1.26", "0", "2.1", "0", "newer"]
        assert "removed" in page.inner_text(f"tr:has-text('only-in-{old}')")
        visitor.open("environment/lab/course/edit/")
        assert "numpy" in page.evaluate(WRITTEN) and ">=2" not in page.evaluate(WRITTEN)
        write(visitor, "name: course\nchannels: [conda-forge]\ndependencies: [numpy, pandas]\n")
        visitor.click("Build")
        page.wait_for_url("**/build/*/")
        assert "lab/course" in page.text_content("h1")
        visitor.click("Cancel")
        page.wait_for_selector("#status:has-text('CANCELED')")
        visitor.click("Rebuild")
        page.wait_for_selector("#status:has-text('QUEUED')")


def test_installed_packages_are_found_while_one_types(browser: Any, server: Server) -> None:
    _, new = two_builds(server, "searched")
    with visiting(browser, server, "vera") as visitor:
        page = visitor.page
        visitor.open("environment/lab/searched/")
        page.type("input[name=search]", "only")
        page.wait_for_selector("#installed:not(:has-text('numpy'))")
        assert f"only-in-{new}" in page.inner_text("#installed") and "search=only" in page.url


def test_deletions_ask_for_the_name(browser: Any, server: Server) -> None:
    old, _ = two_builds(server, "doomed")
    with visiting(browser, server, "ada") as visitor:
        page = visitor.page
        for path, expected in ((f"build/{old}/", str(old)), ("environment/lab/doomed/", "doomed")):
            visitor.open(path)
            page.click("main a:has-text('…')")
            page.fill("#confirmation", expected[:-1])
            assert not visitor.offers("main button")
            assert visitor.post(f"{path}delete/", confirmation=expected[:-1]) == 400
            page.fill("#confirmation", expected)
            visitor.click("Delete")
            page.wait_for_url(f"**{visitor.prefix}" if "doomed" in path else "**/environment/lab/doomed/")
            assert visitor.open(path).status in {403, 404}


def test_a_namespace_is_made_shared_ruled_and_deleted(browser: Any, server: Server) -> None:
    with visiting(browser, server, "root") as visitor:
        page = visitor.page
        visitor.click("Namespaces", "header")
        for name in ("friends", "made"):
            visitor.open("namespace/")
            page.fill("input[name=namespace]", name)
            visitor.click("Create namespace")
            page.wait_for_url(f"**/namespace/{name}/")
        page.fill("input[name=other_namespace]", "friends")
        page.select_option("select[name=role]", "developer")
        visitor.click("Share")
        page.wait_for_selector("li:has-text('friends/* as developer')")
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


def test_a_token_is_made_copied_used_and_revoked(browser: Any, server: Server) -> None:
    with visiting(browser, server, "dan") as visitor:
        page = visitor.page
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.click(".who a")
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


def test_signing_out_ends_it(browser: Any, server: Server) -> None:
    with visiting(browser, server, "dan") as visitor:
        visitor.click("Log out", "header")
        visitor.page.wait_for_selector("header a:text-is('Login')")
        assert visitor.open("user/").status == 403


def test_environments_are_found_while_one_types_and_filters_live_in_the_address(browser: Any, server: Server) -> None:
    two_builds(server, "sought")
    server.fail(submit(server, "broken"), "no")
    with visiting(browser, server, "vera") as visitor:
        page = visitor.page
        page.locator("input[name=search]").press_sequentially("sough")
        page.wait_for_selector("#results:has-text('1 environment')")
        assert "lab/sought" in page.inner_text("#results") and page.url.endswith("search=sough&sort=name")
        page.fill("input[name=search]", "")
        page.select_option("select[name=status]", "FAILED")
        page.wait_for_selector("#results:not(:has-text('lab/sought')):has-text('lab/broken')")
        address = page.url
        visitor.open("docs/")
        page.goto(address)
        assert page.input_value("select[name=status]") == "FAILED" and "lab/sought" not in page.inner_text("#results")


def test_the_documentation_and_the_api_are_there_to_read(browser: Any, server: Server) -> None:
    with visiting(browser, server) as visitor:
        visitor.open()
        visitor.click("Docs", "header")
        for link in visitor.page.eval_on_selector_all("main a[href]", "all => all.map(one => one.href)"):
            if not link.startswith("http://127.0.0.1"):
                continue
            assert visitor.context.request.get(link).status == 200, link
        visitor.click("the REST API")
        visitor.page.wait_for_url("**/docs/api/")
        assert "/api/v1/specification/check/" in visitor.page.inner_text("main")


def test_the_keyboard_alone_creates(browser: Any, server: Server) -> None:
    with visiting(browser, server, "dan") as visitor:
        page, keys = visitor.page, visitor.page.keyboard
        visitor.open()
        visitor.tab_to("a[href$='/create/']")
        keys.press("Enter")
        page.wait_for_selector(".cm-content")
        visitor.tab_to("#namespace")
        keys.press("l")
        visitor.tab_to(".cm-content")
        keys.type("name: typed\ndependencies:\n- numpy\n")
        # The tabulator leaves the editor.
        visitor.tab_to("button[value=build]", most=4)
        keys.press("Enter")
        page.wait_for_url("**/build/*/")
        assert "lab/typed" in page.text_content("h1")


def test_the_keyboard_alone_rolls_back(browser: Any, server: Server) -> None:
    old, _ = two_builds(server, "rolled")
    with visiting(browser, server, "dan") as visitor:
        visitor.open("?search=rolled")
        visitor.tab_to("a.name")
        visitor.page.keyboard.press("Enter")
        visitor.page.wait_for_url("**/environment/lab/rolled/")
        visitor.tab_to(f"button[aria-label$='build {old}'][aria-label^='Make']")
        visitor.page.keyboard.press("Enter")
        visitor.page.wait_for_selector(f"tr[aria-current] a:text-is('{old}')")
        assert current(server, "rolled") == old
