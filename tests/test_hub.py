"""conda-store as a service of a real JupyterHub: who gets in, as whom, with what, and until when."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import platform as machine
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest
from playwright.sync_api import sync_playwright

from conda_store.db import Database
from conda_store.registry.manifests import OCI_CONFIG, OCI_MANIFEST, Descriptor, canonical_json
from conda_store.storage.local import LocalStorage
from tests.conftest import need
from tests.containers import Engine
from tests.hubs import ODD, OPERATOR, PASSWORD, SERVICE, Hub, running_hub
from tests.registry_house import admit
from tests.visitors import FLAGS

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[machine.machine()]
YAML = "name: {name}\nchannels: [conda-forge]\ndependencies: [python=3.11]\n"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture
def browser() -> Iterator[Any]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=need("chromium"), args=FLAGS.split())
        yield chromium
        chromium.close()


def submit(hub: Hub, token: str, namespace: str, name: str = "course") -> int:
    body = {"specification": YAML.format(name=name), "namespace": namespace}
    return hub.ask("specification/", f"Bearer {token}", "POST", json=body).status_code


def basic(token: str) -> str:
    return f"Basic {base64.b64encode(f'anybody:{token}'.encode()).decode()}"


def test_a_token_of_the_hub_gives_own_and_group_namespaces(hub: Hub) -> None:
    token = hub.token("ana")
    roles = hub.roles(token)
    assert roles["ana/*"] == ["admin"] and roles["data/*"] == roles["lab-ml/*"] == ["developer"]
    assert "art/*" not in roles and "*/*" not in roles
    assert (submit(hub, token, "ana"), submit(hub, token, "data"), submit(hub, token, "art")) == (200, 200, 403)
    for authorization in (f"token {token}", f"Bearer {token}", basic(token)):
        assert hub.ask("environment/ana/course/", authorization).status_code == 200
    refused = hub.ask("environment/ana/course/", "token " + "0" * 32)
    assert (refused.status_code, refused.json()["code"]) == (403, "credentials_invalid")


def test_scopes_widen_and_narrow(hub: Hub) -> None:
    roles = hub.roles(hub.token("ben"))
    assert (roles["data/*"], roles["ben/*"]) == (["developer"], ["admin"])
    access = "access:services!service=conda-store"
    narrowed = hub.roles(hub.token("ana", scopes=[access, "custom:conda-store:read!user"]))
    assert narrowed["ana/*"] == narrowed["data/*"] == ["viewer"]
    assert hub.roles(hub.token("ana", scopes=[access]))["ana/*"] == ["admin"]
    one = hub.roles(hub.token("ben", scopes=[access, "custom:conda-store:read!group=data"]))
    assert one == {"data/*": ["viewer"]}


def test_a_token_of_conda_store_has_no_more_than_its_owner_has_in_the_hub(hub: Hub) -> None:
    asked = {"role_bindings": {"data/*": ["developer"], "ana/*": ["viewer"]}}
    made = hub.ask("token/", f"token {hub.token('ana')}", "POST", json=asked)
    own = made.json()["data"]["token"]
    assert hub.roles(own) == {"data/*": ["developer"], "ana/*": ["viewer"]}
    changed = {"headers": OPERATOR, "json": {"users": ["ana"]}}
    httpx.request("DELETE", f"{hub.hub_api}/groups/data/users", **changed)
    try:
        hub.until(lambda: "data/*" not in hub.roles(own), 30)
    finally:
        httpx.post(f"{hub.hub_api}/groups/data/users", **changed)
    hub.until(lambda: "data/*" in hub.roles(own), 30)


def test_who_has_no_access_is_refused(hub: Hub) -> None:
    for token in (hub.token("eve"), hub.token("ana", scopes=["custom:conda-store:admin!user"])):
        assert hub.ask("environment/ana/course/", f"token {token}").json()["code"] == "credentials_invalid"


@pytest.mark.parametrize("name", ODD)
def test_odd_names(hub: Hub, name: str) -> None:
    if name == "data":
        # The group was there first.
        submit(hub, hub.token("ana"), "data")
    roles = hub.roles(hub.token(name))
    if name == "default":
        assert roles["default/*"] == ["viewer"]
        hub.until(lambda: "'default'" in hub.log and "reserved" in hub.log)
    elif name == "data":
        assert roles["data/*"] == ["developer"]
        hub.until(lambda: "'data' is a group namespace already" in hub.log)
    else:
        assert roles[f"{name}/*"] == ["admin"] and "ana/*" not in roles


def test_a_token_that_was_revoked_counts_no_longer(hub: Hub) -> None:
    token = hub.token("ana")
    registry = f"http://127.0.0.1:{hub.registry}/v2/token"
    for root in (registry, f"{hub.url}/v2/token"):
        short = httpx.get(root, headers={"Authorization": basic(token)}).json()["token"]
        listed = httpx.get(root.replace("/token", "/_catalog"), headers={"Authorization": f"Bearer {short}"})
        assert listed.status_code == 200 and token not in short
    hub.revoke("ana")
    hub.until(lambda: hub.ask("environment/ana/course/", f"token {token}").status_code == 403, 30)
    assert httpx.get(registry, headers={"Authorization": basic(token)}).status_code == 401
    hub.until(lambda: httpx.get(listed.url, headers={"Authorization": f"Bearer {short}"}).status_code == 401, 30)


def sign_in(page: Any, hub: Hub, name: str) -> None:
    page.goto(f"{hub.url}{SERVICE}")
    page.click("text=Login")
    page.fill("#username_input", name)
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")


def test_a_browser_signs_in_creates_and_signs_out(hub: Hub, browser: Any) -> None:
    for name, namespace in (("ana", "data"), ("ben", "art"), ("ben", "ben")):
        assert submit(hub, hub.token(name), namespace, f"of-{namespace}") == 200
    page = browser.new_page()
    sign_in(page, hub, "ana")
    page.wait_for_selector(".who:has-text('ana')")
    shown = page.text_content("main")
    assert "data/of-data" in shown and "art/of-art" not in shown and "ben/of-ben" not in shown
    page.goto(f"{hub.url}{SERVICE}create/")
    page.fill(".cm-content", YAML.format(name="drawn"))
    page.click("button:has-text('Build')")
    page.wait_for_url("**/build/*/")
    page.click("text=Log out")
    page.wait_for_selector("text=Login")
    assert "data/of-data" not in page.text_content("main")


def come_back(root: str, code: str) -> httpx.Response:
    """What a browser is told that brings `code`, and began itself."""
    with httpx.Client(base_url=root, timeout=60) as browser:
        away = browser.get("login/")
        state = parse_qs(urlsplit(away.headers["location"]).query)["state"][0]
        cookies = "; ".join(f"{name}={value}" for name, value in away.cookies.items())
        return browser.get("oauth_callback", params={"code": code, "state": state}, headers={"Cookie": cookies})


def test_a_code_that_the_hub_did_not_give_lets_nobody_in(hub: Hub) -> None:
    answer = come_back(f"{hub.url}{SERVICE}", "invented")
    assert answer.status_code == 403 and "did not confirm" in answer.text
    assert "conda-store-auth" not in answer.cookies


def test_signing_out_of_the_hub_ends_the_session_here(hub: Hub, browser: Any) -> None:
    page = browser.new_page()
    sign_in(page, hub, "ana")
    page.wait_for_selector(".who:has-text('ana')")
    page.goto(f"{hub.url}/hub/logout")
    asked = f"{hub.url}{SERVICE}api/v1/permission/"
    hub.until(lambda: not page.request.get(asked).json()["data"]["authenticated"], 30)


def test_the_hub_refuses_a_browser_without_access(hub: Hub, browser: Any) -> None:
    page = browser.new_page()
    sign_in(page, hub, "eve")
    page.wait_for_selector("text=403")
    asked = f"{hub.url}{SERVICE}api/v1/permission/"
    assert not page.request.get(asked).json()["data"]["authenticated"]


def leave_image(hub: Hub, repository: str) -> None:
    """An image of one small layer, as if a build had made it."""
    directory = hub.directory / "conda-store"
    storage, database = LocalStorage(directory / "store"), Database(f"sqlite:///{directory}/conda-store.sqlite")
    try:
        admit(database, storage, repository, invented_image(storage), ["latest"])
    finally:
        database.close()


def invented_image(storage: LocalStorage) -> Descriptor:
    """The manifest of an image whose one layer holds one file."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("word")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"hello"))
    layer = gzip.compress(tar.getvalue(), mtime=0)
    platform = {"architecture": ARCHITECTURE, "os": "linux"}
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar.getvalue()).hexdigest()}"]}
    config = json.dumps({**platform, "config": {}, "rootfs": rootfs}).encode()
    blobs = [
        Descriptor(kind, storage.put_blob(data), len(data)).as_dict()
        for kind, data in ((OCI_CONFIG, config), ("application/vnd.oci.image.layer.v1.tar+gzip", layer))
    ]
    data = canonical_json({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blobs[0], "layers": blobs[1:]})
    return Descriptor(OCI_MANIFEST, storage.put_blob(data), len(data))


