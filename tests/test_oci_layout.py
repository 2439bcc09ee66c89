"""OCI layouts written from the store: what other tools read, what is replaced and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conda_store.errors import StorageFull
from conda_store.registry.layout import TargetRefused, closure, write_layout
from conda_store.registry.manifests import Descriptor, ManifestInvalid, canonical_json
from conda_store.storage.base import NotStored, Storage, blob_key
from conda_store.storage.local import LocalStorage
from tests.invented_images import InventedLayout, layer_tar
from tests.registry_server import skopeo

REPOSITORY = Path(__file__).parents[1]


class PathlessStorage(LocalStorage):
    """A store whose bytes are not in local files, as in an object store."""

    def path(self, key: str) -> Path | None:
        return None


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "store", durable=False)


def stored_images(storage: Storage, directory: Path) -> tuple[Descriptor, Descriptor, Descriptor]:
    """Two images that share a layer, and the index of both."""
    layout = InventedLayout(directory)
    shared = layer_tar(shared="the same")
    amd = layout.image([shared, layer_tar(own="amd64")])
    arm = layout.image([shared, layer_tar(own="arm64")], "arm64", "v8")
    index = layout.index([amd, arm])
    for path in (directory / "blobs/sha256").iterdir():
        storage.put_blob(path.read_bytes())
    return amd, arm, index


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_skopeo_reads_what_was_written(storage: LocalStorage, tmp_path: Path) -> None:
    _, _, index = stored_images(storage, tmp_path / "made")
    target = tmp_path / "out"
    write_layout(target, storage, [index], ref_names=["latest", "3-env"], annotations={"org.example": "yes"})
    assert json.loads((target / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    written = json.loads((target / "index.json").read_text())
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in written["manifests"]] == [
        "latest",
        "3-env",
    ]
    assert written["annotations"] == {"org.example": "yes"}
    for name in ("latest", "3-env"):
        shown = json.loads(skopeo("inspect", "--override-arch", "arm64", f"oci:{target}:{name}"))
        assert (shown["Architecture"], len(shown["Layers"])) == ("arm64", 2)
    skopeo("copy", "--all", f"oci:{target}:latest", f"oci:{tmp_path / 'copied'}:latest")
    assert len(list((tmp_path / "copied/blobs/sha256").iterdir())) == 8


def test_blobs_are_hard_links_and_each_is_there_once(storage: LocalStorage, tmp_path: Path) -> None:
    amd, arm, index = stored_images(storage, tmp_path / "made")
    write_layout(tmp_path / "out", storage, [amd.named("amd"), arm.named("arm")])
    names = {path.name for path in (tmp_path / "out/blobs/sha256").iterdir()}
    assert names == {blob.digest[7:] for blob in closure(storage, [index]) if blob.digest != index.digest}
    for name in names:
        stored = storage.path(blob_key(f"sha256:{name}"))
        assert stored is not None and stored.samefile(tmp_path / "out/blobs/sha256" / name)


def test_without_local_files_blobs_are_copied(tmp_path: Path) -> None:
    storage = PathlessStorage(tmp_path / "store", durable=False)
    amd, *_ = stored_images(storage, tmp_path / "made")
    write_layout(tmp_path / "out", storage, [amd], ref_names=["x"])
    assert json.loads(skopeo("inspect", f"oci:{tmp_path / 'out'}:x"))["Architecture"] == "amd64"
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "out/blobs/sha256").iterdir())


def test_a_layout_is_replaced_and_readers_never_miss_it(storage: LocalStorage, tmp_path: Path) -> None:
    amd, arm, _ = stored_images(storage, tmp_path / "made")
    target = tmp_path / "out"
    write_layout(target, storage, [amd], ref_names=["x"])
    done, missing = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            if not (target / "index.json").exists():
                missing.append(target)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        write_layout(target, storage, [arm if number % 2 else amd], ref_names=["x"])
    done.set()
    reader.join()
    assert missing == []
    assert json.loads((target / "index.json").read_text())["manifests"][0]["digest"] == arm.digest
    assert not (target / "blobs/sha256" / amd.digest[7:]).exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_link_to_a_layout_stays_a_link(storage: LocalStorage, tmp_path: Path) -> None:
    amd, *_ = stored_images(storage, tmp_path / "made")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write_layout(tmp_path / "link", storage, [amd])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real/oci-layout").exists()


@pytest.mark.parametrize("names", [["thesis.tex"], ["oci-layout", "index.json", "thesis.tex"], ["index.json"]])
def test_another_directory_is_refused_by_name_and_untouched(
    storage: LocalStorage, tmp_path: Path, names: list[str]
) -> None:
    amd, *_ = stored_images(storage, tmp_path / "made")
    target = tmp_path / "precious"
    target.mkdir()
    for name in names:
        (target / name).write_text("mine")
    before = tree(target)
    with pytest.raises(TargetRefused, match="precious"):
        write_layout(target, storage, [amd])
    assert tree(target) == before


def test_a_file_in_the_way_is_refused_by_name(storage: LocalStorage, tmp_path: Path) -> None:
    amd, *_ = stored_images(storage, tmp_path / "made")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(TargetRefused, match="out"):
        write_layout(tmp_path / "out", storage, [amd])
    with pytest.raises((TargetRefused, StorageFull), match="out"):
        write_layout(tmp_path / "out" / "below", storage, [amd])


def test_a_missing_blob_leaves_no_layout(storage: LocalStorage, tmp_path: Path) -> None:
    amd, *_ = stored_images(storage, tmp_path / "made")
    lost = list(closure(storage, [amd]))[-1]
    storage.delete(blob_key(lost.digest))
    with pytest.raises(NotStored, match=lost.digest[7:]):
        write_layout(tmp_path / "deep/out", storage, [amd])
    assert list((tmp_path / "deep").iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from conda_store.registry.layout import write_layout
from conda_store.registry.manifests import Descriptor
from conda_store.storage.local import LocalStorage
class DeadlyStorage(LocalStorage):
    def path(self, key):
        os.kill(os.getpid(), signal.SIGKILL)
digest, size = sys.argv[3], int(sys.argv[4])
manifest = Descriptor("application/vnd.oci.image.manifest.v1+json", digest, size)
write_layout(Path(sys.argv[2]), DeadlyStorage(Path(sys.argv[1])), [manifest])
"""


