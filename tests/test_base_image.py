"""The demo's base image: a valid layout, the same each time, and enough to run in."""

import gzip
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from conda_store.demo.base_image import make_base_image
from conda_store.demo.debian_packages import download
from conda_store.demo.target import foreign_platform
from conda_store.errors import BadInput, BaseImageMissing, FetchFailed


def blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    content = (layout / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
    assert descriptor["digest"] == f"sha256:{sha256(content).hexdigest()}"
    assert descriptor["size"] == len(content)
    return content


def read_image(layout: Path) -> tuple[dict[str, Any], bytes]:
    """The image's config and its layer's tar; every digest on the way is checked."""
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    (named,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads(blob(layout, named))
    config = json.loads(blob(layout, manifest["config"]))
    (layer,) = manifest["layers"]
    tar = gzip.decompress(blob(layout, layer))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{sha256(tar).hexdigest()}"]
    return config, tar


@pytest.fixture(scope="session")
def base_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base_image(tmp_path_factory.mktemp("base") / "image")


@pytest.fixture(scope="session")
def entries(base_image: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(read_image(base_image)[1])) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted({member.name for member in members})
    return {member.name: member for member in members}


def test_it_holds_what_a_prefix_needs(base_image: Path, entries: dict[str, tarfile.TarInfo]) -> None:
    names = {name.rpartition("/")[2] for name in entries}
    assert {"libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "bash", "env", "sh"} <= names
    assert entries["bin"].linkname == "usr/bin" and entries["lib64"].linkname == "usr/lib64"
    assert entries["etc/ssl/certs/ca-certificates.crt"].size > 100_000
    assert "PATH=" in read_image(base_image)[0]["config"]["Env"][0]


def test_its_users_and_modes(base_image: Path, entries: dict[str, tarfile.TarInfo]) -> None:
    assert entries["tmp"].mode == 0o1777
    assert (entries["home/conda"].uid, entries["home/conda"].gid) == (1000, 1000)
    assert [name for name, entry in entries.items() if entry.mode & 0o6000] == []
    with tarfile.open(fileobj=io.BytesIO(read_image(base_image)[1])) as archive:
        file = archive.extractfile("etc/passwd")
        assert file is not None
        users = {line.split(":")[0]: line.split(":")[2] for line in file.read().decode().splitlines()}
    assert (users["root"], users["nobody"], users["conda"]) == ("0", "65534", "1000")


def test_nothing_lies_behind_a_link_of_the_merged_usr(entries: dict[str, tarfile.TarInfo]) -> None:
    links = {name for name, entry in entries.items() if entry.issym()}
    behind = [name for name in entries if any(str(parent) in links for parent in Path(name).parents)]
    assert behind == []


def test_it_is_the_same_each_time(base_image: Path, tmp_path: Path) -> None:
    again = make_base_image(tmp_path / "image")
    files = [path.relative_to(again) for path in sorted(again.rglob("*")) if path.is_file()]
    assert [(again / file).read_bytes() for file in files] == [(base_image / file).read_bytes() for file in files]


def test_a_complete_one_is_left_as_it_is(base_image: Path) -> None:
    before = base_image.stat().st_ino
    assert make_base_image(base_image).stat().st_ino == before


def test_one_for_another_platform_has_users_and_nothing_to_run(tmp_path: Path) -> None:
    config, tar = read_image(make_base_image(tmp_path / "image", foreign_platform()))
    assert config["architecture"] in ("arm64", "amd64")
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        names = archive.getnames()
    assert "home/conda" in names and not [name for name in names if name.startswith("usr/bin/")]


def test_an_unknown_platform_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BaseImageMissing, match="osx-arm64"):
        make_base_image(tmp_path / "image", "osx-arm64")


def test_a_directory_with_other_things_stays(tmp_path: Path) -> None:
    (tmp_path / "index.json").touch()
    with pytest.raises(BadInput, match="holds something else"):
        make_base_image(tmp_path)


def test_a_package_that_apt_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="libnothing0") as caught:
        download(["libnothing0"], tmp_path)
    assert "apt-get update" in caught.value.message
