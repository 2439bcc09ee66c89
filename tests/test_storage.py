"""The store of bytes: whole or not at all, whoever is killed, whatever the key."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_store.errors import StorageFull
from conda_store.storage.base import KeyInvalid, NotStored, blob_key, checked_key, digest_of
from conda_store.storage.local import LocalStorage

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(params=[True, False], ids=["durable", "fast"])
def storage(tmp_path: Path, request: pytest.FixtureRequest) -> LocalStorage:
    return LocalStorage(tmp_path / "store", durable=request.param)


def unfinished(storage: LocalStorage) -> list[Path]:
    return list((storage.root / "tmp").iterdir())


def test_what_was_put_can_be_read_in_every_way(storage: LocalStorage) -> None:
    storage.put("a/b/c", b"0123456789")
    assert storage.get("a/b/c") == b"0123456789"
    assert storage.size("a/b/c") == 10
    assert storage.exists("a/b/c")
    path = storage.path("a/b/c")
    assert path is not None and path.read_bytes() == b"0123456789"
    with storage.open("a/b/c") as stream:
        stream.seek(7)
        assert stream.read() == b"789"
    assert unfinished(storage) == []


def test_a_missing_key_is_not_stored_in_every_way(storage: LocalStorage) -> None:
    storage.put("a/b", b"x")
    for key in ("nothing", "a", "a/b/c"):
        with pytest.raises(NotStored, match=key):
            storage.get(key)
        with pytest.raises(NotStored):
            storage.size(key)
        assert not storage.exists(key)
        assert storage.path(key) is None
        storage.delete(key)
    assert storage.get("a/b") == b"x"


def test_a_later_put_replaces_and_delete_forgets(storage: LocalStorage) -> None:
    storage.put("k", b"old and longer")
    with storage.open("k") as before:
        storage.put("k", b"new")
        assert before.read() == b"old and longer"
    assert storage.get("k") == b"new"
    storage.delete("k")
    storage.delete("k")
    assert not storage.exists("k")


def test_blobs_are_named_by_their_digest_and_cannot_be_edited_in_place(storage: LocalStorage) -> None:
    digest = storage.put_blob(b"hello")
    assert digest == "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert blob_key(digest) == f"blobs/sha256/2c/{digest[7:]}"
    path = storage.path(blob_key(digest))
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o444
    number = path.stat().st_ino
    assert storage.put_blob(b"hello") == digest
    assert path.stat().st_ino == number
    assert storage.has_blob(digest, 5)
    assert not storage.has_blob(digest, 6)


def test_list_gives_keys_by_prefix_and_no_unfinished_file(storage: LocalStorage) -> None:
    for key in ("b/2", "b/1", "bb/3", "a"):
        storage.put(key, b"")
    with storage.writer() as out:
        out.write(b"x")
        assert list(storage.list("b/")) == ["b/1", "b/2"]
        assert sorted(storage.list("b")) == ["b/1", "b/2", "bb/3"]
        assert sorted(storage.list()) == ["a", "b/1", "b/2", "bb/3"]
        assert list(storage.list("c/d")) == []


def test_a_writer_shows_nothing_before_its_end_and_everything_after(storage: LocalStorage) -> None:
    with storage.writer("k") as out:
        assert out.write(b"one") == 3
        assert out.write(memoryview(bytearray(b"two"))) == 3
        assert out.tell() == 6
        assert not storage.exists("k")
    assert storage.get("k") == b"onetwo"


def test_a_writer_may_learn_its_key_at_the_end(storage: LocalStorage) -> None:
    with storage.writer() as out:
        out.write(b"data")
        out.commit(blob_key(digest_of(b"data")))
    assert storage.get(blob_key(digest_of(b"data"))) == b"data"


def test_a_writer_that_fails_or_names_no_key_leaves_nothing(storage: LocalStorage) -> None:
    storage.put("k", b"before")
    with pytest.raises(RuntimeError), storage.writer("k") as out:
        out.write(b"half")
        raise RuntimeError
    with storage.writer() as out:
        out.write(b"nobody wants this")
    assert storage.get("k") == b"before"
    assert list(storage.list()) == ["k"]
    assert unfinished(storage) == []


def test_two_writers_of_one_key_leave_one_whole_value(storage: LocalStorage) -> None:
    values = [bytes([number]) * 1_000_000 for number in range(4)]
    start = threading.Barrier(len(values))

    def write(value: bytes) -> None:
        start.wait()
        for _ in range(5):
            with storage.writer("shared/key") as out:
                for place in range(0, len(value), 250_000):
                    out.write(value[place : place + 250_000])
            assert storage.get("shared/key") in values

    threads = [threading.Thread(target=write, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert storage.get("shared/key") in values
    assert unfinished(storage) == []


WRITER = """
import sys
from pathlib import Path
from conda_store.storage.local import LocalStorage
with LocalStorage(Path(sys.argv[1])).writer("key") as out:
    out.write(b"x" * 100_000)
    print("writing", flush=True)
    sys.stdin.read()
