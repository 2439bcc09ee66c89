"""Images on demand for the real clients, with nothing prepared: nobody logged in, nothing was built or pulled."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from packaging.version import Version
from sqlalchemy import func, select

from conda_store.builds.workshop import Workshop
from conda_store.db.orm import BuildRow
from conda_store.executors.local import LocalExecutor
from conda_store.packages.channels import ChannelPolicy
from conda_store.registry.names import DYNAMIC
from tests.containers import Engine
from tests.invented import InventedChannel, text_file
from tests.jobs import until
from tests.offered_images import serving_store
from tests.pullers import PROGRAMS, Puller, new_puller
from tests.server import Server

pytestmark = pytest.mark.docker

# Programs that write where no other may write at the same time.
WRITES_ALONE = {"skopeo", "oras"}
PRINT_VERSIONS = "import platform, numpy; print(platform.python_version(), numpy.__version__)"


@contextmanager
def serving_everybody(workshop: Workshop, channel: Path, base_image: str, directory: Path) -> Iterator[Server]:
    """A server that asks nobody for credentials, and makes nothing itself."""
    url = channel.absolute().as_uri()
    options = {"default_channels": [url], "allowed_channels": [url], "ImageBuilder__base_image": base_image}
    options |= {"DummyAuthenticator__token": "a secret", "OnDemandImages__anonymous": True}
    with serving_store(workshop, directory, **options) as server:
        yield server


@contextmanager
def building_for(server: Server) -> Iterator[None]:
    """Work on what waits there, and on what comes."""
    executor = LocalExecutor()
    executor.start(server.app.service.jobs)
    try:
        yield
    finally:
        executor.stop()


def count_builds(server: Server) -> int:
    with server.app.database.read() as session:
        return session.scalar(select(func.count()).select_from(BuildRow)) or 0


@pytest.fixture(scope="module")
def server(
    workshop: Workshop, sample_channel: Path, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with serving_everybody(workshop, sample_channel, base_image, directory) as server, building_for(server):
        yield server


def test_docker_run_is_all_it_takes(docker: Engine, server: Server) -> None:
    found = {}
    for name, newest in (
        ("python.lt.3.12/numpy.gt.1.0", "3"),
        ("numpy.gt.1.0/python.lt.3.12", "3"),
        ("python.lt.3.12/numpy.gt.1.0/numpy.lt.2", "2"),
    ):
        image = f"127.0.0.1:{server.port}/{DYNAMIC}/{name}"
        python, numpy = map(Version, docker.output(image, "python", "-c", PRINT_VERSIONS).split())
        assert python < Version("3.12") and Version("1.0") < numpy < Version(newest)
        digests = docker.call("image", "inspect", "--format", "{{index .RepoDigests 0}}", image).stdout
        found[name] = digests.partition("@")[2]
    first, second, older = found.values()
    assert first == second != older
    assert count_builds(server) == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("python.ge.3.12/numpy.gt.1.0", "No 'python' for linux-64 matches 'python>=3.12'. Available: 3.11"),
        ("python.lt.3.12/numpy.gt.2/numpy.lt.1.0", "No 'numpy' for linux-64 matches 'numpy<1.0,>2'. Available: 2."),
        ("python.lt.3.12/numpi.gt.1.0", "No channel has a package 'numpi' for linux-64. Did you mean 'numpy'?"),
    ],
)
def test_docker_run_says_why_there_is_no_image(docker: Engine, server: Server, name: str, reason: str) -> None:
    done = docker.call(*docker.run, f"127.0.0.1:{server.port}/{DYNAMIC}/{name}", check=False)
    assert done.returncode and reason in done.stderr


def test_ten_pulls_at_once_are_one_build(base_image: str, tmp_path: Path) -> None:
    channel = InventedChannel(tmp_path / "channel")
    for name in ("left", "right"):
        channel.add(name, [text_file(f"share/{name}")], noarch="generic")
    workshop = Workshop(tmp_path / "workshop", ChannelPolicy().with_channels([channel.directory]))
    with ExitStack() as stack:
        pullers = [(_two_of if program in WRITES_ALONE else _one_for_both)(stack, program) for program in PROGRAMS]
        pool = stack.enter_context(ThreadPoolExecutor(10))
        # It goes first at the end, so that nobody is held any longer when something went wrong.
        server = stack.enter_context(serving_everybody(workshop, channel.directory, base_image, tmp_path))
        images = [f"127.0.0.1:{server.port}/{DYNAMIC}/{name}:latest" for name in ("left/right", "right/left")]
        pulls = [pull for pair in pullers for pull in zip(pair, images, strict=True)]
        ended = [pool.submit(puller.pull, image) for puller, image in pulls]
        # All are held before anybody begins to build.
        until(lambda: len(server.app.service.watcher._waiting) == 10)
        with building_for(server):
            for one in ended:
                one.result()
        assert count_builds(server) == 1
        assert all(puller.has(image, "amd64") for puller, image in pulls)


def _two_of(stack: ExitStack, program: str) -> tuple[Puller, Puller]:
    return stack.enter_context(new_puller(program)), stack.enter_context(new_puller(program))


def _one_for_both(stack: ExitStack, program: str) -> tuple[Puller, Puller]:
    puller = stack.enter_context(new_puller(program))
    return puller, puller