def test_a_token_of_the_hub_is_the_password_of_skopeo_on_both_addresses(hub: Hub, tmp_path: Path) -> None:
    token = hub.token("ana")
    submit(hub, token, "data", "pulled")
    leave_image(hub, "data/pulled")
    for port in (hub.registry, hub.port):
        credentials = f"--authfile={tmp_path / str(port)}"
        login = [need("skopeo"), "login", "--tls-verify=false", credentials, "--username=ana"]
        for password, status in (("wrong" * 8, 1), (token, 0)):
            done = subprocess.run([*login, f"--password={password}", f"127.0.0.1:{port}"], capture_output=True)
            assert done.returncode == status, done.stderr
        target = f"oci:{tmp_path / f'image-{port}'}"
        copy = ["skopeo", "copy", "--src-tls-verify=false", f"--authfile={tmp_path / str(port)}", "--insecure-policy"]
        done = subprocess.run([*copy, f"docker://127.0.0.1:{port}/data/pulled", target], capture_output=True)
        assert done.returncode == 0, done.stderr
        hidden = subprocess.run([*copy, f"docker://127.0.0.1:{port}/art/pulled", target], capture_output=True)
        assert hidden.returncode != 0


@pytest.mark.docker
def test_a_token_of_the_hub_is_the_password_of_docker_on_both_addresses(hub: Hub, docker: Engine) -> None:
    token = hub.token("ana")
    submit(hub, token, "data", "docked")
    leave_image(hub, "data/docked")
    for port in (hub.registry, hub.port):
        place = f"127.0.0.1:{port}"
        assert docker.call("pull", f"{place}/data/docked", check=False).returncode != 0
        docker.call("login", "--username=ana", f"--password={token}", place)
        docker.fetch(f"{place}/data/docked")
        docker.call("logout", place)


