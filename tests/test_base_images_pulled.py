"""Base images from a real registry, and from one on its odd days: pulled once, verified, refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conda_store.errors import BaseImageMissing, DigestMismatch, FetchFailed
from conda_store.storage.base import blob_key
from conda_store.storage.local import LocalStorage
from tests.base_image_checks import LAYERS, refused, resolve, two_platforms, unpacked
from tests.invented_images import InventedLayout, layer_tar
from tests.odd_registry import OddRegistry, odd_registry
from tests.registry_server import RegistryServer, running_registry, skopeo

# ana, "correct horse"; bcrypt with the least rounds, as the registry wants it.
HTPASSWD = "ana:$2b$04$rmVnIq0Vd3X8INoXknCdDeQY3HSDSbxn/iofKDbnp/5Mi8WRvjr5K\n"


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "store", durable=False)


@pytest.fixture
def layout(tmp_path: Path) -> InventedLayout:
    return two_platforms(tmp_path / "layout")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "registry") as server:
        yield server


def test_an_index_is_pulled_for_each_platform(
    storage: LocalStorage, layout: InventedLayout, registry: RegistryServer
) -> None:
    registry.push(f"oci:{layout.directory}:multi", "library/base:1", "--all")
    amd = resolve(storage, f"{registry.host}/library/base:1")
    arm = resolve(storage, f"{registry.host}/library/base:1", "linux-aarch64")
    assert unpacked(storage, amd) == LAYERS
    assert unpacked(storage, arm) == [layer_tar(etc="arm")]
    assert amd.config["User"] == "1000"
    assert (amd.config["Env"][1], arm.config["Env"][1]) == ("ARCH=amd64", "ARCH=arm64")
    assert amd.digest != arm.digest
    message = refused(BaseImageMissing, storage, f"{registry.host}/library/base:1", "linux-s390x")
    assert "linux/amd64, linux/arm64/v8" in message


def test_docker_manifests_become_oci_layers(
    storage: LocalStorage, layout: InventedLayout, registry: RegistryServer
) -> None:
    registry.push(f"oci:{layout.directory}:multi", "base:list", "--all", "--format", "v2s2")
    registry.push(f"oci:{layout.directory}:one", "base:one", "--format", "v2s2")
    for tag in ("list", "one"):
        assert unpacked(storage, resolve(storage, f"{registry.host}/base:{tag}")) == LAYERS
    message = refused(BaseImageMissing, storage, f"{registry.host}/base:one", "linux-aarch64")
    assert "only for linux/amd64" in message


def test_a_digest_needs_the_registry_once(
    storage: LocalStorage, layout: InventedLayout, registry: RegistryServer
) -> None:
    registry.push(f"oci:{layout.directory}:one", "base:1")
    digest = resolve(storage, f"{registry.host}/base:1").digest
    by_digest = f"{registry.host}/base:any@{digest}"
    other = LocalStorage(storage.root.with_name("other"), durable=False)
    pulled = resolve(other, by_digest)
    registry.stop()
    assert resolve(other, by_digest) == pulled
    assert unpacked(other, pulled) == LAYERS
    empty = LocalStorage(storage.root.with_name("empty"), durable=False)
    assert "cannot be reached" in refused(FetchFailed, empty, by_digest)


def test_a_tag_stands_for_what_it_was_until_refreshed(
    storage: LocalStorage, layout: InventedLayout, registry: RegistryServer
) -> None:
    source = f"{registry.host}/base:1"
    registry.push(f"oci:{layout.directory}:one", "base:1")
    old = resolve(storage, source)
    layout.write_index([layout.image([layer_tar(etc="newer")]).named("new")])
    registry.push(f"oci:{layout.directory}:new", "base:1")
    assert resolve(storage, source) == old
    new = resolve(storage, source, refresh=True)
    assert unpacked(storage, new) == [layer_tar(etc="newer")]
    assert resolve(storage, source) == new
    registry.stop()
    warnings: list[str] = []
    assert resolve(storage, source, refresh=True, report=warnings.append) == new
    assert len(warnings) == 1 and source in warnings[0] and "cannot be reached" in warnings[0]


def test_a_lost_layer_is_pulled_again(storage: LocalStorage, layout: InventedLayout, registry: RegistryServer) -> None:
    registry.push(f"oci:{layout.directory}:one", "base:1")
    image = resolve(storage, f"{registry.host}/base:1")
    storage.delete(blob_key(image.layers[0].digest))
    assert resolve(storage, f"{registry.host}/base:1") == image
    assert unpacked(storage, image) == LAYERS


def test_what_a_registry_does_not_have_is_named(
    storage: LocalStorage, layout: InventedLayout, registry: RegistryServer
) -> None:
    registry.push(f"oci:{layout.directory}:one", "base:1")
    assert "404" in refused(BaseImageMissing, storage, f"{registry.host}/base:2")
    assert "404" in refused(BaseImageMissing, storage, f"{registry.host}/nothing:1")


def test_a_layer_damaged_in_the_registry_is_refused(
    storage: LocalStorage, layout: InventedLayout, registry: RegistryServer
) -> None:
    registry.push(f"oci:{layout.directory}:one", "base:1")
    manifest = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/base:1"))
    digest = manifest["layers"][1]["digest"]
    blob = registry.root / "docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:] / "data"
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert digest in refused(DigestMismatch, storage, f"{registry.host}/base:1")
    assert not storage.exists(blob_key(digest))


def test_basic_credentials_are_used_and_never_shown(
    storage: LocalStorage, layout: InventedLayout, tmp_path: Path
) -> None:
    with running_registry(tmp_path / "locked", htpasswd=HTPASSWD) as server:
        server.push(f"oci:{layout.directory}:one", "base:1", "--dest-creds", "ana:correct horse")
        source = f"{server.host}/base:1"
        missing = refused(FetchFailed, storage, source)
        assert "401" in missing and server.host in missing and "c.ImageBuilder.base_image_credentials" in missing
        wrong = refused(FetchFailed, storage, source, credentials={server.host: ("ana", "battery staple")})
        assert "battery" not in wrong and "credentials" in wrong
        image = resolve(storage, source, credentials={server.host: ("ana", "correct horse")})
    assert unpacked(storage, image) == LAYERS


@pytest.fixture
def odd(layout: InventedLayout) -> Iterator[OddRegistry]:
    with odd_registry(layout.directory, layout.image(LAYERS).digest) as server:
        yield server


def test_a_token_is_fetched_once_and_used(storage: LocalStorage, odd: OddRegistry) -> None:
    odd.bearer = "t0ken"
    assert unpacked(storage, resolve(storage, odd.image)) == LAYERS
    assert sum(path.startswith("/token") for path in odd.requests) == 1
    assert odd.authorizations.count(None) == 2


def test_a_token_needs_the_right_credentials(storage: LocalStorage, odd: OddRegistry) -> None:
    odd.bearer, odd.user = "t0ken", "ana:secret"
    assert "401" in refused(FetchFailed, storage, odd.image)
    assert "wrong-one" not in refused(FetchFailed, storage, odd.image, credentials={odd.host: ("ana", "wrong-one")})
    assert resolve(storage, odd.image, credentials={odd.host: ("ana", "secret")}).digest == odd.root


def test_a_redirect_gets_no_credentials(storage: LocalStorage, odd: OddRegistry, layout: InventedLayout) -> None:
    odd.bearer = "t0ken"
    with odd_registry(layout.directory, odd.root) as elsewhere:
        odd.redirect = f"http://{elsewhere.host}"
        assert unpacked(storage, resolve(storage, odd.image)) == LAYERS
        assert len(elsewhere.requests) == 3
        assert set(elsewhere.authorizations) == {None}


def test_a_redirect_to_plain_http_elsewhere_is_refused(storage: LocalStorage, odd: OddRegistry) -> None:
    odd.redirect = "http://registry.invalid"
    assert "registry.invalid without encryption" in refused(FetchFailed, storage, odd.image)


@pytest.mark.parametrize(("status", "words"), [(429, "come back later"), (500, "problem of its own"), (418, "418")])
def test_other_answers_are_told(storage: LocalStorage, odd: OddRegistry, status: int, words: str) -> None:
    odd.status = status
    assert words in refused(FetchFailed, storage, odd.image)


def test_a_connection_that_breaks_off_leaves_nothing(
    storage: LocalStorage, odd: OddRegistry, layout: InventedLayout
) -> None:
    odd.cut = json.loads(layout.path(odd.root).read_text())["layers"][1]["digest"]
    assert "broke off" in refused(FetchFailed, storage, odd.image)
    assert not storage.exists(blob_key(odd.cut))
    odd.cut = None
    assert unpacked(storage, resolve(storage, odd.image)) == LAYERS


def test_a_manifest_of_another_digest_is_refused(storage: LocalStorage, odd: OddRegistry) -> None:
    odd.damaged = odd.root
    refused(DigestMismatch, storage, f"{odd.host}/odd/image@{odd.root}")


def test_no_plain_http_but_to_loopback_or_by_permission(storage: LocalStorage, odd: OddRegistry) -> None:
    # The name resolves to loopback on every machine, and is not one of the three that may be plain.
    port = odd.host.rpartition(":")[2]
    assert "c.ImageBuilder.insecure_registries" in refused(FetchFailed, storage, f"127.1:{port}/odd/image:1")
    assert odd.requests == []
    assert resolve(storage, f"127.1:{port}/odd/image:1", insecure=[f"127.1:{port}"]).digest == odd.root
