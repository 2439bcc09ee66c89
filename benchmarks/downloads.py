"""Item (g): downloads of archives and layers, against nginx serving the same bytes."""

from __future__ import annotations

import getpass
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.finding import Finding, Item, megabytes, seconds
from benchmarks.server import output_of, program, serving
from benchmarks.timing import Comparison, Cost, median_wall, take_turns
from benchmarks.workbench import Workbench

ALLOWED_RATIO = 0.7
_TIMES = 8

METHOD = """\
curl fetches the same bytes eight times over one connection, from a running `conda-store serve` and from nginx (one
process, sendfile) serving them as a plain file. Our archive is put together from its members as it is sent; the layer
is the largest of the image, asked for through the registry with the caller's right checked. curl's own start is in both
times."""

_CONFIG = """\
worker_processes 1;
daemon off;
user {user};
error_log stderr;
pid {root}/nginx.pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    default_type application/octet-stream;
    client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp; fastcgi_temp_path {root}/tmp;
    uwsgi_temp_path {root}/tmp; scgi_temp_path {root}/tmp;
    server {{ listen 127.0.0.1:{port}; root {root}/www; }}
}}
"""


def measure(bench: Workbench) -> Item:
    """The archive of the largest subject, and the largest layer of its image."""
    findings = []
    www = bench.scratch / "nginx/www"
    www.mkdir(parents=True)
    with serving(bench, "downloads") as server, nginx(bench.scratch / "nginx") as rival:
        build_id, _ = server.build(bench.largest.specification.to_yaml())
        repository, layers = server.image(build_id)
        digest, _ = max(layers, key=lambda layer: layer[1])
        ours = {
            "archive": f"{server.url}api/v1/build/{build_id}/archive/",
            "layer": f"{server.url}v2/{repository}/blobs/{digest}",
        }
        for name, url in ours.items():
            output_of(["curl", "--silent", "--fail", "--output", www / name, url])
            turns = {"ours": partial(_fetch, url), "rival": partial(_fetch, f"{rival}/{name}")}
            costs = take_turns(turns, bench.rounds)
            findings.append(_finding(name, (www / name).stat().st_size, costs["ours"], costs["rival"]))
    return Item("downloads", "Downloads", METHOD, tuple(findings))


def _fetch(url: str) -> Cost:
    started = time.perf_counter()
    output_of(["curl", "--silent", "--fail", *(word for _ in range(_TIMES) for word in ("--output", "/dev/null", url))])
    return Cost(time.perf_counter() - started, 0.0)


def _finding(name: str, size: int, ours: list[Cost], rival: list[Cost]) -> Finding:
    ratio = Comparison.by_wall(ours, rival).ratio
    return Finding(
        what=f"{name} of {megabytes(size)}, {_TIMES} times",
        ours=f"{seconds(median_wall(ours))}, {megabytes(_TIMES * size / median_wall(ours))}/s",
        rival=f"{seconds(median_wall(rival))}, {megabytes(_TIMES * size / median_wall(rival))}/s",
        measured=f"{ratio:.2f} times nginx's throughput",
        target=f"at least {ALLOWED_RATIO}",
        met=ratio >= ALLOWED_RATIO,
    )


@contextmanager
def nginx(root: Path) -> Iterator[str]:
    """nginx serving `root/www`; gives its URL without a slash at the end."""
    port = free_port()
    config = root / "nginx.conf"
    config.write_text(_CONFIG.format(root=root, port=port, user=getpass.getuser()))
    process = subprocess.Popen(
        [program("nginx", "nginx-light"), "-p", str(root), "-e", "stderr", "-c", str(config)], stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when something listens on `port`; raises RuntimeError when the process ended or takes too long."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not start")
