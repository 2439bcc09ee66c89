"""How people create on the pages, in a real browser: write, complete, check, drop, choose, upload, or by keys alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.people import peopled
from tests.server import Site
from tests.visitors import GRANTS, PEOPLE, Visitor, chromium, install, submit, visiting

DROPS = """([text, name]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name));
    const drop = new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
    document.querySelector(".editor").dispatchEvent(drop);
}"""
# As conda-lock writes it: it names no environment.
LOCKED = f"""version: 1
metadata:
  content_hash: {{linux-64: "{"0" * 64}"}}
  channels: [{{url: conda-forge, used_env_vars: []}}]
  platforms: [linux-64]
  sources: [environment.yaml]
package:
- name: numpy
  version: "1.10"
  manager: conda
  platform: linux-64
  dependencies: {{}}
  url: https://conda.anaconda.org/conda-forge/linux-64/numpy-1.10-py311_0.conda
  hash: {{md5: "{"0" * 32}", sha256: "{"0" * 64}"}}
  category: main
  optional: false
"""
WRITTEN = "document.querySelector('textarea[name=specification]').value"


@pytest.fixture(scope="module")
def server(sample_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    channel = sample_channel.as_uri()
    options = {"default_channels": [channel], "allowed_channels": ["conda-forge", channel]}
    with peopled(tmp_path_factory.mktemp("created"), PEOPLE, PeopleAuthenticator__grants=GRANTS, **options) as server:
        submit(server, "first")
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def write(visitor: Visitor, text: str) -> None:
    """Write in the editor what stands there then."""
    visitor.page.click(".cm-content")
    visitor.page.keyboard.press("Control+A")
    visitor.page.keyboard.insert_text(text)


def test_one_writes_checks_and_builds(browser: Any, server: Site) -> None:
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


def test_what_was_written_survives_a_page_that_was_left(browser: Any, server: Site) -> None:
    with visiting(browser, server, "dan") as visitor:
        visitor.open("create/")
        write(visitor, "name: half")
        visitor.open("docs/")
        visitor.open("create/")
        assert visitor.page.evaluate(WRITTEN) == "name: half"


def test_a_file_is_dropped_or_chosen(browser: Any, server: Site, tmp_path: Path) -> None:
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


def test_the_keyboard_alone_creates(browser: Any, server: Site, tmp_path: Path) -> None:
    with visiting(browser, server, "dan") as visitor:
        page, keys = visitor.page, visitor.page.keyboard
        visitor.open()
        visitor.tab_to("a[href$='/create/']")
        keys.press("Enter")
        page.wait_for_selector(".cm-content")
        visitor.tab_to("#namespace")
        keys.press("l")
        visitor.tab_to(".cm-content")
        keys.type("name: typed\ndependencies:\n- nopackage\n")
        # The tabulator leaves the editor.
        visitor.tab_to("button[value=check]", most=5)
        keys.press("Enter")
        page.wait_for_selector("#outcome:has-text('nopackage')")
        (tmp_path / "environment.yaml").write_text("name: chosen\ndependencies: [numpy]\n")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Shift+Tab")
        with page.expect_file_chooser() as chooser:
            keys.press("Space")
        chooser.value.set_files(tmp_path / "environment.yaml")
        page.wait_for_selector(".cm-content:has-text('chosen')")
        visitor.tab_to("button[value=build]", most=4)
        keys.press("Enter")
        page.wait_for_url("**/build/*/")
        assert "lab/chosen" in page.text_content("h1")
        visitor.tab_to("button[aria-label='Cancel this build']")
        keys.press("Enter")
        page.wait_for_selector("#status:has-text('CANCELED')")


def completed(visitor: Visitor, typed: str) -> list[str]:
    """What the editor offers for what was typed, the first of which is then taken."""
    visitor.page.keyboard.type(typed)
    offered = visitor.page.locator(".cm-tooltip-autocomplete .cm-completionLabel")
    offered.first.wait_for()
    found = list(offered.all_inner_texts())
    offered.first.click()
    visitor.page.wait_for_selector(".cm-tooltip-autocomplete", state="detached")
    return found


def test_names_versions_and_channels_are_completed(browser: Any, server: Site) -> None:
    known = submit(server, "known")
    server.complete(known)
    install(server, known, *({"name": "oddly-named", "version": version} for version in ("1.9", "1.11")))
    with visiting(browser, server, "dan") as visitor:
        visitor.open("create/")
        write(visitor, "name: completed\nchannels:\n  - ")
        assert completed(visitor, "conda-f") == ["conda-forge"]
        write(visitor, "name: completed\nchannels:\n  - conda-forge\ndependencies:\n  - ")
        assert completed(visitor, "odd") == ["oddly-named"]
        assert completed(visitor, ">=1") == ["1.11", "1.9"]
        assert visitor.page.evaluate(WRITTEN).endswith("- oddly-named>=1.11")
        # What the words are is seen by their colours.
        assert visitor.page.locator(".cm-content .cs-key").all_inner_texts()[:2] == ["name", "channels"]


def test_a_lockfile_is_uploaded_and_named(browser: Any, server: Site, tmp_path: Path) -> None:
    (tmp_path / "conda-lock.yml").write_text(LOCKED)
    with visiting(browser, server, "dan") as visitor:
        page = visitor.page
        visitor.open("create/")
        page.set_input_files("#file", tmp_path / "conda-lock.yml")
        page.wait_for_selector("#problems:has-text('names no environment')")
        page.fill("#name", "locked")
        visitor.click("Build")
        page.wait_for_url("**/build/*/")
        assert "dan/locked" in page.text_content("h1")
