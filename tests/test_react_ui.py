"""The React UI that this API's users have, unmodified and in a real browser, against a real server that builds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from conda_store.executors.local import LocalExecutor
from tests.conftest import need
from tests.people import client_of, peopled, secret_of
from tests.react_ui import ReactUi, Visit, served
from tests.server import Server
from tests.visitors import FLAGS

PEOPLE = {"ana": ["data"], "ben": []}
ARTIFACTS = ["LOCKFILE", "YAML", "CONDA_PACK", "DOCKER_MANIFEST"]
LINKS = {
    "Show Docker image": "text/plain",
    "Show yml file": "application/yaml",
    "Show lockfile": "application/json",
    "Show Conda environment {} log": "text/plain",
    "Download archive": "application/gzip",
}


@pytest.fixture(scope="module")
def ui() -> Iterator[ReactUi]:
    with served() as ui:
        yield ui


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ReactUi]:
    """The same on another name of this machine: no cookie goes from there to the server."""
    with served("localhost") as ui:
        yield ui


@pytest.fixture(scope="module")
def server(
    ui: ReactUi, elsewhere: ReactUi, sample_channel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    channel = sample_channel.as_uri()
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [channel],
        "allowed_channels": [channel],
        "allowed_origins": [ui.origin, elsewhere.origin],
        "build_artifacts": ARTIFACTS,
        "ImageBuilder__base_image": "scratch",
        "PeopleAuthenticator__grants": {"ben": {"data/*": "viewer"}},
    }
    with peopled(tmp_path_factory.mktemp("react"), PEOPLE, **options) as server:
        ui.use(f"{server.root}{server.app.prefix}")
        yield server


@pytest.fixture(scope="module")
def ana(server: Server) -> Iterator[httpx.Client]:
    with client_of(server, "ana") as client:
        yield client


@pytest.fixture
def open_page() -> Iterator[Callable[[], Any]]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=need("chromium"), args=FLAGS.split())
        yield browser.new_page
        browser.close()


def by_token(elsewhere: ReactUi, server: Server, name: str) -> None:
    """Let the UI call the server with a token of a person."""
    with client_of(server, name) as client:
        token = client.post("token/").json()["data"]["token"]
    root = f"{server.root}{server.app.prefix}"
    elsewhere.use(root, REACT_APP_AUTH_METHOD="token", REACT_APP_AUTH_TOKEN=token)


def current(client: httpx.Client, name: str) -> dict[str, Any]:
    """The current build of an environment of ana's."""
    answer = client.get(f"environment/ana/{name}/")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"]["current_build"])


def test_create_edit_switch_and_delete_with_a_session(
    server: Server, ui: ReactUi, ana: httpx.Client, open_page: Callable[[], Any]
) -> None:
    visit = Visit(open_page(), ui, server)
    page = visit.page
    visit.open()
    visit.sign_in("ana", secret_of("ana"))
    first = create_by_form(visit, ana)
    check_links(visit, first)
    second = add_a_package(visit, ana, first)
    switch_back(visit, ana, first, second)
    page.click("text=Delete environment")
    page.click("[role=dialog] button:has-text('Delete')")
    page.wait_for_selector("text=The environment drawn has been deleted")
    assert ana.get("environment/ana/drawn/").status_code == 404
    page.wait_for_selector("[href='/ana/drawn']", state="detached")
    page.click("text=Log out")
    page.wait_for_selector("text=Log in")
    asked = f"{server.api.base_url}permission/"
    assert not page.context.request.get(asked).json()["data"]["authenticated"]
    assert visit.take_problems() == []


def create_by_form(visit: Visit, ana: httpx.Client) -> int:
    """Create `ana/drawn` and follow its build; its number."""
    page = visit.page
    visit.begin("ana", "drawn")
    visit.describe("Made by hand")
    for text in ("python=3.11", "pytz"):
        visit.add_package(text)
    page.click("button:text-is('Create')")
    page.wait_for_url("**/ana/drawn")
    visit.wait_for_status("Completed")
    build = current(ana, "drawn")
    spec = build["specification"]["spec"]
    assert spec["dependencies"] == ["python=3.11", "pytz"]
    assert (spec["description"], build["status"]) == ("Made by hand", "COMPLETED")
    page.wait_for_selector("text=Installed Version >> xpath=ancestor::table >> text=3.11")
    return int(build["id"])


def check_links(visit: Visit, build_id: int) -> None:
    """Every link to an artifact leads to it."""
    visit.page.wait_for_selector("text=Show Docker image", timeout=60_000)
    found = visit.links()
    assert set(found) == {text.format(build_id) for text in LINKS}
    for text, kind in LINKS.items():
        answer = visit.page.context.request.get(found[text.format(build_id)])
        assert answer.status == 200 and answer.headers["content-type"].startswith(kind), text
    assert "/ana/drawn:" in visit.page.context.request.get(found["Show Docker image"]).text()


def add_a_package(visit: Visit, ana: httpx.Client, first: int) -> int:
    """Edit `ana/drawn` and follow its new build, which becomes the current one; its number."""
    page = visit.page
    page.click("button:text-is('Edit')")
    visit.add_package("six")
    page.click("button:text-is('Save')")
    page.wait_for_selector("text=The environment drawn has been updated")
    page.wait_for_selector("text=Installed Version >> xpath=ancestor::table >> text=six", timeout=60_000)
    visit.wait_for_status("Completed")
    build = current(ana, "drawn")
    assert build["id"] != first and build["specification"]["spec"]["dependencies"][-1] == "six"
    return int(build["id"])


