"""The artifacts that are made when somebody asks: an archive as zstd, an installer, a bill of materials."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from conda_store.builds.installer import installer_script
from conda_store.builds.sbom import sbom_json
from conda_store.executors.local import LocalExecutor
from conda_store.packages.locked import CondaPackage, Lock, LockedWheel, PlatformLock
from conda_store.specification import Specification
from tests.server import Server, running
from tests.test_rest_streams import follow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, sample_channel: Path) -> Iterator[tuple[Server, int]]:
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [sample_channel.as_uri()],
        "ImageBuilder__base_image": "scratch",
    }
    with running(tmp_path_factory.mktemp("served") / "s", **options, build_artifacts=[]) as server:
        build_id = server.submit("it's", text='name: "it+1"\ndependencies: [python, six, markupsafe]\n')
        follow(server, build_id)
        yield server, build_id


def test_an_archive_as_zstd_holds_what_the_other_one_holds(built: tuple[Server, int], tmp_path: Path) -> None:
    server, build_id = built
    gz = server.api.get(f"build/{build_id}/archive/")
    zst = server.api.get(f"build/{build_id}/archive/", params={"format": "zst"})
    assert (gz.status_code, zst.status_code) == (200, 200)
    assert zst.headers["content-type"] == "application/zstd" and "tar.zst" in zst.headers["content-disposition"]
    assert gz.headers["etag"] != zst.headers["etag"]
    (tmp_path / "a.tar.gz").write_bytes(gz.content)
    plain = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(zst.content)
    (tmp_path / "a.tar").write_bytes(plain)
    with tarfile.open(tmp_path / "a.tar.gz") as ours, tarfile.open(tmp_path / "a.tar") as other:
        assert [member.name for member in ours] == [member.name for member in other]
    part = server.api.get(f"build/{build_id}/archive/?format=zst", headers={"Range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == zst.content[100:200]
    assert server.api.get(f"build/{build_id}/archive/", params={"format": "rar"}).status_code == 400


def test_an_installer_installs_anywhere_and_nowhere_else(built: tuple[Server, int], tmp_path: Path) -> None:
    server, build_id = built
    answer = server.api.get(f"build/{build_id}/installer/")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/x-sh"
    file, place = tmp_path / "install it.sh", tmp_path / "a place"
    file.write_bytes(answer.content)
    done = subprocess.run(["sh", file, "-b", "-p", place], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    script = f'. "{place}/bin/activate" && python -c "import six, markupsafe, sys; print(sys.prefix)"'
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(place)
    again = subprocess.run(["sh", file, "-p", place], capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "is not empty" in again.stderr
    assert "-p PREFIX" in subprocess.run(["sh", file, "-h"], capture_output=True, text=True, check=True).stdout
    assert subprocess.run(["sh", file, "-x"], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("name", ["a", "it's $HOME", "é" * 40])
def test_the_installer_knows_where_the_archive_begins(name: str) -> None:
    script = installer_script(name)
    offset = int(script.partition(b"tail -c +")[2].split()[0])
    assert offset == len(script) + 1


def test_a_bill_of_materials_lists_every_package_of_the_build(built: tuple[Server, int], tmp_path: Path) -> None:
    server, build_id = built
    answer = server.api.get(f"build/{build_id}/sbom/")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/spdx+json"
    check_valid(answer.content, tmp_path)
    listed = {one["name"]: one for one in answer.json()["packages"]}
    packages = server.api.get(f"build/{build_id}/packages/").json()["data"]
    assert {one["name"] for one in packages} <= listed.keys()
    six = next(one for one in packages if one["name"] == "six")
    assert listed["six"]["versionInfo"] == six["version"]
    assert {"algorithm": "SHA256", "checksumValue": six["sha256"]} in listed["six"]["checksums"]
    # The sample channel says in words where the licences are.
    assert listed["six"]["licenseDeclared"].startswith("LicenseRef-")
    assert str(server.app.root).encode() not in answer.content and b"file:" not in answer.content
    kinds = [one["artifact_type"] for one in server.api.get(f"build/{build_id}/").json()["data"]["build_artifacts"]]
    assert "SBOM" in kinds and "CONDA_PACK_ZST" not in kinds


def check_valid(document: bytes, folder: Path) -> None:
    """By the SPDX project's own tools."""
    file = folder / "sbom.spdx.json"
    file.write_bytes(document)
    assert [one.validation_message for one in validate_full_spdx_document(parse_file(str(file)))] == []


def test_licences_channels_and_platforms_of_every_kind(tmp_path: Path) -> None:
    conda = [
        CondaPackage(
            "a", "1!2.0+x", "0", "linux-64", "https://u:secret@c.example/linux-64/a-1.conda", "a" * 64, "b" * 32
        ),
        CondaPackage("_b", "1", "0", "noarch", "https://c.example/noarch/b.conda", "c" * 64, ""),
    ]
    wheel = LockedWheel("six", "1.17", "https://i.example/six-1.17-py2.py3-none-any.whl", "d" * 64)
    lock = Lock(
        ("https://c.example",),
        {one: PlatformLock(one, tuple(conda), (wheel,)) for one in ("linux-64", "linux-aarch64")},
    )
    declared = {"a" * 64: "BSD-3-Clause AND MIT", "c" * 64: "Ask\nour lawyers", "d" * 64: None}
    document = sbom_json(Specification("name"), lock, declared)
    check_valid(document, tmp_path)
    found = {one["name"]: one for one in json.loads(document)["packages"]}
    assert len(found) == 4
    assert found["a"]["licenseDeclared"] == "BSD-3-Clause AND MIT"
    assert found["a"]["externalRefs"][0]["referenceLocator"].startswith("pkg:conda/a@1%212.0%2Bx?build=0")
    assert found["_b"]["licenseDeclared"].startswith("LicenseRef-")
    assert found["six"]["licenseDeclared"] == "NOASSERTION"
    assert b"secret" not in document and b"c.example" not in document and b"i.example" not in document
    moved = tuple(replace(one, url=one.url.replace("c.example", "mirror.example")) for one in conda)
    mirrored = Lock((), {one: PlatformLock(one, moved, (wheel,)) for one in lock.platforms})
    assert sbom_json(Specification("name"), mirrored, declared) == document
