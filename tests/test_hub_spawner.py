"""A real Hub starts servers in environments that their owners chose: by its form, by its API, or by neither."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.containers import Engine
from tests.hub_load import signed_in
from tests.hubs import PASSWORD, ROOT, Hub, free_ports, running_hub
from tests.test_hub import service_process

BUILDING = """
c.Authenticator.cache_seconds = 1
c.CondaStore.default_channels = [{channel!r}]
c.CondaStore.allowed_channels = [{channel!r}]
c.ImageBuilder.base_image = {base_image!r}
"""
MORE = """
import os

# The Hub hands little on: how this machine reaches a package index is what builds need.
machine = {name: value for name, value in os.environ.items() if name.startswith(("SSL_", "UV_"))}
c.JupyterHub.services[0]["environment"] = machine
c.Spawner.conda_store_wait_seconds = 3
c.Spawner.conda_store_cache_seconds = 0
c.Spawner.http_timeout = 120
c.Spawner.args = ["--allow-root"]
"""
COURSE = (ROOT / "examples/jupyterhub/environment.yaml").read_text()
PLAIN = "name: plain\ndescription: Says <b>no</b>\ndependencies: [pytz]\n"
OPTION = re.compile(r'<option value="([^"]*)"( selected)?>')


@cache
def authorization(hub: Hub, name: str) -> dict[str, str]:
    """A token of a user's, the same each time."""
    return {"Authorization": f"token {hub.token(name)}"}


def build(hub: Hub, owner: str, namespace: str, text: str) -> int:
    """Build an environment; the number of its build."""
    token = authorization(hub, owner)["Authorization"]
    body = {"specification": text, "namespace": namespace}
    answer = hub.ask("specification/", token, "POST", json=body)
    assert answer.status_code == 200, answer.text
    number = int(answer.json()["data"]["build_id"])

    def status() -> str:
        return str(hub.ask(f"build/{number}/", token).json()["data"]["status"])

    hub.until(lambda: status() not in ("QUEUED", "BUILDING"), 300)
    assert status() == "COMPLETED", hub.ask(f"build/{number}/logs/", token).text
    return number


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, sample_channel: Path, base_image: str) -> Iterator[Hub]:
    settings = BUILDING.format(channel=sample_channel.as_uri(), base_image=base_image)
    with running_hub(tmp_path_factory.mktemp("spawner"), settings, MORE) as hub:
        build(hub, "ana", "data", COURSE)
        build(hub, "ana", "data", PLAIN)
        build(hub, "ben", "ben", PLAIN.replace("plain", "hidden"))
        yield hub


@pytest.fixture
def ana(hub: Hub) -> Iterator[httpx.Client]:
    """A browser in which ana has signed in; her server is stopped afterwards."""
    with signed_in(hub, "ana") as browser:
        yield browser
    stop(hub, "ana")


def stop(hub: Hub, name: str) -> None:
    """Stop a server, if it runs."""
    httpx.delete(f"{hub.hub_api}/users/{name}/server", headers=authorization(hub, name), timeout=60)
    hub.until(lambda: not model(hub, name)["servers"])


def model(hub: Hub, name: str) -> dict[str, Any]:
    """What the Hub says of a user."""
    answer = httpx.get(f"{hub.hub_api}/users/{name}", headers=authorization(hub, name))
    return dict(answer.json())


def begin(hub: Hub, name: str, options: dict[str, Any] | None) -> httpx.Response:
    """Ask the Hub's API for a server."""
    headers = authorization(hub, name)
    return httpx.post(f"{hub.hub_api}/users/{name}/server", headers=headers, json=options, timeout=60)


