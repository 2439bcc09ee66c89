"""The real docker, podman and skopeo against our own registry: what they pull runs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conda_store.builds.workshop import Workshop
from conda_store.db import Database
from conda_store.demo.base_image import make_base_image
from conda_store.registry.manifests import OCI_INDEX, Descriptor, canonical_json
from conda_store.registry.names import repository
from tests.conftest import CACHE
from tests.containers import Engine, new_podman, running_docker
from tests.engine import run_build
from tests.registry_house import House, admit, registry_of
from tests.registry_server import skopeo

pytestmark = pytest.mark.docker

SOURCE = "name: Science\ndependencies: [python, pytz]\n"
NAME = repository("ana@lab.org", "Science")
LOOK = ("python", "-c", "import pytz, sys; print(sys.prefix, pytz.timezone('Europe/Berlin'))")


@pytest.fixture(scope="module")
def built(workshop: Workshop, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Descriptor:
    """An index over an image for this machine and one for another."""
    foreign = make_base_image(CACHE / "base-image-aarch64", "linux-aarch64")
    result = run_build(
        workshop,
        SOURCE,
        oci=tmp_path_factory.mktemp("layout") / "oci",
        base_images={"linux-64": base_image, "linux-aarch64": f"oci:{foreign}"},
        platforms=("linux-64", "linux-aarch64"),
    )
    manifests = [image.descriptor.as_dict() for image in sorted(result.images, key=lambda image: image.platform)]
    document = canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})
    return Descriptor(OCI_INDEX, workshop.storage.put_blob(document), len(document))


@pytest.fixture(scope="module")
def house(workshop: Workshop, built: Descriptor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('database') / 'store.sqlite'}")
    database.create_or_upgrade()
    admit(database, workshop.storage, NAME, built, ["latest", "7"])
    with registry_of(database, workshop.storage) as house:
        yield house
    database.close()


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine, new and empty."""
    with running_docker() if request.param == "docker" else new_podman() as engine:
        yield engine


def test_an_image_is_pulled_by_its_tag_and_runs(engine: Engine, house: House) -> None:
    image = f"{house.host}/{NAME}:7"
    engine.fetch(image)
    assert engine.output(image, *LOOK) == "/opt/conda Europe/Berlin\n"


def test_it_is_pulled_by_its_digest(engine: Engine, house: House, built: Descriptor) -> None:
    image = f"{house.host}/{NAME}@{built.digest}"
    engine.fetch(image)
    assert engine.output(image, *LOOK) == "/opt/conda Europe/Berlin\n"


def test_the_reason_of_a_refusal_reaches_the_user(engine: Engine, house: House) -> None:
    for image, reason in ((f"{NAME}:nothing", "has no image with the tag 'nothing'"), ("a/b", "no repository a/b")):
        done = engine.call(*engine.pull, f"{house.host}/{image}", check=False)
        assert done.returncode and reason in done.stdout + done.stderr


def test_https_is_tried_first_and_costs_nothing(engine: Engine, house: House) -> None:
    image = f"{house.host}/{NAME}"
    engine.fetch(image)
    started = time.perf_counter()
    engine.fetch(image)
    assert time.perf_counter() - started < 8  # Tornado alone would let the client wait for ten


def test_skopeo_reads_everything_there_is(house: House, built: Descriptor, tmp_path: Path) -> None:
    name = f"docker://{house.host}/{NAME}"
    listed = json.loads(skopeo("list-tags", "--tls-verify=false", name))
    assert listed["Tags"] == ["7", "latest"]
    raw = skopeo("inspect", "--raw", "--tls-verify=false", name)
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == built.digest
    skopeo("copy", "--all", "--src-tls-verify=false", name, f"oci:{tmp_path}/copy:latest")
    (copied,) = json.loads((tmp_path / "copy" / "index.json").read_bytes())["manifests"]
    assert copied["digest"] == built.digest
    other = json.loads(skopeo("--override-arch", "arm64", "inspect", "--config", "--tls-verify=false", name))
    assert other["architecture"] == "arm64"
