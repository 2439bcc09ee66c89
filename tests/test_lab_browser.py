"""The panel in a real JupyterLab, in front of a real browser: from a file to a kernel, and what one is told instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hubs import free_ports
from tests.jupyter_labs import ROLES, LabVisitor, lab_server, running_lab, token_of, visiting_lab
from tests.lab_walks import (
    VERSION,
    copies_what_the_registry_has,
    create_from_file,
    downloads_the_archive,
    evaluate,
    follow_to_the_end,
    open_notebook,
)
from tests.people import client_of, header_of, peopled
from tests.server import Server
from tests.visitors import chromium, submit


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def version_of(server: Server, build: int, package: str) -> str:
    """What a build holds."""
    with client_of(server, "ana") as client:
        found = client.get(f"build/{build}/packages/", params={"search": package, "size": 100}).json()["data"]
    return next(str(one["version"]) for one in found if one["name"] == package)


def test_from_a_file_to_a_kernel_and_an_image(
    tmp_path: Path, sample_channel: Path, base_image: str, browser: Any
) -> None:
    with (
        lab_server(tmp_path / "server", sample_channel, base_image) as server,
        running_lab(tmp_path / "lab", server.root, token_of(server, "ana")) as lab,
        visiting_lab(browser, lab, accept_downloads=True) as visitor,
    ):
        visitor.show_panel().locator(":text('There are no environments yet')").wait_for()
        create_from_file(visitor, lab.work, "lab")
        build = follow_to_the_end(visitor, "lab/course")
        open_notebook(visitor, "lab/course")
        assert evaluate(visitor, VERSION) == version_of(server, build, "numpy")
        copies_what_the_registry_has(visitor, "lab/course", server.root, header_of("ana"))
        downloads_the_archive(visitor, "lab/course", lab.work)


def test_who_is_refused_or_cut_off_sees_why_and_loses_nothing(tmp_path: Path, browser: Any) -> None:
    """A token that nobody knows, one that may only look, a server that goes and comes again."""
    (port,) = free_ports(1)
    token = tmp_path / "token"
    token.write_text("nobody-knows-this-one")
    url, option = f"http://127.0.0.1:{port}", f"--CondaStoreConnection.token_file={token}"
    with running_lab(tmp_path / "lab", url, "", option) as lab, visiting_lab(browser, lab) as visitor:
        panel = visitor.show_panel()
        search, notice = panel.locator("input[type=search]"), panel.locator(".jp-CondaStore-notice")
        notice.locator("strong:has-text('does not answer')").wait_for()
        with idle_server(tmp_path, port) as server:
            notice.locator("strong:has-text('does not let you in')").wait_for(timeout=30_000)
            token.write_text(token_of(server, "vera"))
            panel.locator("button:text-is('Try again')").click()
            may_look_and_not_touch(visitor)
            search.fill("cou")
        notice.locator("strong:has-text('does not answer')").wait_for(timeout=30_000)
        panel.locator("[data-row='lab/course']").wait_for()
        assert search.input_value() == "cou" and visitor.loud(".jp-CondaStore-panel") == []
        with idle_server(tmp_path, port):
            notice.wait_for(state="detached", timeout=30_000)
            assert search.input_value() == "cou"


@contextmanager
def idle_server(directory: Path, port: int) -> Iterator[Server]:
    """Builds nothing; has one environment that somebody else has built."""
    options: dict[str, Any] = {"PeopleAuthenticator__grants": ROLES, "prefix": "/", "port": port}
    with peopled(directory / "server", {name: [] for name in ROLES}, **options) as server:
        if not (directory / "made").exists():
            server.complete(submit(server))
            (directory / "made").touch()
        yield server


def may_look_and_not_touch(visitor: LabVisitor) -> None:
    """A viewer's menu has what changes nothing, and both themes can be read by all."""
    page = visitor.page
    page.click(".jp-CondaStore-panel [data-row='lab/course']")
    visitor.menu_of("lab/course")
    labels = page.locator(".lm-Menu-item:not(.lm-mod-hidden) .lm-Menu-itemLabel").all_inner_texts()
    assert "Copy docker pull" in labels
    assert not {"Rebuild", "Make Current", "Delete Environment…"} & {one.partition(" (")[0] for one in labels}, labels
    page.keyboard.press("Escape")
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        visitor.wear(theme)
        assert visitor.loud(".jp-CondaStore-panel") == []
