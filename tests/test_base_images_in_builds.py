"""Builds whose base image lies in a real registry that asks for a password: by its options, in real workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from conda_store.builds.job import run_job
from conda_store.builds.states import ArtifactState, ArtifactType
from conda_store.builds.subject import JobSettings
from conda_store.db.orm import ArtifactRow, TagRow
from conda_store.executors.local import LocalExecutor
from conda_store.registry.settings import RegistryAccess
from conda_store.storage.base import blob_key
from tests.base_image_checks import two_platforms
from tests.invented import InventedChannel, text_file
from tests.invented_images import InventedLayout, layer_tar
from tests.jobs import Bench, until
from tests.registry_server import RegistryServer, running_registry, skopeo
from tests.server import Server, running
from tests.test_base_images_pulled import HTPASSWD

USER, WORD = "ana", "correct horse"
BOTH = "dependencies: [tiny]\nplatforms: [linux-64, linux-aarch64]\n"
IMAGE = ArtifactType.DOCKER_MANIFEST
REASON = "c.ImageBuilder.base_image_credentials"


@dataclass
class Place:
    """A locked registry with a base image for two platforms, a channel, and builds that know the password."""

    registry: RegistryServer
    layout: InventedLayout
    channel: Path
    bench: Bench

    @property
    def reference(self) -> str:
        return f"{self.registry.host}/lab/base:1"

    def push(self, name: str, *options: str) -> None:
        """Let the tag 1 be the image `name` of the layout."""
        self.registry.push(f"oci:{self.layout.directory}:{name}", "lab/base:1", f"--dest-creds={USER}:{WORD}", *options)

    def settings(self, word: str | None = WORD, **changes: Any) -> JobSettings:
        """A deployment that knows this password, or none."""
        known = {} if word is None else {self.registry.host: (USER, word)}
        return self.bench.having(build_artifacts=(IMAGE,), registry_access=RegistryAccess(known), **changes)

    def run(self, settings: JobSettings, name: str, source: str = BOTH) -> str | None:
        """Build; why there is no image, or None."""
        build_id = self.bench.submit(source, name)
        run_job(settings, build_id)
        row = self.bench.artifacts(build_id)[IMAGE]
        assert row.state in (ArtifactState.READY, ArtifactState.FAILED)
        said = f"{row.reason} {self.bench.log(build_id)}"
        assert WORD not in said and "battery" not in said
        return row.reason if row.state == ArtifactState.FAILED else None

    def images(self, name: str) -> dict[str, dict[str, Any]]:
        """The configurations of an environment's current image, by architecture."""
        with self.bench.database.read() as session:
            wanted = select(TagRow.digest).where(TagRow.tag == "latest", TagRow.repository == f"default/{name}")
            digest = session.scalars(wanted).one()
        document = self.read(digest)
        manifests = [self.read(one["digest"]) for one in document.get("manifests", [])] or [document]
        configs = [self.read(one["config"]["digest"]) for one in manifests]
        return {config["architecture"]: config for config in configs}

    def current_digest(self) -> str:
        """What the tag stands for in the registry."""
        said = skopeo("inspect", "--tls-verify=false", f"--creds={USER}:{WORD}", f"docker://{self.reference}")
        return str(json.loads(said)["Digest"])

    def read(self, digest: str) -> dict[str, Any]:
        """A document of the store."""
        found: dict[str, Any] = json.loads(self.bench.storage.get(blob_key(digest)))
        return found


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel of two packages for any platform."""
    made = InventedChannel(tmp_path_factory.mktemp("channel"))
    made.indexes["linux-aarch64"] = {}
    for name in ("tiny", "more"):
        made.add(name, [text_file(f"share/{name}")], noarch="generic")
    return made.directory


@pytest.fixture
def place(tmp_path: Path, channel: Path) -> Iterator[Place]:
    everything = ("packages", "toolchains", "bytecode", "repodata", "wheels", "uv", "blobs", "pieces", "bases")
    with running_registry(tmp_path / "registry", htpasswd=HTPASSWD) as registry:
        bench = Bench(tmp_path / "bench", tmp_path / "shared", channel, f"{registry.host}/lab/base:1", everything)
        with closing(bench.database):
            yield Place(registry, two_platforms(tmp_path / "layout"), channel, bench)


def test_the_right_password_opens_each_platform_and_the_second_build_asks_nobody(place: Place) -> None:
    place.push("multi", "--all")
    assert place.run(place.settings(), "first") is None
    found = place.images("first")
    assert {name: config["config"]["Env"][1] for name, config in found.items()} == {
        "amd64": "ARCH=amd64",
        "arm64": "ARCH=arm64",
    }
    assert found["amd64"]["config"]["Labels"]["org.opencontainers.image.base.name"] == place.reference
    place.registry.stop()
    assert place.run(place.settings(), "second") is None
    assert place.run(place.settings(word=None), "third", "dependencies: [more]\n") is None


@pytest.mark.parametrize(("word", "status"), [("battery staple", "401"), (None, "401")])
def test_a_wrong_or_missing_password_names_the_registry_and_the_option(
    place: Place, word: str | None, status: str
) -> None:
    place.push("multi", "--all")
    reason = place.run(place.settings(word), "first") or ""
    assert place.registry.host in reason and REASON in reason and status in reason and place.reference in reason
    assert place.run(place.settings(), "second") is None


def test_credentials_go_to_their_own_registry_only(place: Place) -> None:
    place.push("multi", "--all")
    elsewhere = RegistryAccess({"ghcr.io": (USER, WORD)})
    assert REASON in (place.run(replace(place.settings(), registry_access=elsewhere), "first") or "")


def test_a_digest_is_held_against_what_the_registry_sends(place: Place) -> None:
    place.push("one", "--preserve-digests")
    digest = place.current_digest()
    by_digest = f"{place.registry.host}/lab/base@{digest}"
    blob = place.registry.root / "docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:] / "data"
    data = blob.read_bytes()
    blob.write_bytes(data.replace(b"config", b"cOnfig", 1))
    reason = place.run(place.settings(base_images=by_digest), "first", "dependencies: [tiny]\n")
    assert reason is not None and by_digest in reason
    assert not place.bench.storage.exists(blob_key(digest))
    blob.write_bytes(data)
    assert place.run(place.settings(base_images=by_digest), "second", "dependencies: [tiny]\n") is None


def test_a_tag_that_moved_changes_no_image_until_another_is_named(place: Place) -> None:
    place.push("one")
    source = "dependencies: [tiny]\n"
    assert place.run(place.settings(), "first", source) is None
    before = place.images("first")["amd64"]
    place.layout.write_index([place.layout.image([layer_tar(etc="newer")]).named("new")])
    place.push("new")
    assert place.run(place.settings(), "second", source) is None
    after = place.images("second")["amd64"]
    # The layer on top knows the environment's name; those below are the same.
    assert after["rootfs"]["diff_ids"][:-1] == before["rootfs"]["diff_ids"][:-1]
    assert base_digest(after) == base_digest(before)
    moved = place.settings(base_images=f"{place.registry.host}/lab/base@{place.current_digest()}")
    assert place.run(moved, "third", source) is None
    assert base_digest(place.images("third")["amd64"]) == place.current_digest() != base_digest(before)


def base_digest(config: dict[str, Any]) -> str:
    """On which manifest an image says that it stands."""
    return str(config["config"]["Labels"]["org.opencontainers.image.base.digest"])


def test_a_server_hands_the_password_to_its_workers_and_to_nothing_else(place: Place, tmp_path: Path) -> None:
    place.push("multi", "--all")
    url = place.channel.as_uri()
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [url],
        "allowed_channels": [url],
        "build_artifacts": [IMAGE],
        "ImageBuilder__base_image": place.reference,
        "ImageBuilder__base_image_credentials": {place.registry.host: [USER, WORD]},
    }
    with running(tmp_path / "server", **options) as server:
        build_id = server.submit(text="name: {name}\n" + BOTH)
        until(lambda: state_of(server, build_id) in ("READY", "FAILED"))
        log = server.api.get(f"build/{build_id}/logs/").text
        assert state_of(server, build_id) == "READY", log
        assert place.reference in log and WORD not in log
    kept = [path for path in (tmp_path / "server").rglob("*") if path.is_file()]
    assert len(kept) > 10 and not [path for path in kept if WORD.encode() in path.read_bytes()]


def state_of(server: Server, build_id: int) -> str | None:
    """How far the image of a build is."""
    with server.app.database.read() as session:
        wanted = select(ArtifactRow.state).where(ArtifactRow.build_id == build_id, ArtifactRow.artifact_type == IMAGE)
        return session.scalar(wanted)
