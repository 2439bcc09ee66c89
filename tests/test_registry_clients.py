"""The real docker, podman, skopeo, containerd and oras against the real application: what they may pull they get, and
it runs. Which requests they send when nobody has to log in is `test_registry_requests.py`."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conda_store.builds.workshop import Workshop
from conda_store.registry.names import repository
from tests.access_log import recorded
from tests.offered_images import Offer, make_index, offer, serving_store
from tests.pullers import PROGRAMS, Puller, new_puller
from tests.registry_server import skopeo
from tests.server import Server

pytestmark = pytest.mark.docker

SOURCE = "name: Science\ndependencies: [python, {}]\n"
LOOK = ("python", "-c", "import pytz, sys; print(sys.prefix, pytz.timezone('Europe/Berlin'))")
SEEN = "/opt/conda Europe/Berlin\n"
ADMIN = "what only the administrator knows"

# What is asked for before the first blob, by the versions of Debian 12.
LOGIN = ["GET /v2/ 401", "GET /v2/token", "GET /v2/"]
LOGINS = {"docker": LOGIN, "podman": LOGIN, "skopeo": LOGIN, "containerd": [], "oras": []}
PULLS = {
    "docker": [*LOGIN[:2], "HEAD manifests/latest", "GET manifests/<index>", "GET manifests/<amd64>"],
    "podman": [*LOGIN[:2], "GET manifests/latest", "GET manifests/<amd64>"],
    "skopeo": [*LOGIN[:2], "GET manifests/latest", "GET manifests/<amd64>"],
    "containerd": [
        *("HEAD manifests/latest 401", "POST /v2/token"),
        *("HEAD manifests/latest", "GET manifests/<index> 401", "POST /v2/token"),
        *("GET manifests/<index>", "GET manifests/<amd64>"),
    ],
    "oras": ["GET manifests/latest 401", "GET /v2/token", "GET manifests/latest", "GET manifests/<amd64>"],
}
# oras would try a wrong password again and again for two minutes.
REFUSALS = {
    "docker": "The token that was given as password is wrong",
    "podman": "invalid username/password",
    "skopeo": "invalid username/password",
    "containerd": "failed to authorize",
}


@pytest.fixture(scope="module")
def server(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Whoever has no credentials may read `default/*` only."""
    with serving_store(workshop, tmp_path_factory.mktemp("server"), DummyAuthenticator__token=ADMIN) as server:
        server.api.headers["Authorization"] = f"Bearer {ADMIN}"
        yield server


@pytest.fixture(scope="module")
def host(server: Server) -> str:
    return f"127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def public(server: Server, workshop: Workshop, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Offer:
    index = make_index(workshop, SOURCE.format("pytz"), base_image, tmp_path_factory.mktemp("public"))
    return offer(server, workshop, repository("default", "Science"), index)


@pytest.fixture(scope="module")
def private(server: Server, workshop: Workshop, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Offer:
    index = make_index(workshop, SOURCE.format("pytz, six"), base_image, tmp_path_factory.mktemp("private"))
    return offer(server, workshop, repository("ana@lab.org", "Science"), index)


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def puller(program: str) -> Iterator[Puller]:
    """Each program, new and empty."""
    with new_puller(program) as puller:
        yield puller


def check_that_it_runs(program: str, puller: Puller, image: str) -> None:
    """Start what was pulled; oras for Python only fetches, and has checked every blob."""
    assert puller.has(image, "amd64")
    if program != "oras":
        assert puller.output(image, *LOOK) == SEEN


def test_an_image_is_pulled_by_its_tag_and_runs(program: str, puller: Puller, host: str, public: Offer) -> None:
    image = f"{host}/{public.repository}:latest"
    puller.pull(image)
    check_that_it_runs(program, puller, image)


def test_it_is_pulled_by_its_digest(program: str, puller: Puller, host: str, public: Offer) -> None:
    image = f"{host}/{public.repository}@{public.index.digest}"
    puller.pull(image)
    check_that_it_runs(program, puller, image)


@pytest.mark.parametrize("architecture", ["arm64", "amd64"])
def test_it_is_pulled_for_a_platform(puller: Puller, host: str, public: Offer, architecture: str) -> None:
    image = f"{host}/{public.repository}:latest"
    puller.pull(image, architecture)
    assert puller.has(image, architecture)


def test_who_logs_in_may_pull_more(program: str, puller: Puller, server: Server, host: str, private: Offer) -> None:
    image = f"{host}/{private.repository}:latest"
    with pytest.raises((AssertionError, ValueError), match=r"(?i)unauthorized"):
        puller.pull(image)
    if program in REFUSALS:
        with pytest.raises(AssertionError, match=REFUSALS[program]):
            puller.log_in(host, "admin", "not it")
            puller.pull(image)
    asked = {"role_bindings": {"ana@lab.org/*": ["viewer"], "default/*": ["viewer"]}}
    token = server.api.post("token/", json=asked).json()["data"]["token"]
    with recorded(server) as lines:
        puller.log_in(host, "any name", token)
    assert private.told(lines) == (LOGINS[program], [])
    with recorded(server) as lines:
        puller.pull(image)
    assert private.told(lines)[0] == PULLS[program]
    check_that_it_runs(program, puller, image)


# containerd says "not found" of whatever it is, and oras "Not Found".
@pytest.mark.parametrize("program", ["docker", "podman", "skopeo"], indirect=True)
def test_the_reason_of_a_refusal_reaches_the_user(puller: Puller, host: str, public: Offer) -> None:
    for image, reason in (
        (f"{public.repository}:nothing", "has no image with the tag 'nothing'"),
        ("default/nothing:latest", "no repository default/nothing"),
    ):
        with pytest.raises(AssertionError, match=reason):
            puller.pull(f"{host}/{image}")


@pytest.mark.parametrize("program", ["docker", "podman", "skopeo"], indirect=True)
def test_https_is_tried_first_and_costs_nothing(puller: Puller, host: str, public: Offer) -> None:
    image = f"{host}/{public.repository}:latest"
    puller.pull(image)
    started = time.perf_counter()
    puller.pull(image)
    assert time.perf_counter() - started < 8  # Tornado alone would let the client wait for ten


def test_skopeo_reads_everything_there_is(host: str, public: Offer, tmp_path: Path) -> None:
    name = f"docker://{host}/{public.repository}"
    listed = json.loads(skopeo("list-tags", "--tls-verify=false", name))
    assert listed["Tags"] == ["latest"]
    raw = skopeo("inspect", "--raw", "--tls-verify=false", name)
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == public.index.digest
    skopeo("copy", "--all", "--src-tls-verify=false", name, f"oci:{tmp_path}/copy:latest")
    (copied,) = json.loads((tmp_path / "copy" / "index.json").read_bytes())["manifests"]
    assert copied["digest"] == public.index.digest
    other = json.loads(skopeo("--override-arch", "arm64", "inspect", "--config", "--tls-verify=false", name))
    assert other["architecture"] == "arm64"
