"""Five programs that pull images, made alike for tests: each logs in, pulls, and says or shows what it has."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isal import igzip
from oras.client import OrasClient

from conda_store.registry.manifests import INDEXES
from tests.conftest import need
from tests.containerd import Containerd, running_containerd
from tests.containers import Engine, new_podman, running_docker, short_directory

DEFAULT_ARCHITECTURE = "amd64"
REFERENCE_NAME = "org.opencontainers.image.ref.name"  # image-spec 1.1, image-layout.md


class Puller(ABC):
    """A program that pulls; what it refuses is an `AssertionError` or `ValueError` with its own words.

    `architecture` is an OCI one (`arm64`); without it the program takes that of this machine.
    """

    @abstractmethod
    def log_in(self, host: str, name: str, password: str) -> None:
        """Let it have credentials."""

    @abstractmethod
    def pull(self, image: str, architecture: str = "") -> None:
        """Fetch all of an image."""

    @abstractmethod
    def has(self, image: str, architecture: str) -> bool:
        """Whether it holds the image for an architecture."""

    @abstractmethod
    def output(self, image: str, *command: str) -> str:
        """What `command` prints in a container of an image that was pulled."""


@dataclass(frozen=True)
class EnginePuller(Puller):
    """docker or podman."""

    engine: Engine
    insecure: tuple[str, ...] = ()

    def log_in(self, host: str, name: str, password: str) -> None:
        self.engine.call("login", *self.insecure, "--username", name, "--password-stdin", host, typed=password)

    def pull(self, image: str, architecture: str = "") -> None:
        platform = (f"--platform=linux/{architecture}",) if architecture else ()
        self.engine.call(*self.engine.pull, *platform, image)

    def has(self, image: str, architecture: str) -> bool:
        done = self.engine.call("image", "inspect", "--format", "{{.Architecture}}", image, check=False)
        return done.stdout.strip() == architecture

    def output(self, image: str, *command: str) -> str:
        return self.engine.output(image, *command)


@dataclass(frozen=True)
class ContainerdPuller(Puller):
    """containerd by ctr, which keeps no credentials and is given them with each pull."""

    engine: Containerd
    credentials: list[str] = field(default_factory=list)

    def log_in(self, host: str, name: str, password: str) -> None:
        self.credentials[:] = ["--user", f"{name}:{password}"]

    def pull(self, image: str, architecture: str = "") -> None:
        platform = ("--platform", f"linux/{architecture}") if architecture else ()
        self.engine.call(*self.engine.pull, *platform, *self.credentials, image)

    def has(self, image: str, architecture: str) -> bool:
        lines = self.engine.call("images", "ls", f"name=={image}").stdout.splitlines()[1:]
        if not lines:
            return False
        top, present = lines[0].split()[2], set(self.engine.call("content", "ls", "--quiet").stdout.split())
        entries = self._content(top).get("manifests", [{"digest": top}])
        manifests = [self._content(one["digest"]) for one in entries if one["digest"] in present]
        whole = [one for one in manifests if {blob["digest"] for blob in (one["config"], *one["layers"])} <= present]
        return architecture in {self._content(one["config"]["digest"])["architecture"] for one in whole}

    def _content(self, digest: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.engine.call("content", "get", digest).stdout)
        return found

    def output(self, image: str, *command: str) -> str:
        return self.engine.output(image, *command)


@dataclass(frozen=True)
class SkopeoPuller(Puller):
    """skopeo, which copies images into a layout (each image has a tag there); podman runs them from it."""

    skopeo: Engine
    podman: Engine
    layout: Path

    def log_in(self, host: str, name: str, password: str) -> None:
        command = ("login", "--tls-verify=false", "--username", name, "--password-stdin", host)
        self.skopeo.call(*command, typed=password)

    def pull(self, image: str, architecture: str = "") -> None:
        chosen = (f"--override-arch={architecture}",) if architecture else ()
        copy = ("--insecure-policy", "copy", "--src-tls-verify=false")
        self.skopeo.call(*chosen, *copy, f"docker://{image}", f"oci:{self.layout}:{_tag(image)}")

    def has(self, image: str, architecture: str) -> bool:
        if not self.layout.exists():
            return False
        entries = json.loads((self.layout / "index.json").read_bytes())["manifests"]
        # An entry whose tag went to another one stays without.
        tags = {one.get("annotations", {}).get(REFERENCE_NAME): one["digest"] for one in entries}
        return _tag(image) in tags and self._architecture(tags[_tag(image)]) == architecture

    def _architecture(self, digest: str) -> str:
        config = self._blob(digest)["config"]["digest"]
        return str(self._blob(config)["architecture"])

    def _blob(self, digest: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.layout / "blobs" / digest.replace(":", "/")).read_bytes())
        return found

    def output(self, image: str, *command: str) -> str:
        return self.podman.output(f"oci:{self.layout}:{_tag(image)}", *command)


def _tag(image: str) -> str:
    return hashlib.sha256(image.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class OrasPuller(Puller):
    """oras for Python. It fetches blobs one by one and runs nothing; every one is held against its digest here."""

    directory: Path
    pulled: set[tuple[str, str]] = field(default_factory=set)

    @property
    def configuration(self) -> str:
        """Where it keeps credentials."""
        return str(self.directory / "config.json")

    def log_in(self, host: str, name: str, password: str) -> None:
        OrasClient(insecure=True).login(name, password, hostname=host, config_path=self.configuration)

    def pull(self, image: str, architecture: str = "") -> None:
        # A new one for each pull: it would show one repository's token to all others.
        client = OrasClient(insecure=True)
        with client.session:
            container = client.get_container(image)
            client.auth.load_configs(container, [self.configuration])
            manifest = client.get_manifest(container)
            if manifest["mediaType"] in INDEXES:
                wanted = architecture or DEFAULT_ARCHITECTURE
                (chosen,) = [one for one in manifest["manifests"] if one["platform"]["architecture"] == wanted]
                container.digest = chosen["digest"]
                manifest = client.get_manifest(container)
            blobs = [self._fetched(client, image, blob) for blob in (manifest["config"], *manifest["layers"])]
        config = json.loads(blobs[0])
        diff_ids = [f"sha256:{hashlib.sha256(igzip.decompress(layer)).hexdigest()}" for layer in blobs[1:]]
        assert diff_ids == config["rootfs"]["diff_ids"]
        self.pulled.add((image, config["architecture"]))

    def _fetched(self, client: OrasClient, image: str, descriptor: dict[str, Any]) -> bytes:
        path = self.directory / descriptor["digest"]
        client.download_blob(image, descriptor["digest"], str(path))
        data = path.read_bytes()
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
        assert len(data) == descriptor["size"]
        return data

    def has(self, image: str, architecture: str) -> bool:
        return (image, architecture) in self.pulled

    def output(self, image: str, *command: str) -> str:
        raise NotImplementedError


@contextmanager
def new_puller(program: str) -> Iterator[Puller]:
    """One of `PROGRAMS`, which has no image and no credentials."""
    with ExitStack() as stack:
        yield _MAKERS[program](stack)


def _docker(stack: ExitStack) -> Puller:
    return EnginePuller(stack.enter_context(running_docker()))


def _podman(stack: ExitStack) -> Puller:
    return EnginePuller(stack.enter_context(new_podman()), ("--tls-verify=false",))


def _skopeo(stack: ExitStack) -> Puller:
    podman, directory = stack.enter_context(new_podman()), stack.enter_context(short_directory())
    environment = podman.environment | {"REGISTRY_AUTH_FILE": f"{directory}/auth.json"}
    return SkopeoPuller(Engine((need("skopeo"),), (), (), environment), podman, directory / "layout")


def _containerd(stack: ExitStack) -> Puller:
    return ContainerdPuller(stack.enter_context(running_containerd()))


def _oras(stack: ExitStack) -> Puller:
    return OrasPuller(stack.enter_context(short_directory()))


_MAKERS = {"docker": _docker, "podman": _podman, "skopeo": _skopeo, "containerd": _containerd, "oras": _oras}
PROGRAMS = tuple(_MAKERS)
