"""What each real client asks for, told by the server's own access log: in which order, and no more than it needs."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from conda_store.builds.workshop import Workshop
from conda_store.demo.conda_package import PackageFile
from conda_store.packages.channels import ChannelPolicy
from conda_store.registry.names import repository
from tests.access_log import recorded
from tests.invented import InventedChannel
from tests.offered_images import Offer, make_index, offer, serving_store
from tests.pullers import Puller, new_puller
from tests.server import Server

pytestmark = pytest.mark.docker

SIZES = {"large": 400_000, "middle": 100_000, "small": 20_000}
SOURCE = "name: Science\ndependencies: [large, middle={}, small]\n"
# Before the first blob, where nobody has to log in, by the versions of Debian 12.
MANIFESTS = {
    "docker": ["GET /v2/", "HEAD manifests/latest", "GET manifests/<index>", "GET manifests/<amd64>"],
    "podman": ["GET /v2/", "GET manifests/latest", "GET manifests/<amd64>"],
    "skopeo": ["GET /v2/", "GET manifests/latest", "GET manifests/<amd64>"],
    "containerd": ["HEAD manifests/latest", "GET manifests/<index>", "GET manifests/<amd64>"],
    "oras": ["GET manifests/latest", "GET manifests/<amd64>"],
}
MANIFESTS_BY_DIGEST = {
    "docker": ["GET /v2/", "GET manifests/<arm64>"],
    "podman": ["GET /v2/", "GET manifests/<index>", "GET manifests/<arm64>"],
    "skopeo": ["GET /v2/", "GET manifests/<index>", "GET manifests/<arm64>"],
    "containerd": ["HEAD manifests/<index>", "GET manifests/<arm64>"],
    "oras": ["GET manifests/<index>", "GET manifests/<arm64>"],
}
# What is known already is looked for again, but not fetched.
MANIFESTS_OF_THE_SAME = {
    "docker": ["GET /v2/", "HEAD manifests/latest"],
    "podman": MANIFESTS["podman"],
    "skopeo": MANIFESTS["skopeo"],
    "containerd": ["HEAD manifests/latest"],
}


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A store over a channel of small packages without python: what is fetched matters here, not what it does."""
    directory = tmp_path_factory.mktemp("invented")
    channel = InventedChannel(directory / "channel")
    for version in ("1.0", "2.0"):
        content = random.Random(version).randbytes(SIZES["middle"])
        channel.add("middle", [PackageFile("share/middle", content)], version=version, noarch="generic")
    for name in ("large", "small"):
        content = random.Random(name).randbytes(SIZES[name])
        channel.add(name, [PackageFile(f"share/{name}", content)], noarch="generic")
    return Workshop(directory / "store", ChannelPolicy().with_channels([channel.directory]))


@pytest.fixture(scope="module")
def server(invented: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_store(invented, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def offers(
    server: Server, invented: Workshop, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Offer, Offer]:
    """An environment before and after a change of one package, whose layer lies between others."""
    before, after = (
        offer(
            server,
            invented,
            repository("default", name),
            make_index(invented, SOURCE.format(version), base_image, tmp_path_factory.mktemp(name)),
        )
        for name, version in (("before", "1.0"), ("after", "2.0"))
    )
    # The base, three packages and the environment's own; the last one has the list of packages.
    assert [layer in before.layers["amd64"] for layer in after.layers["amd64"]] == [True, True, False, True, False]
    return before, after


def changed_layers(before: Offer, after: Offer) -> list[str]:
    return [layer for layer in after.layers["amd64"] if layer not in before.layers["amd64"]]


def asked_for(
    puller: Puller, server: Server, one: Offer, reference: str, architecture: str = ""
) -> tuple[list[str], list[str]]:
    """What the server is asked for in a pull: manifests in their order, and blobs."""
    image = f"127.0.0.1:{server.port}/{one.repository}{reference}"
    with recorded(server) as lines:
        puller.pull(image, architecture)
    assert puller.has(image, architecture or "amd64")
    return one.told(lines)


@pytest.mark.parametrize("program", ["podman", "skopeo", "containerd"])
def test_only_what_is_new_is_fetched(program: str, server: Server, offers: tuple[Offer, Offer]) -> None:
    before, after = offers
    with new_puller(program) as puller:
        everything = before.of_blobs("amd64", before.layers["amd64"])
        assert asked_for(puller, server, before, ":latest") == (MANIFESTS[program], everything)
        again, blobs = asked_for(puller, server, before, ":latest")
        assert again == MANIFESTS_OF_THE_SAME[program]
        assert set(blobs) <= set(before.of_blobs("amd64", []))
        new = after.of_blobs("amd64", changed_layers(before, after))
        assert asked_for(puller, server, after, ":latest") == (MANIFESTS[program], new)
        foreign = before.of_blobs("arm64", [one for one in before.layers["arm64"] if one not in before.layers["amd64"]])
        by_digest = asked_for(puller, server, before, f"@{before.index.digest}", "arm64")
        assert by_digest == (MANIFESTS_BY_DIGEST[program], foreign)


def test_docker_fetches_what_lies_above_a_change(server: Server, offers: tuple[Offer, Offer]) -> None:
    before, after = offers
    with new_puller("docker") as puller:
        everything = before.of_blobs("amd64", before.layers["amd64"])
        assert asked_for(puller, server, before, ":latest") == (MANIFESTS["docker"], everything)
        assert asked_for(puller, server, before, ":latest") == (MANIFESTS_OF_THE_SAME["docker"], [])
        manifests, blobs = asked_for(puller, server, after, ":latest")
        assert manifests == MANIFESTS["docker"]
        new = changed_layers(before, after)
        above = after.layers["amd64"][after.layers["amd64"].index(new[0]) :]
        assert set(after.of_blobs("amd64", new)) <= set(blobs) <= set(after.of_blobs("amd64", above))
        # It keeps one platform of an index only, and so is asked for a manifest.
        (digest,) = [digest for digest, name in before.names.items() if name == "arm64"]
        manifests, blobs = asked_for(puller, server, before, f"@{digest}", "arm64")
        assert (manifests, blobs) == (MANIFESTS_BY_DIGEST["docker"], before.of_blobs("arm64", before.layers["arm64"]))


def test_oras_fetches_each_blob_by_its_digest(server: Server, offers: tuple[Offer, Offer]) -> None:
    before, _ = offers
    with new_puller("oras") as puller:
        everything = before.of_blobs("amd64", before.layers["amd64"])
        assert asked_for(puller, server, before, ":latest") == (MANIFESTS["oras"], everything)
        foreign = before.of_blobs("arm64", before.layers["arm64"])
        by_digest = asked_for(puller, server, before, f"@{before.index.digest}", "arm64")
        assert by_digest == (MANIFESTS_BY_DIGEST["oras"], foreign)