"""


def start_writer(storage: LocalStorage) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(storage.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None and process.stdout.readline() == b"writing\n"
    return process


def test_sweep_removes_what_killed_writers_left_and_nothing_of_living_ones(storage: LocalStorage) -> None:
    with start_writer(storage) as killed, start_writer(storage) as living:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(unfinished(storage)) == 2
        assert not storage.exists("key")
        with storage.writer("mine") as out:
            out.write(b"mine")
            assert storage.sweep() == 1
        assert len(unfinished(storage)) == 1
        living.communicate()
        assert living.returncode == 0
    assert storage.get("key") == b"x" * 100_000
    assert storage.get("mine") == b"mine"
    assert storage.sweep() == 0


def test_sweeping_while_others_write_loses_nothing(storage: LocalStorage) -> None:
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            storage.sweep()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(100):
            storage.put(f"n/{number}", b"x")
    finally:
        done.set()
        sweeper.join()
    assert len(list(storage.list("n/"))) == 100


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(StorageFull, match="file"):
        LocalStorage(tmp_path / "file" / "store").put("k", b"x")
    storage = LocalStorage(tmp_path / "store")
    storage.put("a", b"x")
    with pytest.raises(StorageFull, match="a/b"):
        storage.put("a/b", b"x")
    assert unfinished(storage) == []


LIMITED = """
import resource, signal, sys
from pathlib import Path
from conda_store.errors import StorageFull
from conda_store.storage.local import LocalStorage
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
storage = LocalStorage(Path(sys.argv[1]))
try:
    with storage.writer("key") as out:
        for _ in range(10):
            out.write(b"x" * 20_000)
except StorageFull as error:
    print(error.message)
print(list(storage.list()), list((storage.root / "tmp").iterdir()))
"""


def test_a_write_that_the_system_cuts_short_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "store")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    message, rest = done.stdout.splitlines()
    assert str(tmp_path / "store") in message
    assert rest == "[] []"


BAD_KEYS = ["", "/", "/etc/passwd", "..", "a/../b", "./a", "a//b", "a/", "tmp/x", "tmp", "a\\b", "a\nb", "a\0b"]


@pytest.mark.parametrize("key", [*BAD_KEYS, "a" * 256, "/".join(["abc"] * 300), "é" * 128])
def test_keys_that_lead_elsewhere_are_refused(storage: LocalStorage, key: str) -> None:
    for use in (storage.get, storage.exists, storage.path, storage.delete, lambda bad: storage.put(bad, b"x")):
        with pytest.raises(KeyInvalid):
            use(key)
    assert not storage.root.exists() or list(storage.list()) == []


@given(st.text(max_size=40))
def test_a_key_that_is_accepted_stays_inside(key: str) -> None:
    try:
        checked_key(key)
    except KeyInvalid:
        return
    assert Path(os.path.normpath(f"/root/{key}")).is_relative_to("/root")
    assert os.path.normpath(f"/root/{key}") == f"/root/{key}"


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:" + "A" * 64, "md5:" + "a" * 32, "sha256:../../x"])
def test_a_digest_of_another_form_is_refused(digest: str) -> None:
    with pytest.raises(KeyInvalid):
        blob_key(digest)