def switch_back(visit: Visit, ana: httpx.Client, first: int, second: int) -> None:
    """Make the first build of `ana/drawn` the current one again, and stay in the form."""
    page = visit.page
    # It learns only when it is loaded that the server made the new build the current one.
    visit.open("ana/drawn")
    page.click("button:text-is('Edit')")
    # Of a package that was built before, versions are offered.
    page.click("[aria-label='requested packages'] tr:has(:text-is('pytz')) [aria-haspopup=listbox] >> nth=1")
    (pytz,) = ana.get(f"build/{second}/packages/", params={"exact": "pytz"}).json()["data"]
    page.wait_for_selector(f"[role=option][data-value='{pytz['version']}']")
    page.keyboard.press("Escape")
    page.wait_for_selector("[role=option]", state="detached")
    page.click("[data-testid=test-select] >> xpath=..")
    active = page.wait_for_selector("[role=option]:has-text('Active')")
    assert active.get_attribute("data-value") == str(second)
    page.click(f"[role=option][data-value='{first}']")
    page.click("text=Change environment version")
    page.wait_for_selector("text=updated with the selected build")
    assert current(ana, "drawn")["id"] == first


def test_yaml_lockfile_failure_and_refusal_with_a_token(
    server: Server, elsewhere: ReactUi, ana: httpx.Client, open_page: Callable[[], Any], tmp_path: Path
) -> None:
    by_token(elsewhere, server, "ana")
    visit = Visit(open_page(), elsewhere, server)
    page = visit.page
    visit.open()
    assert page.query_selector("text=Log in") is None
    visit.begin("ana", "written")
    visit.write("dependencies: [pytz]\nvariables: {WHERE: here}\nchannels: []\n")
    page.click("button:text-is('Create')")
    visit.wait_for_status("Completed")
    build = current(ana, "written")
    assert build["specification"]["spec"]["variables"] == {"WHERE": "here"}
    assert visit.take_problems() == []
    upload_lockfile(visit, ana, build["id"], tmp_path / "conda-lock.yml")
    see_a_failure(visit, ana)


def upload_lockfile(visit: Visit, ana: httpx.Client, build_id: int, file: Path) -> None:
    """Create `ana/locked` from the lockfile of another build."""
    page = visit.page
    file.write_bytes(ana.get(f"build/{build_id}/lockfile/").content)
    visit.begin("ana", "locked")
    page.click("text=Switch to Conda Lockfile Upload")
    page.click("[role=dialog] button:has-text('Continue')")
    page.set_input_files("input[type=file]", file)
    page.click("button:text-is('Create')")
    page.wait_for_url("**/ana/locked")
    visit.wait_for_status("Completed")
    build = current(ana, "locked")
    assert {one["name"] for one in ana.get(f"build/{build['id']}/packages/").json()["data"]} == {"pytz", "python"}
    link = page.wait_for_selector("text=Show .conda-lock.yml file").get_attribute("href")
    assert page.context.request.get(link, headers=dict(ana.headers)).body() == file.read_bytes()
    assert visit.take_problems() == []


def see_a_failure(visit: Visit, ana: httpx.Client) -> None:
    """What cannot be built fails with its reason and log, and what makes no sense is refused in our words."""
    page = visit.page
    visit.begin("ana", "broken")
    visit.add_package("no-such-package")
    page.click("button:text-is('Create')")
    shown = visit.wait_for_status("Failed")
    build = current(ana, "broken")
    assert " ".join(build["status_info"].split()) in shown and "no-such-package" in shown
    link = page.get_by_role("link", name="Log", exact=True).get_attribute("href")
    assert "no-such-package" in page.context.request.get(link, headers=dict(ana.headers)).text()
    assert visit.take_problems() == []
    visit.begin("ana", "not a name")
    with page.expect_response("**/specification/") as refused:
        page.click("button:text-is('Create')")
    alert = page.wait_for_selector("[role=alert]").inner_text()
    assert refused.value.status == 400 and refused.value.json()["message"].split() == alert.split()
    assert [problem for problem in visit.take_problems() if "POST: 400" not in problem] == []


def test_who_may_only_read_is_offered_no_more(
    server: Server, elsewhere: ReactUi, ana: httpx.Client, open_page: Callable[[], Any]
) -> None:
    body = {"specification": "name: shared\ndependencies: [pytz]", "namespace": "data"}
    assert ana.post("specification/", json=body).status_code == 200
    by_token(elsewhere, server, "ben")
    visit = Visit(open_page(), elsewhere, server)
    visit.open("data/shared")
    visit.wait_for_status("Completed")
    assert visit.page.is_disabled("button:text-is('Edit')")
    assert visit.page.get_attribute("[href='/data/new-environment']", "aria-disabled") == "true"
    assert visit.page.get_attribute("[href='/ben/new-environment']", "aria-disabled") == "false"
    assert visit.page.query_selector("[href='/ana/new-environment']") is None
    visit.page.get_by_placeholder("Search for environment").fill("no such")
    visit.page.wait_for_selector("[href='/data/shared']", state="detached")
    assert visit.take_problems() == []
