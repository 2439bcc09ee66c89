"""The registry on a port of its own, in several processes of the real command, which end with the server."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from conda_store.db import Database
from conda_store.registry.manifests import OCI_CONFIG, OCI_MANIFEST, Descriptor, canonical_json
from conda_store.storage.local import LocalStorage
from tests.jobs import is_alive, until
from tests.registry_house import admit

SHARED = ("--CondaStore.registry_port=0", "--CondaStore.registry_processes=3")


@dataclass(frozen=True)
class Serving:
    """A server that is ready, and the URLs of its own port and of the registry's."""

    process: subprocess.Popen[str]
    url: str
    registry: str

    def children(self) -> list[psutil.Process]:
        """Every process below the server."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def of_registry(self) -> set[int]:
        """The numbers of the further processes that serve the registry."""
        return {child.pid for child in self.children() if self._serves(child)}

    def _serves(self, child: psutil.Process) -> bool:
        port = int(self.registry.rpartition(":")[2])
        with suppress(psutil.NoSuchProcess):
            # Their supervisor holds the sockets too, to give them to the next one.
            return not child.children() and any(one.laddr.port == port for one in child.net_connections())
        return False


@contextmanager
def serving(directory: Path, *options: str) -> Iterator[Serving]:
    """The real command, killed at the end if it still runs."""
    command = [sys.executable, "-m", "conda_store", "serve", "--port=0", f"--directory={directory}", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        ports = re.fullmatch(
            r"conda-store is ready at http://localhost:(\d+)/, its registry also on port (\d+)\n", said
        )
        assert ports, said
        yield Serving(process, *(f"http://127.0.0.1:{port}" for port in ports.groups()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def admit_an_image(directory: Path) -> Descriptor:
    """An image without layers as `default/one:latest`."""
    storage = LocalStorage(directory / "store", durable=False)
    config = b"{}"
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}
    document["config"] = Descriptor(OCI_CONFIG, storage.put_blob(config), len(config)).as_dict()
    data = canonical_json(document)
    image = Descriptor(OCI_MANIFEST, storage.put_blob(data), len(data))
    database = Database(f"sqlite:///{directory}/conda-store.sqlite")
    admit(database, storage, "default/one", image, ["latest"])
    database.close()
    return image


def test_every_process_serves_images_and_only_images(tmp_path: Path) -> None:
    with serving(tmp_path, *SHARED) as server:
        image = admit_an_image(tmp_path)
        address = f"{server.registry}/v2/default/one/manifests/latest"
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: httpx.get(address), range(60)))
        assert {answer.headers["Docker-Content-Digest"] for answer in answers} == {image.digest}
        assert httpx.get(f"{server.url}/v2/default/one/manifests/latest").status_code == 200
        assert httpx.get(f"{server.registry}/health").status_code == 200
        assert httpx.get(f"{server.registry}/api/v1/").status_code == 404
        assert httpx.get(f"{server.url}/api/v1/").status_code == 200


def test_a_process_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path, *SHARED) as server:
        until(lambda: len(server.of_registry()) == 2)
        before = server.of_registry()
        killed = min(before)
        psutil.Process(killed).kill()
        until(lambda: len(server.of_registry() - before) == 1)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: httpx.get(f"{server.registry}/v2/").status_code, range(40)))
        assert set(answers) == {200}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_server(how: signal.Signals, tmp_path: Path) -> None:
    with serving(tmp_path, *SHARED) as server:
        until(lambda: len(server.of_registry()) == 2)
        below = server.children()
        server.process.send_signal(how)
        server.process.wait(30)
        until(lambda: not any(is_alive(one) for one in below), 30, lambda: str(below))


def test_several_processes_need_a_port_to_share(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "conda_store", "serve", f"--directory={tmp_path}", "--port=0"]
    done = subprocess.run([*command, "--CondaStore.registry_processes=2"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "c.CondaStore.registry_port" in done.stderr and "Traceback" not in done.stderr
