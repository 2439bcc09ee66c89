"""What refers to an image in the registry: lockfile and bill of materials, as clients find, fetch and read them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import oras.client
import pytest

from conda_store.builds.workshop import Workshop
from conda_store.registry.manifests import OCI_INDEX, OCI_MANIFEST
from conda_store.registry.names import DYNAMIC
from tests.engine import run_build
from tests.referrer_documents import (
    LOCKFILE,
    SPDX,
    beside,
    building,
    built,
    check_bytes,
    digest_of,
    documents,
    manifest_of,
    referrers,
    registry,
)
from tests.registry_server import skopeo
from tests.server import Server, running
from tests.test_other_artifacts import check_valid

with warnings.catch_warnings():
    # The conda inside conda-lock uses what is deprecated; nobody here can change that.
    warnings.simplefilter("ignore")
    from conda_lock.lockfile import parse_conda_lock_file

WITH_PIP = "name: {name}\ndependencies: [python, six, {{pip: [cowsay]}}]\n"
OTHER = f"sha256:{'0' * 64}"
TITLE = "org.opencontainers.image.title"
NAME = "default/pips"


@pytest.fixture(scope="module")
def server(workshop: Workshop, sample_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(beside(workshop, tmp_path_factory.mktemp("referrers")), **building(sample_channel)) as made:
        yield made


@pytest.fixture(scope="module")
def image(server: Server) -> str:
    """The digest of an image with conda packages and a wheel."""
    return built(server, "pips", WITH_PIP)


@pytest.fixture(scope="module")
def two_platforms(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lockfile of two platforms."""
    file = tmp_path_factory.mktemp("lock") / "conda-lock.yml"
    source = "name: two\ndependencies: [python, numpy, pip: [cowsay]]\n"
    run_build(workshop, source, lock=file, platforms=("linux-64", "linux-aarch64"))
    return file.read_text()


def read_lockfile(data: bytes, folder: Path) -> dict[tuple[str, str, str], str]:
    """Version of every package by manager, name and platform, as conda-lock itself reads them."""
    file = folder / "conda-lock.yml"
    file.write_bytes(data)
    return {(one.manager, one.name, one.platform): one.version for one in parse_conda_lock_file(file).package}


def test_lockfile_and_bill_of_materials_are_artifacts_about_the_image(server: Server, image: str) -> None:
    found = referrers(server, NAME, image)
    assert list(found) == [SPDX, LOCKFILE]
    whole = registry(server, f"{NAME}/manifests/{image}").content
    titles = []
    for kind, descriptor in found.items():
        manifest = manifest_of(server, NAME, descriptor)
        assert manifest["artifactType"] == kind and manifest["annotations"] == descriptor["annotations"] != {}
        assert manifest["subject"] == {"mediaType": OCI_MANIFEST, "digest": image, "size": len(whole)}
        assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
        config = registry(server, f"{NAME}/blobs/{manifest['config']['digest']}").content
        check_bytes(config, manifest["config"])
        assert config == b"{}"
        (layer,) = manifest["layers"]
        assert layer["mediaType"] == kind
        titles.append(layer["annotations"][TITLE])
    assert titles == ["sbom.spdx.json", "conda-lock.yml"]


def test_they_can_be_filtered_by_type(server: Server, image: str) -> None:
    for query, kinds in {
        "?artifactType=application%2Fspdx%2Bjson": [SPDX],
        f"?artifactType={SPDX}": [SPDX],
        f"?artifactType={LOCKFILE}": [LOCKFILE],
        "?artifactType=application/vnd.example": [],
        "?artifactType=": [SPDX, LOCKFILE],
    }.items():
        assert list(referrers(server, NAME, image, query)) == kinds
        headers = registry(server, f"{NAME}/referrers/{image}{query}").headers
        assert headers.get("OCI-Filters-Applied") == (None if query.endswith("=") else "artifactType")


def test_what_is_no_image_has_none(server: Server, image: str) -> None:
    manifest = registry(server, f"{NAME}/manifests/{image}").json()
    artifact = referrers(server, NAME, image)[SPDX]["digest"]
    # oras goes on to ask what refers to the artifacts; an unknown digest is asked for to see what a registry can do.
    for digest in (artifact, OTHER, manifest["config"]["digest"], manifest["layers"][0]["digest"]):
        assert referrers(server, NAME, digest) == {}