def page(hub: Hub, browser: httpx.Client, name: str = "ana") -> str:
    """The page on which a server is started."""
    answer = browser.get(f"{hub.url}/hub/spawn/{name}", timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.text


def submit(hub: Hub, browser: httpx.Client, **fields: str) -> httpx.Response:
    """Send the form of that page as a browser without scripts does."""
    action = re.search(r'id="spawn_form"\s+action="([^"]+)"', page(hub, browser))
    assert action is not None
    files = {name: (None, value) for name, value in fields.items()}
    return browser.post(f"{hub.url}{unescape(action[1])}", files=files, timeout=60, follow_redirects=False)


def server_process(hub: Hub, name: str) -> psutil.Process:
    """The server of a user, once it is ready."""
    hub.until(lambda: model(hub, name)["servers"].get("", {}).get("ready"), 120)
    for process in hub.below():
        with suppress(psutil.Error):
            if process.environ().get("JUPYTERHUB_USER") == name and process.ppid() == hub.process.pid:  # type: ignore[union-attr]
                return process
    raise AssertionError("no server")


def test_the_form_offers_what_its_reader_may_use_and_can_run_a_server(hub: Hub, ana: httpx.Client) -> None:
    shown = page(hub, ana)
    assert OPTION.findall(shown) == [("", " selected"), ("data/course", "")]
    assert '<optgroup label="data">' in shown and "Notebooks with arrays" in shown
    # Not in the group, but with a scope that reads its namespace; and somebody with neither.
    with signed_in(hub, "ben") as browser:
        assert OPTION.findall(page(hub, browser, "ben")) == [("", " selected"), ("data/course", "")]
    with signed_in(hub, "ana.b") as browser:
        assert OPTION.findall(page(hub, browser, "ana.b")) == [("", " selected")]


def test_a_server_that_the_form_starts_runs_in_the_environment(hub: Hub, ana: httpx.Client) -> None:
    submit(hub, ana, environment="data/course")
    process = server_process(hub, "ana")
    prefix = process.environ()["CONDA_PREFIX"]
    assert Path(prefix).is_relative_to(hub.directory / "conda-store")
    assert process.environ()["CONDA_DEFAULT_ENV"] == "data/course"
    assert process.cmdline()[0].startswith(f"{prefix}/bin/python")
    assert "PYTHONPATH" not in process.environ()
    assert process.environ()["CONDA_STORE_URL"] == f"http://127.0.0.1:{hub.service}/services/conda-store/"
    # Its token is one that conda-store knows, so that panel and command line work in it.
    assert hub.roles(process.environ()["JUPYTERHUB_API_TOKEN"])["data/*"] == ["developer"]
    stop(hub, "ana")
    assert ("data/course", " selected") in OPTION.findall(page(hub, ana))


def test_the_api_starts_servers_in_environments_and_by_build(hub: Hub) -> None:
    token = authorization(hub, "ana")["Authorization"]
    number = hub.ask("environment/data/course/", token).json()["data"]["current_build_id"]
    started = begin(hub, "ana", {"environment": "data/course", "build": number})
    assert started.status_code in (201, 202), started.text
    environment = server_process(hub, "ana").environ()
    stop(hub, "ana")
    assert environment["CONDA_DEFAULT_ENV"] == "data/course"
    # Nothing of that is left in a server without environment, which is the Hub's own.
    assert begin(hub, "ana", {"environment": ""}).status_code in (201, 202)
    own = server_process(hub, "ana").environ()
    stop(hub, "ana")
    assert "data/course" not in own.get("CONDA_DEFAULT_ENV", "")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"environment": "ben/hidden"}, 403, "You may not use ben/hidden, or there is no such"),
        ({"environment": "art/nothing"}, 403, "You may not use art/nothing, or there is no such"),
        ({"environment": "ana/nothing"}, 404, "ana/nothing is not there any more"),
        ({"environment": "data/plain"}, 409, "data/plain cannot run a server: it holds no jupyterhub-singleuser"),
        ({"environment": "data/course", "build": 999999}, 403, "You may not use build 999999 of data/course, or"),
        ({"environment": "data/course", "build": "x"}, 400, "'build' must be the number of a build"),
        ({"environment": ["data/course"]}, 400, "'environment' must be like"),
        ({"environment": "../data/course"}, 400, "'environment' must be like"),
    ],
)
def test_what_cannot_be_started_is_refused_by_name(
    hub: Hub, options: dict[str, Any], status: int, message: str
) -> None:
    answer = begin(hub, "ana", options)
    assert (answer.status_code, message in answer.json()["message"]) == (status, True), answer.text
    assert not model(hub, "ana")["servers"]


def test_who_submits_somebody_elses_environment_is_told_on_the_page(hub: Hub, ana: httpx.Client) -> None:
    refused = submit(hub, ana, environment="ben/hidden")
    assert refused.status_code == 403
    assert "You may not use ben/hidden" in unescape(refused.text)
    assert 'id="conda-store-environment"' in refused.text
    # So is whoever follows a link that names it.
    linked = ana.get(f"{hub.url}/hub/spawn/ana?opt-environment=ben/hidden")
    assert linked.status_code == 403 and "You may not use ben/hidden" in unescape(linked.text)


