"""Pieces and base images that were damaged are not known any more: they are made, or pulled, again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conda_store.packages.contents import Contents, PlacedFile, Python
from conda_store.packages.ownership import pyc_target
from conda_store.pieces.bytecode import BytecodeMaker
from conda_store.pieces.index import Piece, PieceIndex
from conda_store.storage.local import LocalStorage
from tests.base_image_checks import LAYERS, resolve, two_platforms, unpacked
from tests.damages import DAMAGES, damage
from tests.registry_server import running_registry


@pytest.mark.parametrize("how", DAMAGES)
def test_a_piece_is_not_known_when_its_record_or_blob_is_damaged(tmp_path: Path, how: str) -> None:
    storage = LocalStorage(tmp_path / "store", durable=False)
    index = PieceIndex(storage, "layer")
    digest = storage.put_blob(b"ten bytes.")
    piece = Piece(digest, 10, digest, 10)
    for prefix in ("pieces/", "blobs/"):
        storage.put_blob(b"ten bytes.")
        index.remember("abc", piece)
        assert index.find("abc") == piece
        damage(storage, next(storage.list(prefix)), how)
        assert index.find("abc") is None


@pytest.mark.parametrize("how", DAMAGES)
def test_a_lost_base_is_pulled_again_and_nothing_else_is_asked_for(tmp_path: Path, how: str) -> None:
    layout = two_platforms(tmp_path / "layout").directory
    storage = LocalStorage(tmp_path / "store", durable=False)
    with running_registry(tmp_path / "registry") as registry:
        registry.push(f"oci:{layout}:multi", "base:1", "--all")
        image = resolve(storage, f"{registry.host}/base:1")
        for key in list(storage.list()):
            damage(storage, key, how)
            assert resolve(storage, f"{registry.host}/base:1") == image
            assert unpacked(storage, image) == LAYERS


@pytest.mark.parametrize("how", DAMAGES)
def test_bytecode_whose_list_is_lost_is_compiled_again(tmp_path: Path, how: str) -> None:
    source = tmp_path / "module.py"
    source.write_text("answer = 42\n")
    python = Python("0" * 64, "3.11.7", "lib/python3.11/site-packages")
    file = PlacedFile(f"{python.site_packages}/module.py", str(source), 0o644, 0, source.stat().st_size)
    package = Contents("1" * 64, "module", "1", "conda", tmp_path, (file.target,), lambda: [file], file.size, True)
    maker = BytecodeMaker(tmp_path / "bytecode")
    pieces, made = maker.ensure([package], python, Path(sys.executable))
    assert (made, [target for target, _ in pieces[package.key].files]) == (1, [pyc_target(file.target, python)])
    key = next(path.relative_to(tmp_path).as_posix() for path in maker.root.rglob("files.json"))
    damage(LocalStorage(tmp_path), key, how)
    assert maker.ensure([package], python, Path(sys.executable)) == (pieces, 1)
    assert maker.ensure([package], python, Path(sys.executable)) == (pieces, 0)
