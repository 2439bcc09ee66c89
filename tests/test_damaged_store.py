"""What a crash of the machine or a hand can do to a store: the next request mends it, and nobody is served a part."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from conda_store.builds.publishing import withdraw_image
from conda_store.builds.states import ArtifactType
from conda_store.db.orm import BuildRow
from conda_store.executors.local import LocalExecutor
from conda_store.managers.artifacts import ArtifactManager
from conda_store.managers.image_waiting import ImageWaiting
from conda_store.managers.images import ImageManager
from conda_store.managers.watching import Watcher
from conda_store.packages.indexing import index_channel
from conda_store.registry.completeness import find_lost
from conda_store.registry.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor, canonical_json, children, parse_object
from conda_store.registry.names import DYNAMIC
from conda_store.storage.base import blob_key
from tests.base_image_checks import two_platforms
from tests.damages import DAMAGES, damage
from tests.forge import check_part, digest_of
from tests.jobs import SHARED, Bench, until
from tests.registry_house import House, admit, registry_of
from tests.test_sharing import write_invented

SOURCE = "dependencies: [one, two]\nvariables: {NAME: NUMBER}\n"
ARTIFACTS = (ArtifactType.DOCKER_MANIFEST, ArtifactType.CONDA_PACK, ArtifactType.LOCKFILE)
# Where the parts of an image stand among all that it needs.
PARTS = {"manifest": 0, "config": 1, "base": 2, "package": 3, "environment": -1}


@dataclass
class Shop:
    """Workers, a registry that asks them, and a client of it."""

    bench: Bench
    house: House
    executor: LocalExecutor
    client: httpx.Client
    base: Path

    def made(self, name: str, source: str = SOURCE) -> int:
        """A build that is complete, with all that it was to leave."""
        build = self.bench.submit(source.replace("NUMBER", name), name)
        self.executor.submit(build)
        self.bench.settled(build)
        return build

    def pull(self, name: str, reference: str = "latest") -> list[str]:
        """The digests of all that a client gets that has nothing, each compared; the manifest's first."""
        answer = self.client.get(f"{name}/manifests/{reference}")
        assert answer.status_code == 200, answer.text
        digest = digest_of(answer)
        assert answer.headers["Docker-Content-Digest"] == digest
        parts = children(parse_object(answer.content, digest))
        for part in parts:
            check_part(self.client, name, part)
        return [digest, *(part.digest for part in parts)]

    def refusal(self, name: str) -> str:
        """Why there is no image."""
        answer = self.client.get(f"{name}/manifests/latest")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["code"]) == (404, "MANIFEST_UNKNOWN")
        return str(error["message"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    place = tmp_path_factory.mktemp("shop")
    for name in ("one", "two"):
        write_invented(place / "channel", name, "1", 50_000)
    index_channel(place / "channel")
    base = two_platforms(place / "base").directory
    bench = Bench(place / "bench", place, place / "channel", f"oci:{base}:one", fresh=SHARED)
    executor = LocalExecutor()
    executor.start(bench.having(build_artifacts=ARTIFACTS))
    with ThreadPoolExecutor(4) as pool:
        watcher = Watcher(bench.database, pool)
        options = {
            "images": ImageManager(bench.database, executor, watcher),
            "waiting": ImageWaiting(bench.database, executor, watcher),
        }
        with (
            registry_of(bench.database, bench.storage, **options) as house,
            httpx.Client(base_url=house.url, trust_env=False, timeout=60) as client,
        ):
            yield Shop(bench, house, executor, client, base)
    executor.stop()
    bench.database.close()


@pytest.fixture(scope="module")
def build(shop: Shop) -> int:
    """The build of `default/science`."""
    return shop.made("science")


@pytest.fixture(scope="module")
def image(shop: Shop, build: int) -> Sequence[str]:
    """The digests of the image `default/science`."""
    return shop.pull("default/science")


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("part", PARTS)
def test_a_pull_has_a_lost_part_made_again(shop: Shop, image: Sequence[str], part: str, how: str) -> None:
    damage(shop.bench.storage, blob_key(image[PARTS[part]]), how)
    shop.house.serve.forget()
    # docker asks so, containerd and a pinned deployment the other way.
    reference = "latest" if how == "missing" else image[0]
    assert shop.client.head(f"default/science/manifests/{reference}").status_code == 200
    assert shop.pull("default/science", reference) == image


@pytest.mark.parametrize("how", DAMAGES)
def test_what_is_lost_while_the_registry_has_it_in_mind_is_unknown_and_then_made_again(
    shop: Shop, image: Sequence[str], how: str
) -> None:
    assert shop.pull("default/science") == image
    damage(shop.bench.storage, blob_key(image[3]), how)
    answer = shop.client.get(f"default/science/blobs/{image[3]}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")
    assert shop.pull("default/science") == image


def test_an_image_on_demand_is_made_again(shop: Shop) -> None:
    name = f"{DYNAMIC}/one/two"
    image = shop.pull(name)
    for part in PARTS.values():
        damage(shop.bench.storage, blob_key(image[part]), "missing")
    shop.house.serve.forget()
    assert shop.pull(name) == image


def test_many_who_pull_at_once_all_get_it(shop: Shop, image: Sequence[str]) -> None:
    damage(shop.bench.storage, blob_key(image[3]), "empty")
    shop.house.serve.forget()
    with ThreadPoolExecutor(10) as pool:
        pulled = list(pool.map(shop.pull, ["default/science"] * 10))
    assert pulled == [image] * 10


def test_why_an_image_cannot_be_made_again_is_told_and_the_next_pull_tries_anew(
    shop: Shop, image: Sequence[str]
) -> None:
    damage(shop.bench.storage, blob_key(image[PARTS["base"]]), "missing")
    shop.house.serve.forget()
    aside = shop.base.rename(shop.base.with_name("aside"))
    assert f"there is no file or directory '{shop.base}:one'" in shop.refusal("default/science")
    aside.rename(shop.base)
    assert shop.pull("default/science") == image


@pytest.mark.parametrize("how", DAMAGES)
def test_without_its_lock_nothing_can_be_made_again(shop: Shop, how: str) -> None:
    build = shop.made("forgotten")
    digest = shop.pull("default/forgotten")[0]
    damage(shop.bench.storage, f"artifacts/{build}/lock.json", how)
    damage(shop.bench.storage, blob_key(digest), how)
    shop.house.serve.forget()
    assert f"The store has lost the lock of build {build}" in shop.refusal("default/forgotten")
    # Building it again is the way out that the message names.
    shop.made("forgotten")
    assert shop.pull("default/forgotten")[0] == digest


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("lost", ["pieces/layer/", "pieces/environment/", "bases/", "blobs"])
def test_the_next_build_makes_what_it_needs_again(shop: Shop, image: Sequence[str], lost: str, how: str) -> None:
    keys = map(blob_key, image) if lost == "blobs" else shop.bench.storage.list(lost)
    for key in list(keys):
        damage(shop.bench.storage, key, how)
    shop.house.serve.forget()
    name = f"next-{lost.strip('/').replace('/', '-')}-{how}"
    shop.made(name)
    assert shop.pull(f"default/{name}")[2:-1] == image[2:-1]
    assert shop.pull("default/science") == image


def test_a_build_can_be_deleted_beside_an_image_that_is_lost(shop: Shop) -> None:
    first, second = shop.made("twice"), shop.made("twice", SOURCE.replace("two", "one"))
    staying = shop.pull("default/twice", str(first))
    damage(shop.bench.storage, blob_key(staying[0]), "truncated")
    with shop.bench.database.write() as session:
        withdraw_image(session, shop.bench.storage, session.get_one(BuildRow, second))
    shop.house.serve.forget()
    assert shop.pull("default/twice", str(first)) == staying
    assert shop.client.get(f"default/twice/manifests/{second}").status_code == 404


def test_an_index_is_as_whole_as_what_it_names(shop: Shop, image: Sequence[str]) -> None:
    shop.pull("default/science")
    storage = shop.bench.storage
    entries = [Descriptor(OCI_MANIFEST, image[0], storage.size(blob_key(image[0]))).as_dict()]
    data = canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    index = Descriptor(OCI_INDEX, storage.put_blob(data), len(data))
    assert find_lost(storage, index) is None
    admit(shop.bench.database, storage, "default/index", index, ["latest"])
    assert shop.client.get("default/index/manifests/latest").status_code == 200
    damage(shop.bench.storage, blob_key(image[3]), "empty")
    # The entry is read for the first time, the index was served before.
    for reference in (image[0], "latest"):
        assert shop.client.get(f"default/index/manifests/{reference}").status_code == 404
    assert find_lost(storage, index) == image[3]
    damage(shop.bench.storage, blob_key(index.digest), "truncated")
    assert find_lost(storage, index) == index.digest
    assert storage.put_blob(data) == index.digest and storage.get(blob_key(index.digest)) == data


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("part", ["list", "member"])
def test_a_download_has_what_is_lost_made_again(shop: Shop, build: int, part: str, how: str) -> None:
    artifacts = ArtifactManager(shop.bench.database, shop.executor, shop.bench.storage)

    def download() -> bytes:
        artifacts.request(build, ArtifactType.CONDA_PACK)
        until(lambda: artifacts.find_list(build, ArtifactType.CONDA_PACK, "science") is not None)
        content = artifacts.find_list(build, ArtifactType.CONDA_PACK, "science")
        assert content is not None
        data = b"".join(content.chunks(0, content.size))
        assert len(data) == content.size
        return data

    whole = download()
    row = shop.bench.artifacts(build)[ArtifactType.CONDA_PACK]
    member = json.loads(shop.bench.storage.get(row.key))["parts"][0][0]
    damage(shop.bench.storage, row.key if part == "list" else blob_key(member), how)
    assert download() == whole


@pytest.mark.parametrize("how", DAMAGES)
def test_a_lockfile_that_is_lost_is_written_again(shop: Shop, build: int, how: str) -> None:
    artifacts = ArtifactManager(shop.bench.database, shop.executor, shop.bench.storage)
    whole = shop.bench.artifact(build, ArtifactType.LOCKFILE)
    damage(shop.bench.storage, shop.bench.artifacts(build)[ArtifactType.LOCKFILE].key, how)
    artifacts.request(build, ArtifactType.LOCKFILE)
    until(lambda: artifacts.find_lockfile(build, "application/json") is not None)
    assert shop.bench.artifact(build, ArtifactType.LOCKFILE) == whole


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("part", [0, 2], ids=["manifest", "document"])
def test_what_refers_to_an_image_is_made_again(shop: Shop, image: Sequence[str], part: int, how: str) -> None:
    listing = f"default/science/referrers/{image[0]}"
    before = shop.client.get(listing).json()
    for entry in before["manifests"]:
        whole = shop.pull("default/science", entry["digest"])
        damage(shop.bench.storage, blob_key(whole[part]), how)
        shop.house.serve.forget()
        assert shop.client.get(listing).json() == before
        assert shop.pull("default/science", entry["digest"]) == whole
        damage(shop.bench.storage, blob_key(whole[part]), how)
        shop.house.serve.forget()
        assert shop.pull("default/science", entry["digest"]) == whole
