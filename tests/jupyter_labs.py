"""JupyterLab with the panel, as processes of their own: alone, and as people's servers under a real Hub."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from conda_store.executors.local import LocalExecutor
from tests.people import client_of, peopled
from tests.server import Server
from tests.visitors import AXE, Visitor

TOKEN = "the-jupyter-servers-own"  # noqa: S105
SECONDS = 60
#: What each has in the namespace `lab`; Root makes it.
ROLES = {"ana": {"lab/*": "admin"}, "vera": {"lab/*": "viewer"}, "root": {"*/*": "admin"}}
LOUD = """async ([selector, more]) => (await axe.run(selector, {resultTypes: ["violations"], ...more})).violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 160)).slice(0, 3).join(" | ")}`)"""
_QUIET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # A test looks at what is there when it is there, not at how it comes.
    "@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Light"},
}


class Lab:
    """A JupyterLab that runs; `work` is the folder that its file browser shows."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory, self.work = directory, directory / "work"
        self.url = url.rstrip("/")

    @property
    def log(self) -> str:
        """What the Jupyter server wrote."""
        return (self.directory / "log").read_text(errors="replace")


@contextmanager
def lab_server(directory: Path, channel: Path, base_image: str, **options: Any) -> Iterator[Server]:
    """A conda-store server that builds from the sample channel, and knows the people of `ROLES`."""
    given: dict[str, Any] = {
        "prefix": "/",
        "executor_class": LocalExecutor,
        "default_channels": [channel.as_uri()],
        "allowed_channels": [channel.as_uri()],
        "ImageBuilder__base_image": base_image,
        "PeopleAuthenticator__grants": ROLES,
    }
    with peopled(directory, {name: [] for name in ROLES}, **given | options) as server:
        with client_of(server, "root") as client:
            client.post("namespace/lab/")
        yield server


def token_of(server: Server, name: str) -> str:
    """A new token of a person, as one copies it from the user page."""
    with client_of(server, name) as client:
        answer = client.post("token/", json={})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["token"])


@contextmanager
def running_lab(directory: Path, url: str, token: str, *options: str) -> Iterator[Lab]:
    """JupyterLab whose panel speaks with the conda-store at `url`; all that it keeps is below `directory`."""
    (directory / "work").mkdir(parents=True, exist_ok=True)
    surroundings = quiet(directory) | {"CONDA_STORE_URL": url, "CONDA_STORE_TOKEN": token}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    command += [
        "--LabApp.expose_app_in_browser=True",
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={directory / 'work'}",
        *options,
    ]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=directory / "work", env=surroundings, stdout=log, stderr=log)
    try:
        yield Lab(directory, _address(directory, process))
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


def quiet(directory: Path) -> dict[str, str]:
    """An environment in which Jupyter keeps everything below `directory` and asks nobody for news."""
    labconfig = directory / "config/labconfig"
    labconfig.mkdir(parents=True, exist_ok=True)
    (labconfig / "default_setting_overrides.json").write_text(json.dumps(_QUIET))
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(directory),
        "JUPYTER_CONFIG_DIR": str(directory / "config"),
        "JUPYTER_DATA_DIR": str(directory / "data"),
        "JUPYTER_RUNTIME_DIR": str(directory / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(directory / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(directory / "workspaces"),
        "IPYTHONDIR": str(directory / "ipython"),
    }


def _address(directory: Path, process: subprocess.Popen[bytes]) -> str:
    """Where it listens, as its own file says."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for path in (directory / "runtime").glob("jpserver-*.json"):
            with suppress(ValueError):
                return str(json.loads(path.read_text())["url"])
        time.sleep(0.05)
    raise AssertionError(f"JupyterLab did not start:\n{(directory / 'log').read_text()}")


class LabVisitor(Visitor):
    """Somebody in front of JupyterLab."""

    def enter(self, lab: Lab, path: str = "lab") -> None:
        """Sign in by the address that JupyterLab prints, and wait until it is there."""
        self.page.goto(f"{lab.url}/{path}{'&' if '?' in path else '?'}token={TOKEN}")
        self.settle()

    def settle(self) -> None:
        """Return when JupyterLab can be used."""
        self.page.wait_for_selector("#jp-main-dock-panel", timeout=60_000)
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def show_panel(self) -> Any:
        """The side panel, opened."""
        panel = self.page.locator(".jp-CondaStore-panel")
        if not panel.is_visible():
            self.page.click(".jp-SideBar [data-id='conda-store-panel']")
        panel.wait_for()
        return panel

    def show_files(self) -> None:
        """The file browser, opened."""
        if not self.page.locator(".jp-FileBrowser").first.is_visible():
            self.page.click(".jp-SideBar [data-id='filebrowser']")

    def choose(self, *labels: str) -> None:
        """Take entries of menus that are open, from the outermost on."""
        for label in labels:
            self.page.click(f".lm-Menu-item:not(.lm-mod-disabled):has(.lm-Menu-itemLabel:text-is('{label}'))")

    def menu_of(self, what: str, *labels: str) -> None:
        """Choose from the menu of an environment (`lab/course`) or a build (`build 3`) in the panel."""
        button = self.page.locator(f".jp-CondaStore-panel button[aria-label='Actions for {what}']")
        button.hover(force=True)
        button.click()
        self.choose(*labels)

    def clipboard(self) -> str:
        """What was copied last."""
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def launch(self) -> None:
        """Open a launcher."""
        self.page.evaluate("window.jupyterapp.commands.execute('launcher:create').then(() => null)")

    def wear(self, theme: str) -> None:
        """Change the theme, and wait for its colours."""
        light = str("Light" in theme).lower()
        worn = f"body[data-jp-theme-name='{theme}'][data-jp-theme-light='{light}']"
        if not self.page.locator(worn).count():
            change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme}).then(() => null)"
            self.page.evaluate(change, theme)
        self.page.wait_for_selector(worn, state="attached")
        self.page.wait_for_function(
            "() => getComputedStyle(document.body).getPropertyValue('--jp-success-color1').trim() !== ''"
        )

    def loud(self, selector: str) -> list[str]:
        """What axe finds serious or critical in what is ours."""
        if not self.page.evaluate("'axe' in window"):
            self.page.add_script_tag(path=AXE)
        return list(self.page.evaluate(LOUD, [selector, {}]))

    def run_command(self, command: str, **arguments: Any) -> None:
        """Take a command of the palette, by typing its label."""
        self.page.keyboard.press("Control+Shift+C")
        self.page.locator(".lm-CommandPalette-input:focus").fill(command)
        self.page.locator(f".lm-CommandPalette-item:has-text('{command}')").first.click()


@contextmanager
def visiting_lab(browser: Any, lab: Lab, **options: Any) -> Iterator[LabVisitor]:
    """Somebody in JupyterLab; at the end nothing was wrong in the browser."""
    visitor = LabVisitor(browser, lab.url, "/", **options)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    try:
        visitor.enter(lab)
        yield visitor
        problems = visitor.take_problems()
        assert not problems, problems
    finally:
        visitor.context.close()
