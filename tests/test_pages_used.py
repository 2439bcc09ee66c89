"""What people do with environments and builds on the pages, in a real browser, by mouse and by keys alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conda_store.db.orm import TagRow
from conda_store.registry.manifests import LAYER_GZIP, OCI_CONFIG, OCI_MANIFEST, Descriptor, canonical_json
from tests.people import client_of, peopled
from tests.registry_house import admit
from tests.server import Site
from tests.test_pages_created import WRITTEN, write
from tests.visitors import GRANTS, PEOPLE, chromium, install, submit, visiting


@pytest.fixture(scope="module")
def server(sample_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    channel = sample_channel.as_uri()
    options = {"default_channels": [channel], "allowed_channels": ["conda-forge", channel]}
    with peopled(tmp_path_factory.mktemp("used"), PEOPLE, PeopleAuthenticator__grants=GRANTS, **options) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def two_builds(server: Site, name: str) -> tuple[int, int]:
    """Numbers of two completed builds, the second of which is current."""
    found = submit(server, name, dependencies="[numpy]"), submit(server, name, dependencies="['numpy >=2']")
    for build_id, version in zip(found, ("1.26", "2.1"), strict=True):
        server.complete(build_id)
        install(server, build_id, {"name": "numpy", "version": version}, {"name": f"only-in-{build_id}"})
    return found


def current(server: Site, name: str) -> int:
    with client_of(server, "root") as client:
        return int(client.get(f"environment/lab/{name}/").json()["data"]["current_build_id"])


def test_environments_are_found_while_one_types_and_filters_live_in_the_address(browser: Any, server: Site) -> None:
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


def test_an_environment_is_edited_described_rolled_back_and_compared(browser: Any, server: Site) -> None:
    old, new = two_builds(server, "edited")
    with visiting(browser, server, "dan") as visitor:
        page = visitor.page
        visitor.open("environment/lab/edited/")
        page.click("summary:has-text('Add a description')")
        page.fill("textarea[name=description]", "Arrays for beginners")
        visitor.click("Save description")
        page.wait_for_selector("summary:has-text('Arrays for beginners')")
        page.click(f"tr:has(a:text-is('{old}')) button:text-is('Make current')")
        page.wait_for_selector(f"tr[aria-current] a:text-is('{old}')")
        assert current(server, "edited") == old
        visitor.click("Compare")
        page.wait_for_url(f"**/build/{old}/diff/{new}/")
        assert page.inner_text("tr:has-text('numpy')").split() == ["numpy", "1.26", "0", "2.1", "0", "newer"]
        assert "removed" in page.inner_text(f"tr:has-text('only-in-{old}')")
        visitor.open("environment/lab/edited/edit/")
        assert "numpy" in page.evaluate(WRITTEN) and ">=2" not in page.evaluate(WRITTEN)
        write(visitor, "name: edited\nchannels: [conda-forge]\ndependencies: [numpy, pandas]\n")
        visitor.click("Build")
        page.wait_for_url("**/build/*/")
        assert "lab/edited" in page.text_content("h1")
        visitor.click("Cancel")
        page.wait_for_selector("#status:has-text('CANCELED')")
        visitor.click("Rebuild")
        page.wait_for_selector("#status:has-text('QUEUED')")


def test_installed_packages_are_found_while_one_types(browser: Any, server: Site) -> None:
    _, new = two_builds(server, "searched")
    with visiting(browser, server, "vera") as visitor:
        page = visitor.page
        visitor.open("environment/lab/searched/")
        page.type("input[name=search]", "only")
        page.wait_for_selector("#installed:not(:has-text('numpy'))")
        assert f"only-in-{new}" in page.inner_text("#installed") and "search=only" in page.url


def test_deletions_ask_for_the_name(browser: Any, server: Site) -> None:
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


def test_the_documentation_and_the_api_are_there_to_read(browser: Any, server: Site) -> None:
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


def test_the_keyboard_alone_rolls_back_and_deletes(browser: Any, server: Site) -> None:
    old, new = two_builds(server, "rolled")
    with visiting(browser, server, "ada") as visitor:
        page, keys = visitor.page, visitor.page.keyboard
        visitor.open("?search=rolled")
        visitor.tab_to("a.name")
        keys.press("Enter")
        page.wait_for_url("**/environment/lab/rolled/")
        visitor.tab_to(f"button[aria-label$='build {old}'][aria-label^='Make']")
        keys.press("Enter")
        page.wait_for_selector(f"tr[aria-current] a:text-is('{old}')")
        assert current(server, "rolled") == old
        visitor.tab_to(f"a[aria-label='Delete build {new}']")
        keys.press("Enter")
        page.wait_for_url(f"**/build/{new}/delete/")
        visitor.tab_to("#confirmation")
        keys.type(str(new))
        keys.press("Enter")
        page.wait_for_url("**/environment/lab/rolled/")
        assert page.locator(f"tr:has(a:text-is('{old}'))").count() and not page.locator(f"a:text-is('{new}')").count()
        visitor.tab_to("a[href$='/rolled/delete/']")
        keys.press("Enter")
        page.wait_for_url("**/rolled/delete/")
        visitor.tab_to("#confirmation")
        keys.type("rolled")
        visitor.tab_to("main button", most=1)
        keys.press("Enter")
        page.wait_for_url(f"**{visitor.prefix}")
        assert visitor.open("environment/lab/rolled/").status in {403, 404}


def test_what_is_offered_of_an_environment_comes_and_commands_are_copied(browser: Any, server: Site) -> None:
    build_id = submit(server, "offered")
    server.complete(build_id, LOCKFILE=b"a lock", SBOM=b"{}", LOGS=b"well")
    with visiting(browser, server, "vera") as visitor:
        page = visitor.page
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        visitor.open("?search=offered")
        for name, expected in (("lockfile", b"a lock"), ("YAML", b"name: offered")):
            with page.expect_download() as download:
                visitor.click(name)
            assert expected in Path(download.value.path()).read_bytes()
        assert page.get_attribute("a:text-is('archive')", "href").endswith("/environment/lab/offered/archive/")
        host = server.root.removeprefix("http://")
        visitor.click("docker")
        page.wait_for_selector("button:text-is('Copied')")
        assert page.evaluate("navigator.clipboard.readText()") == f"docker pull {host}/lab/offered"
        visitor.open("environment/lab/offered/")
        page.click("button[aria-label='Copy the command'] >> visible=true")
        assert page.evaluate("navigator.clipboard.readText()") == f"docker run -it {host}/lab/offered"


def test_ways_to_use_it_are_tabs_for_the_arrows_too(browser: Any, server: Site) -> None:
    server.complete(submit(server, "tabbed"))
    with visiting(browser, server, "vera") as visitor:
        page, keys = visitor.page, visitor.page.keyboard
        visitor.open("environment/lab/tabbed/")
        names = page.locator("[role=tab]").all_inner_texts()
        assert names == ["docker", "on this machine", "micromamba or conda-lock", "archive", "installer"]
        assert "docker run" in page.inner_text("[role=tabpanel]:visible")
        visitor.tab_to("[role=tab]")
        for key, shown in (("ArrowRight", "conda activate"), ("End", "sh tabbed-"), ("ArrowRight", "docker run")):
            keys.press(key)
            assert shown in page.inner_text("[role=tabpanel]:visible")
            assert page.locator("[role=tab][aria-selected=true]").evaluate("one => one === document.activeElement")
        page.click("[role=tab]:text-is('micromamba or conda-lock')")
        assert "micromamba create" in page.inner_text("[role=tabpanel]:visible")


def test_a_log_is_followed_searched_wrapped_and_downloaded(browser: Any, server: Site) -> None:
    lease = server.begin(build_id := submit(server, "logged"))
    with visiting(browser, server, "dan") as visitor:
        page = visitor.page
        visitor.open(f"build/{build_id}/")
        server.tell(lease, *(f"line {number}" for number in range(200)))
        server.progress(lease, stage="link", done=3, total=10, note="numpy")
        page.wait_for_selector("#log:has-text('line 199')")
        page.wait_for_selector("#progress:has-text('link: numpy') progress[value='3'][max='10']")
        page.wait_for_function("() => document.querySelector('#log').scrollTop > 1000")
        page.fill("#find", "line 19")
        page.wait_for_selector("#found:has-text('11 of 200 lines')")
        page.fill("#find", "")
        page.uncheck("#wrap")
        page.uncheck("#follow")
        assert "wrapped" not in page.get_attribute("#log", "class").split()
        with page.expect_download() as download:
            visitor.click("download")
        assert Path(download.value.path()).read_text().splitlines()[199] == "line 199"
        server.progress(lease, stage="link", seconds=2.5, summary="10 packages linked")
        leave_image(server, "lab/other", b"shared")
        leave_image(server, "lab/logged", b"shared", b"own", build_id=build_id)
        with page.expect_navigation():
            server.complete_with(lease, LOCKFILE=b"a lock")
        assert "10 packages linked" in page.inner_text("[aria-label=Stages] tr:has(meter)")
        assert hashlib.sha256(b"a lock").hexdigest() in page.inner_text("#artifacts li:has-text('lockfile')")
        assert page.locator(".chart rect").count() == 2 and page.locator(".chart rect.shared").count() == 1
        assert "numpy" in page.inner_text("[aria-label=Specification]")


def leave_image(server: Site, repository: str, *layers: bytes, build_id: int | None = None) -> None:
    """An image of these layers, as if a build had made it."""
    config = {"history": [{"created_by": "conda-store: a layer"} for _ in layers]}
    files = [(OCI_CONFIG, canonical_json(config)), *((LAYER_GZIP, one) for one in layers)]
    stored = [Descriptor(kind, server.storage.put_blob(data), len(data)) for kind, data in files]
    manifest = {"config": stored[0].as_dict(), "layers": [one.as_dict() for one in stored[1:]]}
    data = canonical_json({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **manifest})
    image = Descriptor(OCI_MANIFEST, server.storage.put_blob(data), len(data))
    admit(server.database, server.storage, repository, image)
    with server.database.write() as session:
        session.add(TagRow(repository=repository, tag="latest", digest=image.digest, build_id=build_id))
