"""The rival of the registry: Debian's docker-registry (distribution), holding the same images."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.downloads import free_port, wait_for_port
from benchmarks.server import Serving, output_of, program

#: What pulling clients send; docker-registry does not find an OCI manifest for those that do not.
ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}/data}}, cache: {{blobdescriptor: inmemory}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextmanager
def docker_registry(root: Path) -> Iterator[str]:
    """A registry that keeps its files below `root`; gives its URL, which ends with a slash."""
    root.mkdir(parents=True)
    port = free_port()
    config = root / "config.yml"
    config.write_text(_CONFIG.format(root=root, port=port))
    command = [program("docker-registry", "docker-registry"), "serve", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(30)


def copy_image(server: Serving, repository: str, rival: str, name: str) -> str:
    """Bring an image of ours to the rival, byte for byte; returns its digest."""
    token = server.headers["Authorization"].removeprefix("Bearer ")
    source, target = (url.removeprefix("http://") for url in (server.url, rival))
    command = [program("skopeo", "skopeo"), "--insecure-policy", "copy", "--quiet", "--preserve-digests"]
    command += ["--src-tls-verify=false", "--dest-tls-verify=false", "--src-creds", f"anyone:{token}"]
    output_of([*command, f"docker://{source}{repository}:latest", f"docker://{target}{name}:latest"])
    return str(server.manifest(repository, "latest").headers["Docker-Content-Digest"])
