"""The panel in a real JupyterLab, in front of a real browser: from a file to a kernel, and what one is told instead."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conda_store.client import Client
from tests.hubs import PASSWORD, Hub, free_ports, running_hub
from tests.jupyter_labs import ROLES, LabVisitor, lab_server, quiet, running_lab, token_of, visiting_lab
from tests.lab_walks import (
    FILE,
    VERSION,
    copies_what_the_registry_has,
    create_from_file,
    downloads_the_archive,
    evaluate,
    follow_to_the_end,
    open_notebook,
)
from tests.people import client_of, header_of, peopled, secret_of
from tests.server import Server
from tests.visitors import chromium, submit

SERVICE_SETTINGS = """
c.Authenticator.cache_seconds = 1
c.HubAuthenticator.hub_seconds = 2
c.CondaStore.default_channels = c.CondaStore.allowed_channels = [{channel!r}]
c.ImageBuilder.base_image = {base!r}
"""
HUB_OPTIONS = """
c.Spawner.args = ["--allow-root", "--LabApp.expose_app_in_browser=True"]
c.Spawner.environment = dict(c.Spawner.environment)
c.Spawner.environment.setdefault("CONDA_STORE_URL", f"http://127.0.0.1:{{service_port}}/services/conda-store/")
c.Spawner.environment.update({quiet!r})
c.SimpleLocalProcessSpawner.home_dir_template = str(directory / "homes/{{username}}")
c.Spawner.http_timeout = 120
"""


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
        stays_pinned(visitor, server, build)


def stays_pinned(visitor: LabVisitor, server: Server, first: int) -> None:
    """A notebook that is pinned to a build runs in it when another one becomes current, and else follows."""
    page = visitor.page
    with Client(server.root, token=secret_of("ana")) as client:
        second = client.wait(client.create(FILE.replace(">=2", "<2"), namespace="lab")).id
    page.click(".lm-TabBar-tab:has-text('.ipynb')")
    panel = visitor.show_panel()
    panel.locator("[data-row='lab/course']").click()
    current = ".jp-CondaStore-buildItem:has-text('Build {}'):has-text('current')"
    panel.locator(current.format(second)).wait_for()
    visitor.menu_of(f"build {second}", "Run Notebook in This Build")
    page.wait_for_selector(f".jp-NotebookPanel:visible .jp-KernelName:has-text('build {second}')")
    visitor.menu_of(f"build {first}", "Make Current")
    panel.locator(current.format(first)).wait_for()
    older, newer = (version_of(server, one, "numpy") for one in (second, first))
    assert evaluate(visitor, VERSION) == older
    visitor.run_command("Unpin Notebook from Its Build")
    page.wait_for_selector(f".jp-NotebookPanel:visible .jp-KernelName:not(:has-text('build {second}'))")
    assert evaluate(visitor, VERSION) == newer != older


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


def test_under_a_hub_servers_speak_in_their_users_names(
    tmp_path: Path, sample_channel: Path, base_image: str, browser: Any
) -> None:
    """Ana builds and runs an environment of her own; Eve, who may not use conda-store, is told so."""
    settings = SERVICE_SETTINGS.format(channel=sample_channel.as_uri(), base=base_image)
    own = {name: value for name, value in quiet(tmp_path).items() if name == "JUPYTER_CONFIG_DIR"}
    with running_hub(tmp_path, settings, HUB_OPTIONS.format(quiet=own)) as hub:
        ana = at_home(browser, hub, "ana")
        ana.show_panel().locator(":text('Connected as ana')").wait_for()
        create_from_file(ana, tmp_path / "homes/ana", "ana")
        follow_to_the_end(ana, "ana/course")
        open_notebook(ana, "ana/course")
        assert evaluate(ana, f"{VERSION}; import sys; print(sys.prefix)").startswith("2.")
        basic = base64.b64encode(f"ana:{hub.token('ana')}".encode()).decode()
        copies_what_the_registry_has(ana, "ana/course", hub.url, {"Authorization": f"Basic {basic}"})
        downloads_the_archive(ana, "ana/course", tmp_path / "homes/ana")
        leaves_nothing_wrong(ana)
        eve = at_home(browser, hub, "eve")
        notice = eve.show_panel().locator(".jp-CondaStore-notice")
        notice.locator("strong:has-text('does not let you in')").wait_for()
        leaves_nothing_wrong(eve)


def at_home(browser: Any, hub: Hub, name: str) -> LabVisitor:
    """Somebody in front of their own server, which the Hub has started without an environment."""
    visitor = LabVisitor(browser, hub.url, "/")
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.page
    page.goto(f"{hub.url}/hub/login?next=/hub/spawn")
    page.fill("#username_input", name)
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")
    page.wait_for_selector("#spawn_form, #jp-main-dock-panel", timeout=120_000)
    if "/hub/spawn" in page.url:
        page.click("#spawn_form [type=submit]")
    page.wait_for_url(f"**/user/{name}/lab**", timeout=120_000)
    visitor.settle()
    # The Hub's own pages are not ours to judge.
    visitor.take_problems()
    return visitor


def leaves_nothing_wrong(visitor: LabVisitor) -> None:
    """No error, and no request elsewhere."""
    problems = visitor.take_problems()
    assert not problems, problems
    visitor.context.close()
