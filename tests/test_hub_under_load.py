"""A real Hub that is stopped, killed and restarted while clients of its service never stop asking."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.hub_load import BROKEN, OF_THE_HUB, Load, following, loaded, signed_in
from tests.hubs import SERVICE, SETTINGS, Hub, running_hub
from tests.jobs import StallingChannel, is_alive
from tests.test_hub import basic, leave_image, service_process, submit

# What the Hub's proxy says for a service that is not there, and what a connection does that breaks off.
AWAY = {BROKEN, OF_THE_HUB, 502, 503}
BUILDING = """
c.Authenticator.cache_seconds = 1
c.HubAuthenticator.hub_seconds = 5
c.CondaStore.registry_processes = 2
c.CondaStore.default_channels = [{channel!r}]
c.ImageBuilder.base_image = {base_image!r}
c.LocalExecutor.workers = 1
"""
YAML = "name: running\ndependencies: [python, markupsafe]\n"


@pytest.fixture
def channel(sample_channel: Path) -> Iterator[StallingChannel]:
    """Holds a package back until it is told to go on."""
    made = StallingChannel(sample_channel, "markupsafe-")
    yield made
    made.close()


def clients_of(hub: Hub, token: str, build_id: int, stack: ExitStack) -> dict[str, Callable[[], httpx.Response]]:
    """One client of each kind."""
    header = {"Authorization": f"token {token}"}
    direct = f"http://127.0.0.1:{hub.service}{SERVICE}api/v1/environment/"
    scripts = [stack.enter_context(httpx.Client(headers=header, timeout=30)) for _ in range(4)]
    browser = stack.enter_context(signed_in(hub, "ana"))
    other = stack.enter_context(httpx.Client(cookies=browser.cookies, timeout=30))
    password = {"Authorization": basic(token)}
    pullers = [stack.enter_context(httpx.Client(headers=password, timeout=30)) for _ in range(2)]
    api, manifest = f"{hub.url}{SERVICE}api/v1", "/v2/ana/pulled/manifests/latest"
    return {
        "script": lambda: scripts[0].get(f"{api}/environment/ana/running/"),
        "script beside the proxy": lambda: scripts[1].get(direct),
        "script that waits for its build": lambda: scripts[2].get(f"{api}/build/{build_id}/"),
        "browser beside the proxy": lambda: other.get(direct),
        "follower": following(scripts[3], f"{api}/build/{build_id}/events/"),
        "browser": lambda: browser.get(f"{SERVICE}api/v1/environment/ana/running/"),
        "puller": lambda: pullers[0].get(f"{hub.url}{manifest}"),
        "puller at the registry's own port": lambda: pullers[1].get(f"http://127.0.0.1:{hub.registry}{manifest}"),
    }


def wrong(load: Load) -> dict[tuple[str, int], str]:
    """What nobody should be told, whatever happens to the Hub."""
    return {told: words for told, words in load.words.items() if told[1] not in {200, 204, *AWAY}}


def build_status(hub: Hub, token: str, build_id: int) -> str:
    return str(hub.ask(f"build/{build_id}/", f"token {token}").json()["data"]["status"])


def stored_status(hub: Hub, build_id: int) -> str:
    """The same while no service runs."""
    with closing(sqlite3.connect(hub.directory / "conda-store/conda-store.sqlite")) as database:
        return str(database.execute("SELECT status FROM build WHERE id = ?", [build_id]).fetchone()[0])


def begin_build(hub: Hub, token: str, channel: StallingChannel) -> int:
    """A build that has come as far as the package that is held back."""
    body = {"specification": YAML, "namespace": "ana"}
    answer = hub.ask("specification/", f"token {token}", "POST", json=body)
    assert answer.status_code == 200, answer.text
    assert channel.reached.wait(60), hub.log[-4000:]
    return int(answer.json()["data"]["build_id"])


def is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            one.bind(("127.0.0.1", port))
            return True
    return False


def everybody_is_served(hub: Hub, load: Load, kinds: dict[str, Callable[[], httpx.Response]]) -> None:
    """Wait until each client gets what it asks for."""
    load.forget()
    hub.until(lambda: all(200 in load.statuses(kind) for kind in kinds if kind != "follower"), 60)


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


@pytest.mark.parametrize("number", SIGNALS, ids=["interrupted", "stopped", "killed"])
def test_a_hub_that_ends_under_load(number: int, channel: StallingChannel, base_image: str, tmp_path: Path) -> None:
    settings = BUILDING.format(channel=channel.url, base_image=base_image)
    with running_hub(tmp_path, settings) as hub, ExitStack() as stack:
        token = hub.token("ana")
        assert submit(hub, token, "ana", "pulled") == 200
        leave_image(hub, "ana/pulled")
        build_id = begin_build(hub, token, channel)
        clients = clients_of(hub, token, build_id, stack)
        with loaded(clients) as load:
            everybody_is_served(hub, load, clients)
            service = service_process(hub)
            everything = [service, *service.children(recursive=True)]
            assert len(everything) > 3
            hub.stop(number)
            hub.until(lambda: not any(map(is_alive, everything)), 30)
            assert is_free(hub.service) and is_free(hub.registry)
            load.forget()
            # Before a client's patience ends: also who follows a stream hears that it is over.
            hub.until(lambda: all(load.statuses(kind) & AWAY for kind in clients), 15)
            assert load.statuses() <= AWAY and stored_status(hub, build_id) == "QUEUED", load.words
            hub.start()
            everybody_is_served(hub, load, clients)
            channel.go.set()
            hub.until(lambda: build_status(hub, token, build_id) in ("COMPLETED", "FAILED"))
        assert build_status(hub, token, build_id) == "COMPLETED"
        assert wrong(load) == {}
        assert "Traceback" not in hub.log


# The Hub knows where the service is and does not start it.
OUTSIDE = """
c.JupyterHub.services = [one for one in c.JupyterHub.services if one["name"] != "conda-store"]
c.JupyterHub.services += [hub.external_service(f"http://127.0.0.1:{service_port}", "secret-of-the-service-0123456789")]
"""
SECRET = "secret-of-the-service-0123456789"  # noqa: S105


@contextmanager
def external_service(hub: Hub) -> Iterator[None]:
    """conda-store as somebody else starts it: with the variables that docs/jupyterhub.md names and no others."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTERHUB_")}
    environment |= {
        "JUPYTERHUB_API_TOKEN": SECRET,
        "JUPYTERHUB_API_URL": f"http://127.0.0.1:{hub.api}/hub/api",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{hub.service}",
        "JUPYTERHUB_SERVICE_PREFIX": SERVICE,
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    options = [f"--directory={hub.directory / 'conda-store'}", f"--config={hub.directory / 'service.py'}"]
    command = [sys.executable, "-m", "conda_store", "serve", *options, f"--CondaStore.registry_port={hub.registry}"]
    with (hub.directory / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=hub.directory)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(30) == 0


def refused_clients(hub: Hub) -> dict[str, Callable[[], httpx.Response]]:
    """Clients whom the service does not know, or knows to be revoked."""
    gone = hub.token("ana")
    assert hub.roles(gone)["ana/*"] == ["admin"]
    hub.revoke("ana")
    hub.until(lambda: hub.ask("environment/ana/running/", f"token {gone}").status_code == 403, 30)
    direct, found = f"http://127.0.0.1:{hub.service}", {}
    for kind, token in (("unknown", hub.token("ben")), ("revoked", gone)):
        script, puller = {"Authorization": f"token {token}"}, {"Authorization": basic(token)}
        api = f"{direct}{SERVICE}api/v1/environment/ana/running/"
        found[kind] = partial(httpx.get, api, headers=script, timeout=30)
        found[f"{kind} puller"] = partial(httpx.get, f"{direct}/v2/token", headers=puller, timeout=30)
    return found


def test_a_hub_that_is_restarted_while_its_service_goes_on(tmp_path: Path) -> None:
    with running_hub(tmp_path, SETTINGS, OUTSIDE, external_service) as hub, ExitStack() as stack:
        token = hub.token("ana")
        assert submit(hub, token, "ana", "running") == submit(hub, token, "ana", "pulled") == 200
        leave_image(hub, "ana/pulled")
        clients, strangers = clients_of(hub, token, 1, stack), refused_clients(hub)
        del clients["follower"]
        beside = [name for name in clients if "beside" in name or "own port" in name]
        with loaded(clients) as load:
            everybody_is_served(hub, load, clients)
            hub.stop()
            with loaded(strangers) as refused:
                load.forget()
                hub.until(lambda: all(load.told[name, 200] > 20 for name in beside), 60)
                hub.until(lambda: all(refused.statuses(kind) for kind in strangers), 30)
            assert [load.statuses(name) for name in beside] == [{200}] * 3, load.words
            assert refused.statuses() == {503}, refused.words
            assert all("JupyterHub" in words and "does not answer" in words for words in refused.words.values())
            hub.start()
            everybody_is_served(hub, load, clients)
        assert wrong(load) == {}
        hub.until(lambda: strangers["revoked"]().status_code == 403, 30)
        assert strangers["revoked puller"]().status_code == 401
        assert (strangers["unknown"]().status_code, strangers["unknown puller"]().status_code) == (403, 200)
        assert "Traceback" not in hub.log


def test_a_token_that_may_not_use_the_service_is_refused_by_one_outside_too(tmp_path: Path) -> None:
    with running_hub(tmp_path, SETTINGS, OUTSIDE, external_service) as hub:
        for token in (hub.token("eve"), hub.token("ana", scopes=["custom:conda-store:admin!user"])):
            assert hub.ask("environment/ana/course/", f"token {token}").json()["code"] == "credentials_invalid"
        assert hub.ask("environment/ana/course/", f"token {hub.token('ana')}").json()["code"] == "environment_not_found"
