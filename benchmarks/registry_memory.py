"""Item (m): the memory of the server while many slow clients pull a large blob."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from benchmarks.finding import Finding, Item, megabytes
from benchmarks.large_image import large_image
from benchmarks.server import Serving, serving
from benchmarks.workbench import Workbench

PULLS = 64
ALLOWED_BYTES = 150e6
# Every pull would take a minute and more, so all are open while it is measured.
_BYTES_PER_SECOND = "2M"
_SECONDS = 15
_QUICK_SECONDS, _QUICK_BYTES_PER_SECOND = 2, "200k"

METHOD = """\
One curl pulls the same blob over 64 connections at once, each held to two megabytes a second, so that all are open
and the server always waits for them. Counted is what the server's process has for itself (`USS`), four times a second
while all are open, the largest above what it had before they came. What the kernel keeps in the buffers of sockets is
no part of it."""


def measure(bench: Workbench) -> Item:
    """Once: what a pull holds does not depend on the time of day."""
    with serving(bench, "pulls", base=large_image(bench), token=secrets.token_hex(16)) as server:
        build_id, _ = server.build(bench.subjects[0].specification.to_yaml())
        repository, layers = server.image(build_id)
        digest, size = max(layers, key=lambda layer: layer[1])
        process = psutil.Process(server.process.pid)
        idle = process.memory_full_info().uss
        with _pulls(bench, server, f"{server.url}v2/{repository}/blobs/{digest}"):
            most = _most_used(process, _QUICK_SECONDS if bench.quick else _SECONDS)
    finding = Finding(
        what=f"{PULLS} pulls of {megabytes(size)}",
        ours=megabytes(most),
        rival="",
        measured=f"{megabytes(most - idle)} above idle ({megabytes(idle)})",
        target=f"below {megabytes(ALLOWED_BYTES)} above idle",
        met=most - idle < ALLOWED_BYTES,
    )
    return Item("registry-memory", f"Memory while {PULLS} slow clients pull", METHOD, (finding,))


@contextmanager
def _pulls(bench: Workbench, server: Serving, url: str) -> Iterator[None]:
    """All pulls, open until the end."""
    rate = _QUICK_BYTES_PER_SECOND if bench.quick else _BYTES_PER_SECOND
    proof = [word for name, value in server.headers.items() for word in ("--header", f"{name}: {value}")]
    command = ["curl", "--silent", "--fail", "--parallel", "--parallel-immediate", "--parallel-max", str(PULLS)]
    command += ["--limit-rate", rate, *proof, *(word for _ in range(PULLS) for word in ("--output", "/dev/null", url))]
    client = subprocess.Popen(command)
    try:
        yield
        if client.poll() is not None:
            raise RuntimeError(f"The pulls ended with {client.returncode} before they were measured.")
    finally:
        client.kill()
        client.wait()


def _most_used(process: psutil.Process, seconds: float) -> int:
    """The largest use of memory in bytes, in `seconds` in which all pulls are open."""
    deadline = time.monotonic() + 60
    while _connections(process) < PULLS:
        if time.monotonic() > deadline:
            raise RuntimeError(f"Only {_connections(process)} of {PULLS} pulls are open.")
        time.sleep(0.1)
    most, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, int(process.memory_full_info().uss))
        time.sleep(0.25)
    if _connections(process) < PULLS:
        raise RuntimeError("Some pulls ended before they were measured.")
    return most


def _connections(process: psutil.Process) -> int:
    return sum(one.status == psutil.CONN_ESTABLISHED for one in process.net_connections(kind="tcp"))
