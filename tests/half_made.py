"""What a killed process must never leave: something that looks whole and is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path


def half_made(store: Path) -> Iterator[str]:
    """Everything in a store that its readers would take for whole and that is not."""
    for blob in store.glob("blobs/sha256/*/*"):
        if hashlib.sha256(blob.read_bytes()).hexdigest() != blob.name:
            yield f"{blob} has another digest"
    for record in store.glob("pieces/*/*/*.json"):
        digest = json.loads(record.read_bytes())["digest"].removeprefix("sha256:")
        if not (store / "blobs/sha256" / digest[:2] / digest).exists():
            yield f"{record} names a blob that is not there"
    for package in store.glob("packages/??/*"):
        rows = json.loads((package / "files.json").read_bytes())
        for row in rows:
            path = package / "package" / row[0]
            if not path.is_symlink() and path.stat().st_size != row[3]:
                yield f"{path} has not {row[3]} bytes"
    for piece in store.glob("bytecode/??/*"):
        for target, size in json.loads((piece / "files.json").read_bytes()):
            if (piece / "pyc" / target).stat().st_size != size:
                yield f"{piece}/{target} has not {size} bytes"
    for wheel in store.glob("wheels/??/*"):
        for path in json.loads((wheel / "summary.json").read_bytes())["paths"]:
            if not (wheel / "files" / path).exists():
                yield f"{wheel} lacks {path}"
