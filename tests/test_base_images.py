"""Base images from layouts and archives on disk; what is damaged, missing or hostile is named."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from conda_store.errors import BaseImageMissing, DigestMismatch
from conda_store.registry.base import BaseImages
from conda_store.registry.layout import write_layout
from conda_store.registry.manifests import LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, OCI_CONFIG, OCI_MANIFEST, Descriptor
from conda_store.registry.platforms import oci_platform, rank
from conda_store.storage.base import blob_key
from conda_store.storage.local import LocalStorage
from tests.base_image_checks import LAYERS, refused, resolve, two_platforms, unpacked
from tests.invented_images import InventedLayout, docker_save, image_config, layer_tar
from tests.registry_server import skopeo


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "store", durable=False)


@pytest.fixture
def layout(tmp_path: Path) -> InventedLayout:
    return two_platforms(tmp_path / "layout")


def test_a_layout_is_read_by_tag_and_digest(storage: LocalStorage, layout: InventedLayout) -> None:
    multi = resolve(storage, f"oci:{layout.directory}:multi")
    one = resolve(storage, f"oci:{layout.directory}:one")
    assert multi.digest == one.digest
    assert unpacked(storage, one) == LAYERS
    assert resolve(storage, f"oci:{layout.directory}@{one.digest}").layers == one.layers
    assert unpacked(storage, resolve(storage, f"oci:{layout.directory}", "linux-aarch64")) == [layer_tar(etc="arm")]
    assert "one" in refused(BaseImageMissing, storage, f"oci:{layout.directory}:three")


def test_a_layout_with_several_images_wants_a_tag(storage: LocalStorage, layout: InventedLayout) -> None:
    layout.write_index([layout.image(LAYERS).named("a"), layout.image(LAYERS[:1]).named("b")])
    assert "it has a, b" in refused(BaseImageMissing, storage, f"oci:{layout.directory}")
    assert unpacked(storage, resolve(storage, f"oci:{layout.directory}:b")) == LAYERS[:1]


def test_what_we_write_we_read(storage: LocalStorage, layout: InventedLayout, tmp_path: Path) -> None:
    image = resolve(storage, f"oci:{layout.directory}:one")
    size = layout.path(image.digest).stat().st_size
    write_layout(tmp_path / "out", storage, [Descriptor(OCI_MANIFEST, image.digest, size)])
    other = LocalStorage(tmp_path / "other", durable=False)
    again = resolve(other, f"oci:{tmp_path / 'out'}")
    assert (again.digest, again.layers) == (image.digest, image.layers)


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
@pytest.mark.parametrize("packed", [False, True])
def test_archives_of_skopeo_give_the_same_layers(
    storage: LocalStorage, layout: InventedLayout, tmp_path: Path, transport: str, packed: bool
) -> None:
    target = tmp_path / "image.tar"
    skopeo("copy", f"oci:{layout.directory}:one", f"{transport}:{target}:base:1")
    if packed:
        subprocess.run(["gzip", target], check=True)
        target = tmp_path / "image.tar.gz"
    image = resolve(storage, f"archive:{target}")
    assert unpacked(storage, image) == LAYERS
    assert image.config["WorkingDir"] == "/srv"
    assert resolve(storage, f"archive:{target}:base:1").layers == image.layers
    refused(BaseImageMissing, storage, f"archive:{target}:base:2")


def test_uncompressed_layers_are_compressed_the_same_way_every_time(
    storage: LocalStorage, layout: InventedLayout, tmp_path: Path
) -> None:
    big = layer_tar(big="abcdefgh" * 400_000)
    docker_save(tmp_path / "a.tar", [big], names=["x/layer.tar"])
    docker_save(tmp_path / "b.tar.gz", [big], names=["y.tar"], tags=["b:1"])
    layout.write_index([layout.image([big], media_type=LAYER_TAR)])
    sources = [f"archive:{tmp_path / 'a.tar'}", f"archive:{tmp_path / 'b.tar.gz'}", f"oci:{layout.directory}"]
    images = [resolve(LocalStorage(tmp_path / str(n), durable=False), text) for n, text in enumerate(sources)]
    assert images[0].layers == images[1].layers == images[2].layers
    assert images[0].digest == images[1].digest
    assert unpacked(LocalStorage(tmp_path / "0"), images[0]) == [big]
    resolve(storage, sources[0])
    before = sorted(storage.list())
    assert resolve(storage, sources[0]) == images[0]
    assert sorted(storage.list()) == before


def test_docker_save_with_compressed_layers(storage: LocalStorage, tmp_path: Path) -> None:
    docker_save(tmp_path / "x.tar", [gzip.compress(LAYERS[0], mtime=0), LAYERS[1]])
    assert unpacked(storage, resolve(storage, f"archive:{tmp_path / 'x.tar'}")) == LAYERS


def test_names_that_lead_out_of_an_archive_lead_nowhere(storage: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "outside").write_bytes(LAYERS[0])
    source = tmp_path / "place/x.tar"
    docker_save(source, [LAYERS[0]], names=["../outside"])
    assert unpacked(storage, resolve(storage, f"archive:{source}")) == [LAYERS[0]]
    (tmp_path / "outside").write_bytes(b"untouched")
    config = image_config([LAYERS[0]])
    entry = {"Config": "c.json", "Layers": ["layer.tar"]}
    with tarfile.open(source, "w") as tar:
        for name, data in {"c.json": config, "manifest.json": json.dumps([entry]).encode()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "outside")
        tar.addfile(link)
    assert "holds no file 'layer.tar'" in refused(BaseImageMissing, storage, f"archive:{source}")
    assert (tmp_path / "outside").read_bytes() == b"untouched"


def test_zstd_layers_are_kept(storage: LocalStorage, layout: InventedLayout) -> None:
    layer = layout.blob(b"\x28\xb5\x2f\xfd what a zstd layer begins with", LAYER_ZSTD)
    config = layout.blob(image_config([LAYERS[0]]), OCI_CONFIG)
    layout.write_index([layout.manifest(config, [layer], {"os": "linux", "architecture": "amd64"})])
    assert resolve(storage, f"oci:{layout.directory}").layers == (layer,)


@pytest.mark.parametrize(
    ("media_type", "words"),
    [
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "may not be distributed"),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "may not be distributed"),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "not supported"),
    ],
)
def test_layers_that_cannot_be_used_are_refused(
    storage: LocalStorage, layout: InventedLayout, media_type: str, words: str
) -> None:
    layer = layout.blob(gzip.compress(LAYERS[0]), media_type)
    config = layout.blob(image_config([LAYERS[0]]), OCI_CONFIG)
    layout.write_index([layout.manifest(config, [layer], {"os": "linux", "architecture": "amd64"})])
    assert words in refused(BaseImageMissing, storage, f"oci:{layout.directory}")


def test_damaged_blobs_are_refused(storage: LocalStorage, layout: InventedLayout) -> None:
    source = f"oci:{layout.directory}:one"
    manifest = json.loads((layout.directory / "index.json").read_text())["manifests"][1]["digest"]
    parts = json.loads(layout.path(manifest).read_text())
    for digest in (manifest, parts["config"]["digest"], parts["layers"][1]["digest"]):
        path = layout.path(digest)
        good = path.read_bytes()
        for bad in (good[:-1], good + b" ", bytes([good[0] ^ 1]) + good[1:]):
            path.write_bytes(bad)
            assert digest in refused(DigestMismatch, storage, source)
            assert not storage.exists(blob_key(digest))
        path.write_bytes(good)
    assert unpacked(storage, resolve(storage, source)) == LAYERS


@pytest.mark.parametrize("difference", [1, -1])
def test_a_size_that_is_not_the_layers_is_refused(
    storage: LocalStorage, layout: InventedLayout, difference: int
) -> None:
    layer = layout.blob(gzip.compress(LAYERS[0]), LAYER_GZIP)
    config = layout.blob(image_config([LAYERS[0]]), OCI_CONFIG)
    lying = Descriptor(layer.media_type, layer.digest, layer.size + difference)
    layout.write_index([layout.manifest(config, [lying], {"os": "linux", "architecture": "amd64"})])
    assert layer.digest in refused(DigestMismatch, storage, f"oci:{layout.directory}")


def test_images_that_are_too_large_or_disagree_with_themselves_are_refused(
    storage: LocalStorage, layout: InventedLayout
) -> None:
    source = f"oci:{layout.directory}:one"
    assert "larger than the allowed 10 bytes" in refused(BaseImageMissing, storage, source, max_bytes=10)
    config = layout.blob(image_config(LAYERS), OCI_CONFIG)
    layer = layout.blob(gzip.compress(LAYERS[0]), LAYER_GZIP)
    layout.write_index([layout.manifest(config, [layer], {"os": "linux", "architecture": "amd64"}).named("one")])
    assert "how many layers" in refused(BaseImageMissing, storage, source)
    chart = layout.blob(b"{}", "application/vnd.cncf.helm.config.v1+json")
    layout.write_index([layout.manifest(chart, [layer], {}).named("one")])
    assert "not a container image" in refused(BaseImageMissing, storage, source)


def test_a_gzip_bomb_is_cut_off(storage: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(bytes(5_000_000)))
    message = refused(BaseImageMissing, storage, f"archive:{tmp_path / 'bomb.tar.gz'}", max_bytes=1_000_000)
    assert "more than 1,000,000 bytes" in message


@pytest.mark.parametrize("name", ["nothing", "text", "empty.tar", "cut.tar.gz", "zstd", "folder"])
@pytest.mark.parametrize("kind", ["oci", "archive"])
def test_what_is_no_image_is_refused(storage: LocalStorage, tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "text").write_text("hello")
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    (tmp_path / "cut.tar.gz").write_bytes(gzip.compress(bytes(10_000))[:-12])
    (tmp_path / "zstd").write_bytes(b"\x28\xb5\x2f\xfd....")
    (tmp_path / "folder").mkdir()
    refused(BaseImageMissing, storage, f"{kind}:{tmp_path / name}")


@pytest.mark.parametrize(
    "index",
    ["", "[]", "{}", '{"manifests": 3}', '{"manifests": [3]}', '{"manifests": [{}]}', "[" * 100_000],
)
def test_an_index_that_is_none_is_refused(storage: LocalStorage, layout: InventedLayout, index: str) -> None:
    (layout.directory / "index.json").write_text(index)
    refused(BaseImageMissing, storage, f"oci:{layout.directory}")


@pytest.mark.parametrize("odd_value", ["3", '"text"', "[3]", "[[]]", "{}", "NaN", "1e999", "null", '["x"]'])
@pytest.mark.parametrize("member", ["Config", "RepoTags", "Layers", "rootfs", "architecture", "diff_ids", "config"])
def test_odd_values_in_docker_archives_never_escape_as_foreign_errors(
    storage: LocalStorage, tmp_path: Path, member: str, odd_value: str
) -> None:
    docker_save(tmp_path / "x.tar", LAYERS)
    with tarfile.open(tmp_path / "x.tar") as tar:
        files = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
    entry = json.loads(files["manifest.json"])[0]
    config = json.loads(files[entry["Config"]])
    marked = json.dumps({**config, "spare": 0, member: "MARK"} if member not in entry else config)
    if member == "diff_ids":
        marked = json.dumps({**config, "rootfs": {"diff_ids": "MARK"}})
    entry = {**entry, "Config": "c.json"}
    manifest = json.dumps([{**entry, member: "MARK"} if member in entry else entry])
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, data in {**files, "c.json": marked.encode(), "manifest.json": manifest.encode()}.items():
            data = data.replace(b'"MARK"', odd_value.encode())
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    try:
        image = resolve(storage, f"archive:{tmp_path / 'x.tar'}")
    except BaseImageMissing as error:
        assert "x.tar" in error.message
    else:
        assert unpacked(storage, image) == LAYERS


# Platforms and settings


def test_scratch_has_no_layers(storage: LocalStorage) -> None:
    image = resolve(storage, "scratch", "linux-aarch64")
    assert (image.digest, image.layers, image.diff_ids, dict(image.config)) == ("", (), (), {})


def test_each_platform_may_have_its_own(storage: LocalStorage, layout: InventedLayout) -> None:
    images = BaseImages(storage, sources={"linux-64": f"oci:{layout.directory}:one", "linux-aarch64": "scratch"})
    assert images.resolve("linux-64").layers
    assert not images.resolve("linux-aarch64").layers
    with pytest.raises(BaseImageMissing, match=r"linux-s390x, only for linux-64, linux-aarch64.*base_image"):
        images.resolve("linux-s390x")


def test_platforms_without_containers_are_refused(storage: LocalStorage) -> None:
    assert "no container images for osx-arm64" in refused(BaseImageMissing, storage, "scratch", "osx-arm64")


@pytest.mark.parametrize("text", ["Not A Reference", "docker.io/library/debian@sha256:12"])
def test_a_source_that_cannot_be_understood_is_refused(storage: LocalStorage, text: str) -> None:
    refused(BaseImageMissing, storage, text)


def test_variants_are_chosen_as_the_processor_needs() -> None:
    assert oci_platform("linux-aarch64") == {"os": "linux", "architecture": "arm64", "variant": "v8"}
    assert oci_platform("linux-64") == {"os": "linux", "architecture": "amd64"}
    assert rank({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux-armv7l") == 0
    assert rank({"os": "linux", "architecture": "arm", "variant": "v6"}, "linux-armv7l") == 2
    assert rank({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux-armv6l") is None
    assert rank({"os": "linux", "architecture": "amd64", "variant": "v3"}, "linux-64") is None
    assert rank({"os": "windows", "architecture": "amd64"}, "linux-64") is None
    assert rank({"os": "unknown", "architecture": "unknown"}, "linux-64") is None
