"""Images on demand: one build however many ask, the reason when there is none, and nothing installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from conda_store.audit import Actor
from conda_store.builds import states
from conda_store.builds.subject import JobSettings
from conda_store.builds.workshop import Workshop
from conda_store.db import Database
from conda_store.db.orm import BuildRow, EnvironmentRow, ManifestRow
from conda_store.executors.base import Executor
from conda_store.executors.local import LocalExecutor
from conda_store.managers.images import DynamicSettings, ImageManager
from conda_store.managers.watching import Watcher
from conda_store.registry.dynamic import DynamicRequest
from conda_store.registry.errors import TooManyRequests
from conda_store.registry.names import DYNAMIC
from conda_store.storage.base import Storage
from tests.containers import Engine, new_podman
from tests.registry_house import registry_of

NUMPY = f"{DYNAMIC}/numpy.ge.1.26/numpy.lt.3/python.3.11"
THE_SAME = f"{DYNAMIC}/python.3.11/numpy.lt.3/numpy.ge.1.26/python"
PRINT_VERSION = "import pandas; print(pandas.__version__)"


class NeverExecutor(LocalExecutor):
    """Never builds anything."""

    def start(self, settings: JobSettings) -> None:
        raise AssertionError("not to be started")

    def submit(self, build_id: int) -> None:
        """Leave it."""


@dataclass(frozen=True)
class Kitchen:
    """A database, and workers that build what stands in it."""

    database: Database
    executor: Executor
    storage: Storage
    prefixes: Path

    @contextmanager
    def open(self, settings: DynamicSettings | None = None) -> Iterator[httpx.Client]:
        """A client of a registry that makes images."""
        with ThreadPoolExecutor(4) as pool:
            images = ImageManager(self.database, self.executor, Watcher(self.database, pool), settings)
            with (
                registry_of(self.database, self.storage, images=images) as house,
                httpx.Client(base_url=house.url, trust_env=False, timeout=300) as client,
            ):
                yield client

    def builds(self, name: str) -> int:
        """How many builds there were for a request."""
        return count_builds(self.database, DynamicRequest.parse(name))


def count_builds(database: Database, request: DynamicRequest) -> int:
    query = (
        select(func.count()).select_from(BuildRow).join(EnvironmentRow, BuildRow.environment_id == EnvironmentRow.id)
    )
    with database.read() as session:
        return session.scalar(query.where(EnvironmentRow.name == request.environment)) or 0


@pytest.fixture(scope="module")
def kitchen(workshop: Workshop, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    place = tmp_path_factory.mktemp("kitchen")
    settings = JobSettings(
        database_url=f"sqlite:///{place / 'store.sqlite'}",
        store_directory=workshop.directory,
        prefix_directory=place / "prefixes",
        environments_directory=place / "environments",
        policy=workshop.policy,
        base_images=base_image,
    )
    database = Database(settings.database_url)
    database.create_or_upgrade()
    executor = LocalExecutor()
    executor.start(settings)
    yield Kitchen(database, executor, workshop.storage, settings.prefix_directory)
    executor.stop()
    database.close()


@pytest.fixture(scope="module")
def client(kitchen: Kitchen) -> Iterator[httpx.Client]:
    with kitchen.open() as client:
        yield client


def message(answer: httpx.Response, status: int = 404, code: str = "MANIFEST_UNKNOWN") -> str:
    """What an error says."""
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (status, code)
    return str(error["message"])


def test_ten_who_ask_at_once_get_one_build(kitchen: Kitchen, client: httpx.Client) -> None:
    asked = [(method, name) for method in ("GET", "HEAD") for name in (NUMPY, THE_SAME)] * 3
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda one: client.request(one[0], f"{one[1]}/manifests/latest"), asked))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["docker-content-digest"] for answer in answers}) == 1
    assert kitchen.builds(NUMPY) == kitchen.builds(THE_SAME) == 1
    # Later ones get the same at once, and every digest under either name.
    digest = answers[0].headers["docker-content-digest"]
    manifest = client.get(f"{NUMPY}/manifests/latest").json()
    assert client.get(f"{THE_SAME}/manifests/{digest}").json() == manifest
    assert client.head(f"{THE_SAME}/blobs/{manifest['config']['digest']}").status_code == 200
    assert kitchen.builds(NUMPY) == 1


def test_only_an_image_is_made(kitchen: Kitchen, client: httpx.Client) -> None:
    manifest = client.get(f"{DYNAMIC}/pytz/manifests/latest").json()
    config = client.get(f"{DYNAMIC}/pytz/blobs/{manifest['config']['digest']}").json()
    assert config["config"]["Labels"]["org.opencontainers.image.title"] == "pytz"
    assert any("pytz" in entry["created_by"] for entry in config["history"])
    assert not kitchen.prefixes.exists() or not list(kitchen.prefixes.rglob("conda-meta"))
    assert not [name for name in client.get("_catalog").json()["repositories"] if name.startswith(DYNAMIC)]


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("no-such-package", ["no-such-package"]),
        ("pyton", ["pyton", "python"]),
        ("python.3.11/python.lt.3.9", ["python"]),
        ("python.eq.3.11", ["'.eq.3.11' is that version alone: write python.3.11 for any 3.11."]),
    ],
)
def test_the_reason_of_a_failure_is_in_the_answer(
    kitchen: Kitchen, client: httpx.Client, name: str, reasons: list[str]
) -> None:
    path = f"{DYNAMIC}/{name}"
    # docker asks with HEAD, and again with GET for the reason: that is no second build.
    assert client.head(f"{path}/manifests/latest").status_code == 404
    said = message(client.get(f"{path}/manifests/latest"))
    # Nobody wrote the file that is built.
    assert all(reason in said for reason in reasons) and "Traceback" not in said and "line " not in said
    assert kitchen.builds(path) == 1


def test_a_failure_does_not_count_for_ever(kitchen: Kitchen) -> None:
    path = f"{DYNAMIC}/no-such-package-either"
    with kitchen.open(DynamicSettings(failure_seconds=0)) as client:
        for builds in (1, 2):
            message(client.get(f"{path}/manifests/latest"))
            assert kitchen.builds(path) == builds


def test_an_image_does_not_answer_its_name_for_ever(kitchen: Kitchen) -> None:
    path = f"{DYNAMIC}/pytz/tzdata"
    with kitchen.open(DynamicSettings(reuse_seconds=0)) as client:
        first = client.head(f"{path}/manifests/latest").headers["docker-content-digest"]
        second = client.head(f"{path}/manifests/latest").headers["docker-content-digest"]
        assert kitchen.builds(path) == 2
        # The same packages are the same image, and what was pulled before stays.
        assert first == second
        assert client.head(f"{path}/manifests/{first}").status_code == 200


def test_who_leaves_or_cannot_wait_finds_it_later(kitchen: Kitchen, client: httpx.Client) -> None:
    path = f"{DYNAMIC}/six/pytz"
    with kitchen.open(DynamicSettings(hold_seconds=0)) as impatient:
        assert "still being made" in message(impatient.get(f"{path}/manifests/latest"))
    assert client.get(f"{path}/manifests/latest").status_code == 200
    assert kitchen.builds(path) == 1


def test_only_latest_starts_a_build(kitchen: Kitchen, client: httpx.Client) -> None:
    path = f"{DYNAMIC}/requests"
    assert message(client.get(f"{path}/manifests/1"), code="NAME_UNKNOWN")
    assert message(client.get(f"{path}/manifests/sha256:{'0' * 64}"), code="NAME_UNKNOWN")
    assert kitchen.builds(path) == 0


def test_a_malformed_request_starts_nothing(kitchen: Kitchen, client: httpx.Client) -> None:
    said = message(client.get(f"{DYNAMIC}/python.ge.3.10.lt.3.12/manifests/latest"), 400, "NAME_INVALID")
    assert "python.ge.3.10/python.lt.3.12" in said


@pytest.fixture
def idle(database_url: str) -> Iterator[tuple[Database, ImageManager]]:
    """A manager whose builds nobody works on, over each kind of database."""
    database = Database(database_url)
    database.create_or_upgrade()
    with ThreadPoolExecutor(1) as pool:
        settings = DynamicSettings(pending=3)
        yield database, ImageManager(database, NeverExecutor(), Watcher(database, pool), settings)
    database.close()


def test_equal_requests_of_many_threads_are_one_build(idle: tuple[Database, ImageManager]) -> None:
    database, images = idle
    for name in (f"{DYNAMIC}/numpy", f"{DYNAMIC}/pandas"):
        request = DynamicRequest.parse(name)
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(images.start, [request] * 24))
        assert len(found) == count_builds(database, request) == 1


def test_there_is_room_for_so_many_and_no_more(idle: tuple[Database, ImageManager]) -> None:
    database, images = idle
    requests = [DynamicRequest.parse(f"{DYNAMIC}/{name}") for name in ("a", "b", "c", "d")]
    first, *_ = [images.start(request) for request in requests[:3]]
    with pytest.raises(TooManyRequests, match="3 images"):
        images.start(requests[3])
    assert images.start(requests[0]) == first
    with database.write() as session:
        states.cancel(session, first)
    outcome = images.find_outcome(first)
    assert outcome is not None and outcome.failure == "The making of this image was canceled."
    assert images.start(requests[3]) != first
    with pytest.raises(TooManyRequests):
        images.start(requests[0])


def test_one_caller_leaves_room_for_others(database_url: str) -> None:
    database = Database(database_url)
    database.create_or_upgrade()
    with ThreadPoolExecutor(1) as pool:
        settings = DynamicSettings(pending_per_caller=2)
        images = ImageManager(database, NeverExecutor(), Watcher(database, pool), settings)
        requests = [DynamicRequest.parse(f"{DYNAMIC}/{name}") for name in ("a", "b", "c")]
        first, _ = (images.start(request, Actor("ana")) for request in requests[:2])
        with pytest.raises(TooManyRequests, match=r"2 images .* for you .*max_pending_per_caller"):
            images.start(requests[2], Actor("ana"))
        # Somebody else may, and what is on its way already is nobody's burden.
        images.start(requests[2], Actor("ben"))
        assert images.start(requests[0], Actor("ben")) == images.start(requests[0], Actor("ana")) == first
    database.close()


def test_what_nobody_pulls_for_long_is_served_no_longer(kitchen: Kitchen, client: httpx.Client) -> None:
    used, unused = f"{DYNAMIC}/wcwidth", f"{DYNAMIC}/wcwidth/pytz"
    digests = {
        name: client.head(f"{name}/manifests/latest").headers["docker-content-digest"] for name in (used, unused)
    }
    long_ago = datetime.now(UTC) - timedelta(days=40)
    with kitchen.database.write() as session:
        for row in session.scalars(select(BuildRow)):
            row.ended_on = long_ago
        for content in session.scalars(select(ManifestRow)):
            content.last_pulled_on = long_ago
    with kitchen.open() as another:
        # By digest too it is a pull, which another process notes.
        assert another.get(f"{used}/manifests/{digests[used]}").status_code == 200
        another.head(f"{DYNAMIC}/six/wcwidth/manifests/latest")
    with kitchen.open() as another:
        assert another.head(f"{used}/manifests/{digests[used]}").status_code == 200
        message(another.get(f"{unused}/manifests/{digests[unused]}"), code="NAME_UNKNOWN")
        assert another.head(f"{unused}/manifests/latest").headers["docker-content-digest"] == digests[unused]
    assert kitchen.builds(unused) == 2


# docker does so in `test_dynamic_pulls.py`.
@pytest.mark.docker
def test_podman_pulls_what_did_not_exist_and_runs_it(client: httpx.Client) -> None:
    host = client.base_url.netloc.decode()
    image = f"{host}/{DYNAMIC}/python.3.11/pandas/pytz"
    with new_podman() as engine:
        engine.fetch(image)
        assert re.fullmatch(r"\d+\.\d+\.\d+\n", engine.output(image, "python", "-c", PRINT_VERSION))
        assert "no-such-package" in _refusal(engine, f"{host}/{DYNAMIC}/no-such-package")


def _refusal(engine: Engine, image: str) -> str:
    done = engine.call(*engine.pull, image, check=False)
    assert done.returncode
    return done.stdout + done.stderr