def test_the_bill_of_materials_names_packages_and_wheels(server: Server, image: str, tmp_path: Path) -> None:
    data = documents(server, NAME, image)[SPDX]
    check_valid(data, tmp_path)
    listed = {one["name"]: one for one in json.loads(data)["packages"]}
    for name, kind in (("six", "conda"), ("cowsay", "pypi")):
        assert listed[name]["externalRefs"][0]["referenceLocator"].startswith(f"pkg:{kind}/{name}@")
        assert {one["algorithm"] for one in listed[name]["checksums"]} >= {"SHA256"}
        assert listed[name]["licenseDeclared"] != "NOASSERTION"


def test_the_lockfile_is_read_by_conda_lock_and_gives_the_same_image(
    server: Server, image: str, tmp_path: Path
) -> None:
    data = documents(server, NAME, image)[LOCKFILE]
    found = read_lockfile(data, tmp_path)
    assert {("conda", "python", "linux-64"), ("conda", "six", "linux-64"), ("pip", "cowsay", "linux-64")} <= set(found)
    assert built(server, "pips", braced(data.decode()), is_lockfile=True) == image


def braced(text: str) -> str:
    """A text that `Server.submit` posts as it is."""
    return text.replace("{", "{{").replace("}", "}}")


def test_all_platforms_of_an_index_are_in_them(server: Server, two_platforms: str, tmp_path: Path) -> None:
    index = built(server, "two", braced(two_platforms), is_lockfile=True)
    whole = registry(server, f"default/two/manifests/{index}")
    assert whole.headers["Content-Type"] == OCI_INDEX and len(whole.json()["manifests"]) == 2
    found = referrers(server, "default/two", index)
    for descriptor in found.values():
        subject = manifest_of(server, "default/two", descriptor)["subject"]
        assert subject == {"mediaType": OCI_INDEX, "digest": index, "size": len(whole.content)}
    files = documents(server, "default/two", index)
    check_valid(files[SPDX], tmp_path)
    locators = [
        one.get("externalRefs", [{}])[0].get("referenceLocator", "") for one in json.loads(files[SPDX])["packages"]
    ]
    assert {"linux-64", "linux-aarch64"} <= {one.rpartition("subdir=")[2] for one in locators}
    assert read_lockfile(files[LOCKFILE], tmp_path) == read_lockfile(two_platforms.encode(), tmp_path)
    # What one platform is alone is no image that a tag names.
    assert referrers(server, "default/two", whole.json()["manifests"][0]["digest"]) == {}


def test_an_image_on_demand_has_them_too(server: Server, tmp_path: Path) -> None:
    name = f"{DYNAMIC}/six/pytz"
    files = documents(server, name, digest_of(server, name))
    check_valid(files[SPDX], tmp_path)
    assert {("conda", "six", "linux-64"), ("conda", "pytz", "linux-64")} <= set(
        read_lockfile(files[LOCKFILE], tmp_path)
    )
    same = f"{DYNAMIC}/pytz/six"
    assert referrers(server, same, digest_of(server, same)) == referrers(server, name, digest_of(server, name))


def test_oras_pulls_them_into_files_with_good_names(server: Server, image: str, tmp_path: Path) -> None:
    client = oras.client.OrasClient(insecure=True)
    for kind, name in ((SPDX, "sbom.spdx.json"), (LOCKFILE, "conda-lock.yml")):
        digest = referrers(server, NAME, image)[kind]["digest"]
        pulled = client.pull(target=f"127.0.0.1:{server.port}/{NAME}@{digest}", outdir=str(tmp_path))
        assert [Path(one).name for one in pulled] == [name]
        assert (tmp_path / name).read_bytes() == documents(server, NAME, image)[kind]


@pytest.mark.docker
def test_skopeo_copies_them(server: Server, image: str, tmp_path: Path) -> None:
    for descriptor in referrers(server, NAME, image).values():
        name = f"docker://127.0.0.1:{server.port}/{NAME}@{descriptor['digest']}"
        folder = tmp_path / descriptor["digest"].removeprefix("sha256:")
        skopeo("copy", "--src-tls-verify=false", name, f"dir:{folder}")
        check_bytes((folder / "manifest.json").read_bytes(), descriptor)
        (layer,) = json.loads((folder / "manifest.json").read_bytes())["layers"]
        check_bytes((folder / layer["digest"].removeprefix("sha256:")).read_bytes(), layer)


def test_they_say_the_same_whoever_makes_them(server: Server, image: str, sample_channel: Path, tmp_path: Path) -> None:
    with running(tmp_path / "other", **building(sample_channel)) as other:
        assert built(other, "pips", WITH_PIP) == image
        assert referrers(other, NAME, image) == referrers(server, NAME, image)
