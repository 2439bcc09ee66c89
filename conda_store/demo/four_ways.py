"""The demonstration: one environment as a prefix, a lockfile, an archive and an image, with what to type for each."""

from __future__ import annotations

from pathlib import Path

import httpx

from conda_store.builds.progress import Progress, Stages
from conda_store.builds.runner import Build, BuildRequest
from conda_store.builds.workshop import Workshop
from conda_store.demo.base_image import make_base_image
from conda_store.demo.sample_channel import make_sample_channel
from conda_store.errors import BadInput
from conda_store.packages.channels import ChannelPolicy
from conda_store.pieces.bytecode import machine_platform
from conda_store.terminal import print_summary

CONDA_FORGE_SECONDS = 3.0


def build_four_ways(file: Path, directory: Path, channel: str | None, progress: Progress) -> None:
    """Build `file` below `directory`. Without `channel`: conda-forge if it answers, else a sample channel."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
    with progress:
        policy = choose_channel(channel, directory, progress)
        with Stages(progress).stage("demo base image"):
            base = make_base_image(directory / "base-image", machine_platform())
    request = BuildRequest(
        source=source,
        default_name=file.stem,
        prefix=directory / "prefix",
        lock=directory / "conda-lock.yml",
        archive=directory / "environment.tar.gz",
        oci=directory / "image",
        base_images=f"oci:{base}",
    )
    workshop = Workshop(directory / "store", policy)
    workshop.sweep()
    with progress:
        result = Build(workshop, request, machine_platform(), progress).run()
    print_summary(request, result)


def choose_channel(channel: str | None, directory: Path, progress: Progress) -> ChannelPolicy:
    """The policy for `channel`, for conda-forge if it answers, or for a sample channel below `directory`."""
    policy = ChannelPolicy()
    if channel is not None:
        return policy.with_channels([channel])
    if answers(policy.channel_url(policy.default_channels[0])):
        return policy
    progress.warn("conda-forge does not answer, so a channel of real packages is made from Python wheels (a minute).")
    with Stages(progress).stage("sample channel") as notes:
        made = make_sample_channel(
            directory / "channel", report=lambda line: progress.note("sample channel", line.strip())
        )
        notes.append(str(made))
    return policy.with_channels([made])


def answers(channel: str) -> bool:
    """Whether a channel can be reached within three seconds."""
    try:
        response = httpx.head(f"{channel}/noarch/repodata.json.zst", timeout=CONDA_FORGE_SECONDS, follow_redirects=True)
    except httpx.HTTPError:
        return False
    return response.is_success
