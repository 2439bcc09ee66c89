"""What all tests share. What is expensive is made once per checkout, below `.cache/`, whichever worker comes first."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx._transports.default as httpx_transport
import pytest

from conda_store.builds.workshop import Workshop
from conda_store.demo.base_image import make_base_image
from conda_store.demo.sample_channel import make_sample_channel
from conda_store.packages.channels import ChannelPolicy
from conda_store.pieces.bytecode import machine_platform
from conda_store.storage.scratch import exclusive

# Here and nowhere else: pytest makes a fixture anew for each module that imports it, whatever its scope says.
from tests.full_database import full
from tests.postgres_server import database_url, postgres_server
from tests.wheel import wheel

if TYPE_CHECKING:
    # They need what stands here.
    from tests.containers import Engine
    from tests.registry_server import RegistryServer

__all__ = ["database_url", "full", "postgres_server", "wheel"]

CACHE = Path(__file__).parent.parent / ".cache"
# By their modules: a test of these takes a quarter of a minute or more.
LONGEST = ("/test_killed", "/test_hub_under_load")

# Each client reads all the world's certificates for itself, 20 ms of a processor; tests make thousands of clients.
httpx_transport.create_ssl_context = functools.cache(httpx_transport.create_ssl_context)


def need(program: str) -> str:
    """The path of a program; without it the test is skipped, and under CI it fails."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        message = f"{program} is not installed: make system-packages"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def sample_channel() -> Path:
    """A channel of real packages, made once per checkout; workers of pytest-xdist wait for the first of them."""
    return make_sample_channel(CACHE / "sample-channel")


@pytest.fixture(scope="session")
def base_image() -> str:
    """A base image of Debian packages, as `--base-image` takes it."""
    with exclusive(CACHE / "base-image.lock"):
        return f"oci:{make_base_image(CACHE / 'base-image', machine_platform())}"


@pytest.fixture(scope="session")
def workshop(sample_channel: Path) -> Workshop:
    """A store that all tests and workers share, so that the sample packages are unpacked and pressed once."""
    return Workshop(CACHE / "store", ChannelPolicy().with_channels([sample_channel]))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A real registry."""
    from tests.registry_server import running_registry

    with running_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="module")
def docker() -> Iterator[Engine]:
    """A docker daemon of this module's own."""
    from tests.containers import running_docker

    with running_docker() as engine:
        yield engine


@pytest.fixture(scope="module")
def podman() -> Iterator[Engine]:
    """A podman of this module's own."""
    from tests.containers import new_podman

    with new_podman() as engine:
        yield engine


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Spread the longest tests, so that each worker begins with some of them instead of one ending with them."""
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    longest = [item for item in items if any(name in item.nodeid for name in LONGEST)]
    others = [item for item in items if not any(name in item.nodeid for name in LONGEST)]
    bounds = [len(others) * number // workers for number in range(workers + 1)]
    items[:] = [
        item
        for number in range(workers)
        for item in (*longest[number::workers], *others[bounds[number] : bounds[number + 1]])
    ]
