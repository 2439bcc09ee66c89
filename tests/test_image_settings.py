"""What an image says of itself: options of every level, labels, annotations; and that its layers stay as they are."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from isal import igzip

from conda_store.builds.runner import BuildResult
from conda_store.builds.workshop import Workshop
from conda_store.errors import BaseImageMissing
from conda_store.image_options import ImageOptions
from conda_store.pieces.compression import ZSTD
from conda_store.registry.manifests import OCI_CONFIG, OCI_MANIFEST, canonical_json
from conda_store.registry.settings import MAXIMUM_LAYERS, ImageSettings
from tests.engine import blob, image_manifest, run_build
from tests.invented import InventedChannel, text_file, workshop_for
from tests.invented_images import InventedLayout, layer_tar, sha256
from tests.registry_server import RegistryServer, running_registry

SOURCE = "name: tiny\ndescription: Small, and only here\ndependencies: [tiny]\nvariables: {TEAM: data}\n"
BASE_LAYER = layer_tar(base="below")
BASE_SETTINGS = {
    "Env": ["PATH=/tools:/bin", "LANG=C.UTF-8"],
    "User": "nobody",
    "WorkingDir": "/srv",
    "Entrypoint": ["/init"],
    "Cmd": ["serve"],
    "Labels": {"org.example.base": "kept", "org.opencontainers.image.version": "12"},
}
TITLES = {
    "org.opencontainers.image.title": "tiny",
    "org.opencontainers.image.description": "Small, and only here",
    "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
}
DIGEST = "io.conda-store.specification.sha256"


@dataclass
class Place:
    """A store of one small package, a base image in a registry, and a folder for what is built."""

    workshop: Workshop
    registry: RegistryServer
    base: InventedLayout
    digest: str
    directory: Path
    number: int = 0

    @property
    def reference(self) -> str:
        return f"{self.registry.host}/lab/base:1"

    def build(self, source: str = SOURCE, base: str = "", **options: Any) -> tuple[BuildResult, Path]:
        """A build, and the layout that it wrote; `options` are those of `BuildRequest`."""
        self.number += 1
        target = self.directory / str(self.number)
        return run_build(self.workshop, source, oci=target, base_images=base or self.reference, **options), target

    def config(self, source: str = SOURCE, options: ImageOptions | None = None, base: str = "") -> dict[str, Any]:
        """The whole configuration of an image under a deployment's options."""
        _, target = self.build(source, base, images=ImageSettings(options=options or ImageOptions()))
        return configuration(target)


def configuration(layout: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(blob(layout, image_manifest(layout)["config"]["digest"]))
    return found


def variables(config: dict[str, Any]) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in config["config"]["Env"])


def add_base(layout: InventedLayout, layers: int = 1, settings: dict[str, Any] | None = None) -> str:
    """An image of amd64 with the settings of a base, tagged `base`; its digest."""
    tars = [BASE_LAYER] * layers
    blobs = [layout.blob(igzip.compress(tar), "application/vnd.oci.image.layer.v1.tar+gzip") for tar in tars]
    value = {
        "architecture": "amd64",
        "os": "linux",
        "config": BASE_SETTINGS if settings is None else settings,
        "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
    }
    config = layout.blob(canonical_json(value), OCI_CONFIG)
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.as_dict()}
    document["layers"] = [one.as_dict() for one in blobs]
    made = layout.blob(canonical_json(document), OCI_MANIFEST)
    layout.write_index([made.named("base")])
    return made.digest


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("settings")
    channel = InventedChannel(directory / "channel")
    channel.indexes["linux-aarch64"] = {}
    (directory / "built").mkdir()
    channel.add("tiny", [text_file("share/tiny")], noarch="generic")
    base = InventedLayout(directory / "base")
    digest = add_base(base)
    with running_registry(directory / "registry") as registry:
        registry.push(f"oci:{base.directory}:base", "lab/base:1", "--preserve-digests")
        yield Place(workshop_for(directory / "store", channel), registry, base, digest, directory / "built")


