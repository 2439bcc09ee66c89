"""What people, packages and builds say of themselves is shown whole and does nothing, whatever is in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conda_store.builds import states
from conda_store.builds.states import ArtifactState, ArtifactType
from tests.people import client_of, peopled
from tests.server import Server
from tests.visitors import NARROW, chromium, install, submit, visiting

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script></textarea></pre>{{7*7}}"
BACKWARDS = "abc\u202egpj.exe"
LONG = "w" * 10_000
HOSTILE = f"{MARKUP} {BACKWARDS} {LONG} end"
NAME = f"<b>{BACKWARDS}</b>"

# Text with such a mark that shares its line with other text, and is not isolated from it.
LOOSE = """() => {
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const one = walker.currentNode.parentElement, style = getComputedStyle(one);
        const isLoose = style.display === "inline" && !/isolate|plaintext/.test(style.unicodeBidi);
        if (walker.currentNode.data.includes("\\u202e") && isLoose) found.push(one.outerHTML.slice(0, 80));
    }
    return found;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    people = {NAME: [], "root": []}
    grants = {name: {"*/*": "admin"} for name in people}
    with peopled(tmp_path_factory.mktemp("hostile"), people, PeopleAuthenticator__grants=grants) as server:
        yield server


@pytest.fixture(scope="module")
def build(server: Server) -> int:
    """A build of which everything is hostile."""
    text = f"name: odd\nchannels: [conda-forge]\ndependencies: [numpy]\nvariables:\n  TEXT: {MARKUP!r}\n"
    with client_of(server, NAME) as client:
        body = {"specification": text, "namespace": "lab"}
        build_id = int(client.post("specification/", json=body).json()["data"]["build_id"])
        described = client.put("environment/lab/odd/", json={"description": HOSTILE})
        assert described.status_code == 200, described.text
        client.post("token/", json={"name": f"{MARKUP} {BACKWARDS} {'w' * 100}"})
    server.complete(build_id)
    more = {"version": MARKUP, "build": BACKWARDS, "license": HOSTILE, "summary": HOSTILE}
    install(server, build_id, {"name": f"{MARKUP[:100]}{BACKWARDS}", **more}, {"name": "w" * 250})
    second = submit(server, "odd")
    lease = server.begin(second)
    server.tell(lease, MARKUP, BACKWARDS, LONG)
    server.fail_with(lease, HOSTILE)
    return build_id


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


PAGES = ["", "environment/lab/odd/", "environment/lab/odd/builds/", "environment/lab/odd/access/", "namespace/"]
PAGES += ["environment/lab/odd/edit/", "build/{first}/", "build/{second}/", "build/{first}/diff/{second}/", "user/"]
PAGES += ["?search=%3Cscript%3Ealert(3)%3C/script%3E", "?namespace=%22%3E%3Cb%3E", "build/%3Cb%3E/", "namespace/lab/"]


def test_nothing_runs_and_nothing_is_wider_than_a_phone(browser: Any, server: Server, build: int) -> None:
    with visiting(browser, server, NAME, viewport=NARROW) as visitor:
        # An alert would hold the page: the first one fails the test.
        visitor.page.on("dialog", lambda dialog: visitor.problems.append(dialog.message) or dialog.dismiss())
        for path in PAGES:
            visitor.open(path.format(first=build, second=build + 1))
            assert (path, visitor.overflow()) == (path, [])
            ours = "img:not([src*='/static/']), main script, main b, [onerror]"
            assert (path, visitor.page.locator(ours).count()) == (path, 0)
            assert NAME in visitor.page.inner_text(".who bdi"), path


def test_it_is_shown_whole(browser: Any, server: Server, build: int) -> None:
    with visiting(browser, server, NAME) as visitor:
        page = visitor.page
        visitor.open("environment/lab/odd/")
        assert page.inner_text("summary bdi") == HOSTILE
        page.click("summary:has(bdi)")
        assert page.input_value("textarea[name=description]") == HOSTILE
        installed = page.inner_text("#installed")
        assert MARKUP in installed and BACKWARDS in installed and LONG in installed
        visitor.open(f"build/{build + 1}/")
        page.wait_for_selector("#log:has-text('end')")
        assert page.text_content("#log").split("\n")[:3] == [MARKUP, BACKWARDS, LONG]
        assert page.inner_text("#reason") == HOSTILE
        visitor.open(f"build/{build}/")
        assert MARKUP in page.inner_text("[aria-label=Specification]")
        visitor.open("user/")
        assert MARKUP in page.inner_text("main table >> nth=1")


def test_what_is_written_backwards_turns_nothing_else_around(browser: Any, server: Server, build: int) -> None:
    with visiting(browser, server, NAME) as visitor:
        for path in ("", "environment/lab/odd/", f"build/{build + 1}/", "user/"):
            visitor.open(path)
            if path.startswith("build"):
                visitor.page.wait_for_selector("#log:has-text('end')")
            assert (path, visitor.page.evaluate(LOOSE)) == (path, [])


def test_artifacts_say_hostile_reasons_inertly(browser: Any, server: Server, build: int) -> None:
    lease = server.begin(build_id := submit(server, "artifact"))
    with visiting(browser, server, "root", viewport=NARROW) as visitor:
        visitor.open(f"build/{build_id}/")
        visitor.page.wait_for_selector("#status:has-text('BUILDING')")
        with server.app.database.write() as session:
            states.set_artifact(session, lease, ArtifactType.CONDA_PACK, ArtifactState.FAILED, reason=HOSTILE)
        visitor.page.wait_for_selector("#artifacts li:has-text('end')")
        assert HOSTILE in visitor.page.inner_text("#artifacts") and visitor.overflow() == []
        server.fail_with(lease, "enough")
        visitor.page.wait_for_selector("#reason:has-text('enough')")