def test_questions_leave_no_token_behind(hub: Hub, ana: httpx.Client) -> None:
    page(hub, ana)
    tokens = httpx.get(f"{hub.hub_api}/users/ana/tokens", headers=authorization(hub, "ana")).json()
    assert not [one for one in tokens["api_tokens"] if one["note"].startswith("conda-store")]


def test_who_has_no_access_to_conda_store_starts_without_it(hub: Hub) -> None:
    hub.token("eve")
    with signed_in_to_the_hub(hub, "eve") as browser:
        shown = page(hub, browser, "eve")
    assert "You have no access to conda-store" in shown and OPTION.findall(shown) == [("", " selected")]
    refused = begin(hub, "eve", {"environment": "data/course"})
    assert refused.status_code == 403 and "You have no access to conda-store" in refused.json()["message"]


@contextmanager
def signed_in_to_the_hub(hub: Hub, name: str) -> Iterator[httpx.Client]:
    """A browser's cookies after the Hub's own login: not everybody gets into conda-store."""
    with httpx.Client(base_url=hub.url, follow_redirects=True, timeout=60) as client:
        form = client.get("/hub/login")
        hidden = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
        assert hidden is not None, form.text
        given = {"username": name, "password": PASSWORD, "_xsrf": hidden[1]}
        assert client.post("/hub/login?next=/hub/home", data=given).status_code == 200
        yield client


@contextmanager
def asleep(hub: Hub) -> Iterator[None]:
    """conda-store does not answer while the block runs."""
    service = service_process(hub)
    everything = [service, *service.children(recursive=True)]
    for process in everything:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in everything:
            process.send_signal(signal.SIGCONT)


IN_CONTAINERS = """
from dockerspawner import DockerSpawner

class Contained(hub.CondaStoreSpawnerMixin, DockerSpawner):
    async def get_ip_and_port(self):
        # Docker has no network of its own in these tests.
        return "127.0.0.1", self.port

c.JupyterHub.spawner_class = Contained
c.DockerSpawner.network_name = "host"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.client_kwargs = {{"base_url": {socket!r}}}
c.DockerSpawner.port = {port}
c.Spawner.conda_store_registry = f"127.0.0.1:{{registry_port}}"
c.Spawner.start_timeout = 300
"""


@contextmanager
def reconfigured(hub: Hub, more: str) -> Iterator[None]:
    """The Hub with other options while the block runs, and with the same environments."""
    place = hub.directory / "hub.py"
    before = place.read_text()

    def restart(text: str) -> None:
        hub.stop()
        place.write_text(text)
        hub.start()

    restart(before + more)
    try:
        yield
    finally:
        restart(before)


@pytest.mark.docker
def test_a_container_runs_the_image_of_the_environment(hub: Hub, docker: Engine) -> None:
    (port,) = free_ports(1)
    with reconfigured(hub, IN_CONTAINERS.format(socket=docker.command[-1], port=port)):
        start_contained(hub)
        (container,) = docker.call("ps", "--quiet").stdout.split()
        code = "import numpy, os; print(os.environ['CONDA_DEFAULT_ENV'], numpy.__version__)"
        assert docker.call("exec", container, "python", "-c", code).stdout.startswith("course ")
        stop(hub, "ana")
        assert not docker.call("ps", "--all", "--quiet").stdout
        # What is made by now has a digest, and that is what runs.
        start_contained(hub)
        shown = docker.call("ps", "--format", "{{.Image}}", "--no-trunc").stdout.strip()
        assert re.fullmatch(rf"127\.0\.0\.1:{hub.registry}/data/course@sha256:[0-9a-f]{{64}}", shown)
        stop(hub, "ana")


def start_contained(hub: Hub) -> None:
    """Start a server of ana's, and wait for it; images are made and pulled meanwhile."""
    assert begin(hub, "ana", {"environment": "data/course"}).status_code in (201, 202)
    hub.until(lambda: model(hub, "ana")["servers"].get("", {}).get("ready"), 240)


def test_servers_start_without_an_environment_while_conda_store_is_away(hub: Hub, ana: httpx.Client) -> None:
    with asleep(hub):
        shown = page(hub, ana)
        assert 'role="alert"' in shown and "conda-store has not answered for 3 seconds" in shown
        refused = begin(hub, "ana", {"environment": "data/course"})
        assert refused.status_code == 503 and "try again soon" in refused.json()["message"]
        submit(hub, ana, environment="")
        assert not server_process(hub, "ana").cmdline()[0].startswith(str(hub.directory / "conda-store"))
    hub.until(lambda: hub.is_up(), 60)
