"""Which channel a demonstration takes its packages from."""

from __future__ import annotations

from pathlib import Path

import httpx

from conda_store.builds.progress import Progress, Stages
from conda_store.demo.sample_channel import make_sample_channel
from conda_store.packages.channels import ChannelPolicy

CONDA_FORGE_SECONDS = 3.0


def choose_channel(channel: str | None, directory: Path, progress: Progress) -> ChannelPolicy:
    """The policy for `channel`, for conda-forge if it answers, or for a sample channel below `directory`."""
    policy = ChannelPolicy()
    if channel is not None:
        path = Path(channel)
        return policy.with_channels([path.absolute() if "://" not in channel and path.is_dir() else channel])
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