def test_an_image_says_what_it_is_and_what_it_stands_on(place: Place) -> None:
    result, target = place.build()
    said = {
        **TITLES,
        DIGEST: result.specification.sha256,
        "org.opencontainers.image.base.name": place.reference,
        "org.opencontainers.image.base.digest": place.digest,
    }
    assert image_manifest(target)["annotations"] == said
    config = configuration(target)
    assert config["config"]["Labels"] == {**said, "org.example.base": "kept"}
    assert config["created"] == TITLES["org.opencontainers.image.created"]


def test_a_base_on_disk_has_no_name_that_means_anything_elsewhere(place: Place) -> None:
    labels = place.config(base=f"oci:{place.base.directory}")["config"]["Labels"]
    assert not [name for name in labels if "image.base." in name]
    assert str(place.base.directory) not in json.dumps(labels)


def test_an_index_says_it_too(place: Place) -> None:
    sources = {"linux-64": place.reference, "linux-aarch64": "scratch"}
    platforms = ("linux-64", "linux-aarch64")
    result, target = place.build(base=sources, platforms=platforms)  # type: ignore[arg-type]
    (entry,) = json.loads((target / "index.json").read_bytes())["manifests"]
    index = json.loads(blob(target, entry["digest"]))
    assert index["annotations"] == {**TITLES, DIGEST: result.specification.sha256}
    assert entry["digest"] == result.image_digest and len(index["manifests"]) == 2


def test_by_default_the_environment_is_activated_for_a_user_of_its_own(place: Place) -> None:
    config = place.config()
    settings = config["config"]
    del settings["Labels"], settings["Env"]
    assert settings == {
        "User": "1000:1000",
        "WorkingDir": "/home/conda",
        "Entrypoint": ["/opt/conda-store/entrypoint"],
    }


def test_the_variables_of_base_options_and_specification(place: Place) -> None:
    options = ImageOptions(environment=(("LANG", "de_DE.UTF-8"), ("TEAM", "lost"), ("TZ", "Europe/Berlin")))
    assert variables(place.config(options=options)) == {
        "PATH": "/opt/conda/bin:/tools:/bin",
        "LANG": "de_DE.UTF-8",
        "CONDA_PREFIX": "/opt/conda",
        "CONDA_DEFAULT_ENV": "tiny",
        "CONDA_SHLVL": "1",
        "HOME": "/home/conda",
        "TZ": "Europe/Berlin",
        "TEAM": "data",
    }


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("/own:/bin", "/opt/conda/bin:/own:/bin"), ("/own:/opt/conda/bin:/bin", "/own:/opt/conda/bin:/bin")],
)
def test_the_programs_of_the_environment_stay_on_a_configured_path(place: Place, path: str, wanted: str) -> None:
    assert variables(place.config(options=ImageOptions(environment=(("PATH", path),))))["PATH"] == wanted


def test_the_specification_goes_over_the_deployment(place: Place) -> None:
    deployment = ImageOptions.read(
        {
            "user": "5",
            "working_dir": "/below",
            "environment": {"A": "1", "B": "1"},
            "entrypoint": ["tini", "--"],
            "command": ["below"],
            "labels": {"org.example.a": "1", "org.opencontainers.image.vendor": "Lab"},
        }
    )
    source = SOURCE + "image: {user: 7:8, command: run me, environment: {B: 2}, labels: {org.example.b: 2}}\n"
    config = place.config(source, deployment)
    settings = config["config"]
    assert (settings["User"], settings["WorkingDir"]) == ("7:8", "/below")
    assert settings["Entrypoint"] == ["/opt/conda-store/entrypoint", "tini", "--"]
    assert settings["Cmd"] == ["run", "me"]
    assert {name: text for name, text in variables(config).items() if name in "AB"} == {"A": "1", "B": "2"}
    labels = settings["Labels"]
    assert (labels["org.example.a"], labels["org.example.b"]) == ("1", "2")
    assert labels["org.opencontainers.image.vendor"] == "Lab"


