"""The rival of the API: the field's own server, from PyPI in an environment of its own, with as much in its database.

It imports `conda`, which PyPI lacks, to build and to check what is posted. Nothing that is measured here asks it
anything, so an empty stand-in takes its place.
"""

from __future__ import annotations

import sqlite3
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.downloads import free_port, wait_for_port

VERSION = "2025.2.2"
#: What its administrator shows.
TOKEN = "measured"  # noqa: S105  nobody else reaches it
_SERVER = Path(__file__).with_name("rival_server_start.py")
_CONFIG = """\
c.CondaStore.database_url = "sqlite:///{root}/conda-store.sqlite"
c.CondaStore.store_directory = "{root}/state"
c.CondaStore.environment_directory = "{root}/envs"
c.LocalStorage.storage_path = "{root}/storage"
c.AuthenticationBackend.predefined_tokens = {{
    "{token}": {{"primary_namespace": "default", "role_bindings": {{"*/*": ["admin"]}}}}
}}
c.CondaStoreServer.address = "127.0.0.1"
c.CondaStoreServer.port = {port}
c.CondaStoreServer.log_level = 40
"""
# The rows that it makes for itself give way. It has a package apart from its builds; here each has one.
_COPY = (
    "DELETE FROM namespace",
    "DELETE FROM conda_channel",
    "INSERT INTO namespace (id, name, metadata_) SELECT id, name, '{}' FROM ours.namespace",
    """INSERT INTO specification (id, name, spec, sha256, created_on, is_lockfile)
       SELECT id, name, spec, sha256, created_on, 0 FROM ours.specification""",
    """INSERT INTO environment (id, namespace_id, name, current_build_id, description)
       SELECT id, namespace_id, name, current_build_id, description FROM ours.environment""",
    """INSERT INTO build (id, specification_id, environment_id, status, size, scheduled_on, started_on, ended_on,
       build_key_version) SELECT id, specification_id, environment_id, status, size, scheduled_on, started_on, ended_on,
       2 FROM ours.build""",
    """INSERT INTO build_artifact (build_id, artifact_type, key)
       SELECT build_id, artifact_type, key FROM ours.build_artifact""",
    "INSERT INTO conda_channel (id, name, last_update) SELECT id, name, '2026-01-01 00:00:00.000000' FROM ours.channel",
    """INSERT INTO conda_package (id, channel_id, license, name, version, summary)
       SELECT id, channel_id, license, name, version, summary FROM ours.package""",
    """INSERT INTO conda_package_build (id, package_id, channel_id, build, build_number, constrains, depends, md5,
       sha256, size, subdir, timestamp)
       SELECT id, id, channel_id, build, 0, '[]', '[]', '', sha256, 0, 'linux-64', 0 FROM ours.package""",
    """INSERT INTO build_conda_package_build (build_id, conda_package_build_id)
       SELECT build_id, package_id FROM ours.build_package""",
)


def rival_python(cache: Path) -> Path:
    """The python of its environment, made when it is not there. Raises CalledProcessError without PyPI."""
    place = cache / f"rival-server-{VERSION}"
    python, made = place / "bin/python", place / ".installed"
    if not made.exists():
        venv.create(place, with_pip=True, clear=True)
        packages = [f"conda-store-server=={VERSION}"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        made.touch()
    return python


@contextmanager
def rival_server(python: Path, root: Path, database: Path) -> Iterator[str]:
    """It, with the rows of our `database` in one of its own below `root`; gives its URL, which ends with a slash."""
    root.mkdir(parents=True)
    port = free_port()
    config = root / "config.py"
    config.write_text(_CONFIG.format(root=root, token=TOKEN, port=port))
    with (root / "log").open("w") as log:
        command = [python, _SERVER, "--config", config]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=root)
    try:
        wait_for_port(port, process)
        _fill(root / "conda-store.sqlite", database)
        yield f"http://127.0.0.1:{port}/"
    finally:
        # It waits for a worker in a thread that no signal ends.
        process.kill()
        process.wait()


def _fill(rival: Path, ours: Path) -> None:
    connection = sqlite3.connect(rival)
    connection.execute("ATTACH ? AS ours", [str(ours)])
    with connection:
        for statement in _COPY:
            connection.execute(statement)
    connection.close()
