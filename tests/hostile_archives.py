"""Hostile packages by what their archives hold, and archives that are none."""

from __future__ import annotations

import bz2
import json
import os
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import zstandard

from tests.hostile_packages import case, upward
from tests.invented import (
    InventedChannel,
    conda_archive,
    info_tar,
    member,
    tar_of,
    text_file,
)

# Archives


@case
def digest_is_another(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add("evil", [text_file("share/x")], stated={"sha256": "0" * 64}), "0" * 64


@case
def archive_is_cut_off(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    whole = conda_archive("evil-1.0-0", tar_of(member("a", os.urandom(50_000))), info_tar("evil", ["a"]))
    return channel.add_archive("evil", whole[:30_000]), "cannot be read"


@case
def inner_archive_is_cut_off(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    tar = tar_of(member("a", os.urandom(50_000)))
    return channel.add_archive("evil", conda_archive("evil-1.0-0", tar[:20_000], info_tar("evil", ["a"]))), "archive"


@case
def archive_is_no_zip(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", b"<html>404</html>"), "cannot be read"


@case
def old_archive_is_no_archive(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", b"<html>404</html>", ".tar.bz2"), "cannot be read"


@case
def archive_is_empty(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", b""), "cannot be read"


@case
def archive_holds_nothing(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", conda_archive("evil-1.0-0", tar_of(), tar_of())), "info"


def with_member(channel: InventedChannel, *bad: Any, suffix: str = ".conda") -> str:
    info = info_tar("evil")
    if suffix == ".conda":
        return channel.add_archive("evil", conda_archive("evil-1.0-0", tar_of(*bad), info))
    index = json.dumps({"name": "evil"}).encode()
    return channel.add_archive("evil", bz2.compress(tar_of(member("info/index.json", index), *bad)), suffix)


@case
def member_is_absolute(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member(str(outside / "made"), b"x")), "made"


@case
def member_leads_upwards(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member(upward(outside / "made"), b"x")), "made"


@case
def member_of_an_old_archive_is_absolute(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member(str(outside / "made"), b"x"), suffix=".tar.bz2"), "made"


@case
def member_of_an_old_archive_leads_upwards(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member(upward(outside / "made"), b"x"), suffix=".tar.bz2"), "made"


@case
def member_is_a_pipe(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member("share/pipe", kind=tarfile.FIFOTYPE)), "share/pipe", "pipe"


@case
def member_is_a_device(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member("share/zero", kind=tarfile.CHRTYPE), suffix=".tar.bz2"), "share/zero", "device"


@case
def archive_is_a_bomb(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return with_member(channel, member("share/zeros", bytes(20 << 20))), "bomb"


@case
def name_in_the_archive_is_a_bomb(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    data = header_bomb(20 << 20)
    return channel.add_archive("evil", conda_archive("evil-1.0-0", data, info_tar("evil"))), "bomb"


@case
def name_in_an_old_archive_is_a_bomb(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    return channel.add_archive("evil", bz2.compress(header_bomb(20 << 20)), ".tar.bz2"), "bomb"


def header_bomb(size: int) -> bytes:
    """A tar whose one member has a name of `size` bytes: readers hold names in memory."""
    made = tarfile.TarInfo("././@LongLink")
    made.type, made.size = tarfile.GNUTYPE_LONGNAME, size
    return made.tobuf(tarfile.GNU_FORMAT) + b"a" * size + tarfile.TarInfo("x").tobuf() + bytes(1024)


@case
def archive_hides_a_part_from_its_directory(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    hidden = tar_of(member(str(outside / "made"), b"x"), member("share/zeros", bytes(20 << 20)))
    data = conda_archive("evil-1.0-0", tar_of(member("share/x")), info_tar("evil", ["share/x"]), hidden)
    return channel.add_archive("evil", data), "archive"


@case
def archive_is_compressed_twice(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, tar in (("info", info_tar("evil")), ("pkg", tar_of(member("share/x")))):
            archive.writestr(f"{part}-evil-1.0-0.tar.zst", zstandard.compress(tar))
    return channel.add_archive("evil", buffer.getvalue()), "cannot be read"


@case
def header_of_the_zip_is_another(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    data = conda_archive("evil-1.0-0", tar_of(member("share/x")), info_tar("evil", ["share/x"]))
    return (
        channel.add_archive("evil", data.replace(b"metadata.json", b"pkg-x.tar.zst", 1)),
        "metadata.json",
        "directory",
    )


@case
def size_stands_twice_in_a_header(channel: InventedChannel, outside: Path) -> tuple[str, ...]:
    """A reader that takes the second size finds the inner tar's members, where others see one file's content."""
    inner = tar_of(member(str(outside / "made"), b"x"), member("a", kind=tarfile.SYMTYPE, target=str(outside)))
    outer, _ = member("share/x")
    outer.pax_headers = {"size": str(len(inner))}
    tar = outer.tobuf(tarfile.PAX_FORMAT) + inner + bytes(-len(inner) % 512) + bytes(1024)
    entry = {"files": ["share/x", "a"]}
    return channel.add_archive("evil", conda_archive("evil-1.0-0", tar, info_tar("evil", **entry))), "'a'"
