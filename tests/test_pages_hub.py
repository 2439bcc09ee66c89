"""The pages below the prefix that a real Hub's proxy gives them: in, create, follow, out, and never anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.hubs import PASSWORD, SERVICE, Hub, running_hub
from tests.visitors import Visitor, chromium


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def enter(visitor: Visitor, name: str) -> None:
    """Sign in at the Hub, whose own pages are not ours to judge."""
    visitor.open()
    visitor.click("Login with JupyterHub", "header")
    visitor.page.fill("#username_input", name)
    visitor.page.fill("#password_input", PASSWORD)
    visitor.page.click("#login_submit")
    visitor.page.wait_for_selector(f".who:has-text('{name}')")
    visitor.take_problems()


def test_a_walk_under_the_hub_leaves_the_prefix_nowhere(hub: Hub, browser: Any) -> None:
    visitor = Visitor(browser, hub.url, SERVICE)
    page = visitor.page
    enter(visitor, "ana")
    assert page.url == f"{hub.url}{SERVICE}"
    visitor.click("Create environment", "header")
    page.select_option("#namespace", "data")
    page.click(".cm-content")
    page.keyboard.insert_text("name: walked\nchannels: [conda-forge]\ndependencies: [numpy]\n")
    page.wait_for_function("() => document.querySelector('textarea[name=specification]').value.includes('walked')")
    visitor.click("Build")
    page.wait_for_url("**/build/*/")
    page.wait_for_selector("#status:has-text('QUEUED')")
    visitor.click("Cancel")
    page.wait_for_selector("#status:has-text('CANCELED')")
    for path in ("", "namespace/", "namespace/data/", "environment/data/walked/", "user/", "docs/", "docs/api/"):
        assert (path, visitor.open(path).status) == (path, 200)
        targets = page.eval_on_selector_all("a[href], form[action]", "all => all.map(one => one.href ?? one.action)")
        ours = [one for one in targets if one.startswith(hub.url)]
        assert ours and all(one.startswith(f"{hub.url}{SERVICE}") for one in ours), path
    visitor.click("Log out", "header")
    page.wait_for_selector("header a:text-is('Login with JupyterHub')")
    assert page.url == f"{hub.url}{SERVICE}" and "data/walked" not in page.inner_text("main")
    problems = visitor.take_problems()
    assert not problems, problems
    visitor.context.close()