def test_labels_in_the_words_of_oci_become_annotations_and_may_name_the_image(place: Place) -> None:
    options = ImageOptions.read({"labels": {"org.opencontainers.image.title": "Course 1", "org.example.a": "1"}})
    _, target = place.build(images=ImageSettings(options=options))
    said = image_manifest(target)["annotations"]
    assert said["org.opencontainers.image.title"] == "Course 1" and "org.example.a" not in said


def test_without_an_entry_point_nothing_is_activated_and_the_base_runs_nothing_either(place: Place) -> None:
    settings = place.config(options=ImageOptions(entrypoint=()))["config"]
    assert "Entrypoint" not in settings and "Cmd" not in settings


@pytest.mark.parametrize(("user", "owner"), [("2000", 2000), ("2000:50", 2000), ("0", 0), ("1000", 1000)])
def test_a_number_owns_the_home(place: Place, user: str, owner: int) -> None:
    _, target = place.build(images=ImageSettings(options=ImageOptions(user=user)))
    assert home_of(target) == (owner, 0o755)
    config = configuration(target)
    assert (variables(config)["HOME"], config["config"]["WorkingDir"]) == ("/home/conda", "/home/conda")


def test_a_name_has_the_home_and_the_directory_of_the_base_image(place: Place) -> None:
    config = place.config(options=ImageOptions(user="nobody"))
    assert "HOME" not in variables(config) and config["config"]["WorkingDir"] == "/srv"
    assert place.config(options=ImageOptions(user="nobody"), base="scratch")["config"]["WorkingDir"] == "/"


def home_of(layout: Path) -> tuple[int, int]:
    """Owner and mode of the home in the layer on top."""
    data = igzip.decompress(blob(layout, image_manifest(layout)["layers"][-1]["digest"]))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = archive.getmember("home/conda")
    return found.uid, found.mode


def test_options_change_no_layer_but_the_home_of_another_number(place: Place) -> None:
    plain, _ = place.build()
    everything = {
        "user": "root",
        "working_dir": "/w",
        "environment": {"A": "1"},
        "entrypoint": ["a"],
        "command": ["b"],
        "labels": {"c": "d"},
    }
    said, _ = place.build(images=ImageSettings(options=ImageOptions.read(everything)))
    same, _ = place.build(SOURCE + f"image: {json.dumps(everything)}\n")
    other, _ = place.build(images=ImageSettings(options=ImageOptions(user="2000")))
    assert digests(said) == digests(plain) == digests(same)
    assert len({one.image_digest for one in (plain, said, same, other)}) == 4
    assert digests(other)[:-1] == digests(plain)[:-1] and digests(other)[-1] != digests(plain)[-1]


def digests(result: BuildResult) -> list[str]:
    (image,) = result.images
    return [layer.descriptor.digest for layer in image.layers]


def test_the_same_again_is_the_same_to_the_last_byte(place: Place, tmp_path: Path) -> None:
    settings = ImageSettings(ZSTD, options=ImageOptions(user="3", labels=(("b", "1"), ("a", "2"))))
    turned = ImageSettings(ZSTD, options=ImageOptions(user="3", labels=(("a", "2"), ("b", "1"))))
    first, _ = place.build(images=settings)
    elsewhere = Workshop(tmp_path / "store", place.workshop.policy)
    again = run_build(elsewhere, SOURCE, oci=tmp_path / "oci", base_images=place.reference, images=turned)
    assert again.image_digest == first.image_digest


def test_a_base_with_too_many_layers_is_refused_by_name(place: Place, tmp_path: Path) -> None:
    layout = InventedLayout(tmp_path / "tall")
    add_base(layout, layers=MAXIMUM_LAYERS - 22)
    fitting, _ = place.build(base=f"oci:{layout.directory}")
    assert len(fitting.images[0].layers) == MAXIMUM_LAYERS - 22 + 2
    taller = InventedLayout(tmp_path / "taller")
    add_base(taller, layers=MAXIMUM_LAYERS - 21)
    with pytest.raises(BaseImageMissing, match=r"99 layers; at most 98 .* c\.ImageBuilder\.base_image"):
        place.build(base=f"oci:{taller.directory}")
