"""The demonstration: a server, one environment in it, and what to type for each thing that came of it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from traitlets.config import Config

from conda_store.app import CondaStore
from conda_store.builds.progress import Progress, Stages
from conda_store.client import Build, Client
from conda_store.demo.base_image import make_base_image
from conda_store.demo.channel_choice import choose_channel
from conda_store.errors import BadInput
from conda_store.pieces.bytecode import machine_platform
from conda_store.registry.names import repository
from conda_store.specification import parse_specification

NAMESPACE = "default"
# Both are in the example and in the sample channel, so the image on demand takes no time.
ON_DEMAND = "conda-store-dynamic/python/numpy.gt.1.0"

Say = Callable[[str], object]


def run_demo(file: Path, directory: Path, channel: str | None, port: int, progress: Progress, say: Say) -> None:
    """Serve from `directory` until Ctrl-C, with `file` built. Without `channel`: conda-forge if it answers, else a
    sample channel. Raises `BadInput` for a file that cannot be read or has problems."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
    with progress:
        policy = choose_channel(channel, directory, progress)
        with Stages(progress).stage("demo base image"):
            base = make_base_image(directory / "base-image", machine_platform())
    config = Config()
    config.CondaStore.port = port
    config.CondaStore.directory = str(directory)
    config.CondaStore.default_channels = list(policy.default_channels)
    config.CondaStore.allowed_channels = list(policy.allowed_channels)
    config.ImageBuilder.base_image = f"oci:{base}"
    config.CondaStore.log_level = "WARN"
    asyncio.run(_serve(CondaStore(config=config), source, say))


async def _serve(app: CondaStore, source: bytes, say: Say) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await app.open()
    try:
        showing = asyncio.create_task(asyncio.to_thread(_show, app.url, app.root, source, say))
        waiting = asyncio.create_task(ended.wait())
        await asyncio.wait([showing, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not ended.is_set():
            await showing
            await waiting
        waiting.cancel()
    finally:
        await app.close()
    say("The server has ended; everything is kept for the next start.")


def _show(url: str, root: Path, source: bytes, say: Say) -> None:
    say(f"The server listens at {url}")
    with Client(url) as client:
        build_id = _built_before(client, source) or client.create(source, namespace=NAMESPACE)
        for line in client.logs(build_id, follow=True):
            say(f"  {line}")
        build = client.wait(build_id).check_completed()
        environment = next(one for one in client.environments() if one.id == build.environment_id)
        for line in instructions(url, root, environment.name, build):
            say(line)


def _built_before(client: Client, source: bytes) -> int | None:
    """The current build of an earlier start, if the file still means the same."""
    wanted = parse_specification(source)
    for environment in client.environments(NAMESPACE, wanted.specification.name, status="COMPLETED"):
        before = client.environment(NAMESPACE, environment.name).current_build
        if before and before.specification == wanted.specification.as_dict():
            return before.id
    return None


def instructions(url: str, root: Path, name: str, build: Build) -> list[str]:
    """What to type, and where to look."""
    api = f"{url}api/v1/environment/{NAMESPACE}/{name}"
    host = url.split("/")[2]
    docker = f"docker run -it {host}/"
    rows = [
        ("page", f"{url}build/{build.id}/"),
        ("prefix", f"{root / 'environments' / NAMESPACE / name}/bin/python"),
        ("lockfile", f"curl -O {api}/conda-lock.yml"),
        ("archive", f"curl -o {name}.tar.gz {api}/archive/"),
        ("image", docker + repository(NAMESPACE, name)),
        ("on demand", docker + ON_DEMAND),
    ]
    return ["", f"ready: {NAMESPACE}/{name}", "", *(f"  {what:<10} {how}" for what, how in rows), "", "Ctrl-C ends it."]
