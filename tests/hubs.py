"""A real JupyterHub with its proxy, and conda-store as its service: that of examples/jupyterhub, on free ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from conda_store.storage.scratch import exclusive
from tests.conftest import CACHE, need

ROOT = Path(__file__).parent.parent
PASSWORD = "demonstration"  # noqa: S105
START_SECONDS = 90.0
SERVICE = "/services/conda-store/"
# The example's, and what tests need: people with odd names, an administrator who may do everything through the API.
MORE = """
exec(open({example!r}).read())
c.Authenticator.allow_all = True
c.JupyterHub.load_groups = {{"data": ["ana", "data"], "art": ["ben"], "/lab/ml": ["ana"]}}
c.JupyterHub.services += [{{"name": "operator", "api_token": "operator-token-0123456789"}}]
access = "access:services!service=conda-store"
c.JupyterHub.load_roles = [
    *c.JupyterHub.load_roles,
    {{"name": "odd", "users": {odd!r}, "scopes": [access, "custom:conda-store:admin!user"]}},
    {{"name": "helper", "users": ["ben"], "scopes": ["custom:conda-store:write!group=data"]}},
    {{
        "name": "operator",
        "services": ["operator"],
        "scopes": ["admin:users", "tokens", "admin:groups", "access:services", "custom:conda-store:everything"],
    }},
]
c.JupyterHub.cleanup_servers = True
"""
OPERATOR = {"Authorization": "token operator-token-0123456789"}
ODD = ["ana@lab.org", "ana+x", "ana.b", "jürgen", "data", "default"]
SETTINGS = """
c.Authenticator.cache_seconds = 1
c.HubAuthenticator.hub_seconds = 2
c.CondaStore.executor_class = "tests.server.NeverExecutor"
c.CondaStore.registry_processes = 2
c.RoleBindings.group_namespaces = {"/lab/ml": "lab-ml"}
"""


class Hub:
    """A Hub that runs; `url` is the proxy's address, where everything is."""

    def __init__(self, directory: Path, settings: str = SETTINGS, more: str = "") -> None:
        """`settings` are options of the service, `more` options of the Hub."""
        self.directory = directory
        self.port, self.api, self.proxy, self.service, self.registry = free_ports(5)
        self.url = f"http://127.0.0.1:{self.port}"
        (directory / "service.py").write_text(settings)
        (directory / "hub.py").write_text(
            MORE.format(example=str(ROOT / "examples/jupyterhub/jupyterhub_config.py"), odd=ODD) + more
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What Hub, proxy and service said."""
        return (self.directory / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start, and return when all three answer."""
        ports = {"HUB_PORT": self.port, "HUB_API_PORT": self.api, "HUB_PROXY_PORT": self.proxy}
        ports |= {"CONDA_STORE_PORT": self.service, "CONDA_STORE_REGISTRY_PORT": self.registry}
        environment = os.environ | {name: str(port) for name, port in ports.items()}
        environment |= {
            "PATH": f"{proxy_program().parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HUB_DIRECTORY": str(self.directory),
            "CONDA_STORE_CONFIG": str(self.directory / "service.py"),
            "CONFIGPROXY_AUTH_TOKEN": "proxy-token-of-this-test",
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "jupyterhub", f"--config={self.directory / 'hub.py'}"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.directory)
        self.until(self.is_up)

    def is_up(self) -> bool:
        """Whether the service answers through the proxy."""
        assert self.process is not None and self.process.poll() is None, self.log[-6000:]
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}{SERVICE}health").status_code == 200
        return False

    def until(self, condition: Callable[[], Any], seconds: float = START_SECONDS) -> None:
        """Return when a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.log[-6000:]
            time.sleep(0.05)

    def below(self) -> list[psutil.Process]:
        """All that the Hub has started."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it with a signal."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)

    def token(self, name: str, **asked: Any) -> str:
        """A new token of a user's."""
        httpx.post(f"{self.hub_api}/users/{quoted(name)}", headers=OPERATOR)
        answer = httpx.post(f"{self.hub_api}/users/{quoted(name)}/tokens", json=asked, headers=OPERATOR)
        assert answer.status_code == 201, answer.text
        self.last_token_id = answer.json()["id"]
        return str(answer.json()["token"])

    def revoke(self, name: str) -> None:
        """Revoke the token that was made last."""
        httpx.delete(f"{self.hub_api}/users/{quoted(name)}/tokens/{self.last_token_id}", headers=OPERATOR)

    @property
    def hub_api(self) -> str:
        """The Hub's own API."""
        return f"{self.url}/hub/api"

    def ask(self, path: str, authorization: str, method: str = "GET", **more: Any) -> httpx.Response:
        """Ask the REST API of conda-store through the proxy."""
        headers = {"Authorization": authorization}
        return httpx.request(method, f"{self.url}{SERVICE}api/v1/{path}", headers=headers, timeout=30, **more)

    def roles(self, token: str) -> dict[str, list[str]]:
        """Roles by pattern of whom a token belongs to."""
        found = self.ask("permission/", f"token {token}").json()["data"]
        assert found["authenticated"], found
        return dict(found["entity_roles"])


def quoted(name: str) -> str:
    """A name in a path."""
    return quote(name, safe="")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return found


def proxy_program() -> Path:
    """configurable-http-proxy, fetched once per checkout."""
    need("npm")
    program = CACHE / "proxy/node_modules/.bin/configurable-http-proxy"
    with exclusive(CACHE / "proxy.lock"):
        if not program.exists():
            subprocess.run(["make", "--silent", "proxy"], cwd=ROOT, check=True)
    return program


@contextmanager
def running_hub(
    directory: Path,
    settings: str = SETTINGS,
    more: str = "",
    service: Callable[[Hub], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> Iterator[Hub]:
    """A Hub that is there while the block runs; nothing that it started is left. `service` runs all the while."""
    hub = Hub(directory, settings, more)
    with service(hub):
        hub.start()
        below = hub.below()
        try:
            yield hub
        finally:
            assert hub.process is not None
            if hub.process.poll() is None:
                below = hub.below()
                hub.stop()
            for process in below:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
