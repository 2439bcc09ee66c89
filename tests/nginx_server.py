"""A real nginx that serves files, to compare answers with."""

from __future__ import annotations

import getpass
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import need

_CONFIG = """\
worker_processes 1;
daemon off;
user {user};
error_log stderr;
pid {root}/nginx.pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    default_type application/octet-stream;
    max_ranges {max_ranges};
    client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp; fastcgi_temp_path {root}/tmp;
    uwsgi_temp_path {root}/tmp; scgi_temp_path {root}/tmp;
    server {{ listen 127.0.0.1:{port}; root {root}/www; }}
}}
"""


@contextmanager
def running_nginx(root: Path, *, max_ranges: int) -> Iterator[str]:
    """nginx serving `root/www`; gives its URL with a slash at the end."""
    # Between the choice of a port and its use another process may take it.
    server = next((started for _ in range(5) if (started := _started(root, max_ranges))), None)
    if server is None:
        pytest.fail(f"nginx did not start: {(root / 'log').read_text()}")
    process, port = server
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(30)


def _started(root: Path, max_ranges: int) -> tuple[subprocess.Popen[bytes], int] | None:
    """nginx and its port, or None when it ended at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = root / "nginx.conf"
    config.write_text(_CONFIG.format(root=root, port=port, user=getpass.getuser(), max_ranges=max_ranges))
    command = [need("nginx"), "-p", str(root), "-e", "stderr", "-c", str(config)]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    if _listens(process, port):
        return process, port
    process.kill()
    process.wait()
    return None


def _listens(process: subprocess.Popen[bytes], port: int, limit_seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + limit_seconds
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            # Nothing tells when a socket listens; this is the pause between two looks at the condition.
            time.sleep(0.01)
        else:
            return process.poll() is None
    return False