def service_process(hub: Hub) -> psutil.Process:
    (found,) = [one for one in hub.below() if "conda_store" in one.cmdline() and one.ppid() == hub.process.pid]  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_service_ends_with_the_hub_and_comes_back(number: int, tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        token = hub.token("ana")
        assert submit(hub, token, "ana") == 200
        service = service_process(hub)
        everything = [service, *service.children(recursive=True)]
        rest = hub.below()
        hub.stop(number)
        hub.until(lambda: not any(one.is_running() for one in everything), 30)
        for one in rest:
            if one.is_running():
                one.kill()
        hub.start()
        assert hub.ask("environment/ana/course/", f"token {token}").status_code == 200


def test_a_hub_that_does_not_answer_is_no_error_of_ours(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        known, unknown = hub.token("ana"), hub.token("ben")
        assert hub.roles(known)["ana/*"] == ["admin"]
        assert hub.process is not None
        direct = f"http://127.0.0.1:{hub.service}{SERVICE}api/v1/environment/"
        # Stopped in its tracks: connections are accepted, and nobody answers.
        hub.process.send_signal(signal.SIGSTOP)
        try:
            answers = {}
            for token in (known, unknown):
                answer = httpx.get(direct, headers={"Authorization": f"token {token}"}, timeout=60)
                answers[token] = answer.status_code
            newcomer = come_back(direct.removesuffix("api/v1/environment/"), "invented")
            registry = httpx.get(
                f"http://127.0.0.1:{hub.registry}/v2/token", headers={"Authorization": basic(unknown)}, timeout=60
            )
        finally:
            hub.process.send_signal(signal.SIGCONT)
        assert answers == {known: 200, unknown: 503} and registry.status_code == newcomer.status_code == 503
        hub.until(lambda: hub.ask("environment/", f"token {unknown}").status_code == 200, 30)