def test_what_a_killed_writer_left_is_removed_by_the_next(storage: LocalStorage, tmp_path: Path) -> None:
    amd, *_ = stored_images(storage, tmp_path / "made")
    target = tmp_path / "place/[out]"
    arguments = [sys.executable, "-c", KILLED, str(storage.root), str(target), amd.digest, str(amd.size)]
    done = subprocess.run(arguments, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    assert done.returncode == -signal.SIGKILL
    assert not target.exists() and len(list(target.parent.iterdir())) == 1
    write_layout(target, storage, [amd])
    assert list(target.parent.iterdir()) == [target]


def test_layouts_are_a_function_of_their_inputs(storage: LocalStorage, tmp_path: Path) -> None:
    _, _, index = stored_images(storage, tmp_path / "made")
    write_layout(tmp_path / "one", storage, [index], ref_names=["x"])
    write_layout(tmp_path / "two", storage, [index], ref_names=["x"])
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_canonical_json_and_descriptors() -> None:
    assert canonical_json({"b": [1, "é"], "a": None}) == b'{"a":null,"b":[1,"\\u00e9"]}'
    digest = "sha256:" + "0" * 64
    plain = Descriptor("text/plain", digest, 3)
    assert plain.as_dict() == {"mediaType": "text/plain", "digest": digest, "size": 3}
    assert plain.named("v1").as_dict()["annotations"] == {"org.opencontainers.image.ref.name": "v1"}
    assert plain.annotations == {}
    with pytest.raises(ManifestInvalid, match="digest"):
        Descriptor("text/plain", "sha256:../../etc", 3)
