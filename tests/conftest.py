"""What all tests share."""

from pathlib import Path

import pytest

from conda_store.demo.sample_channel import make_sample_channel

CACHE = Path(__file__).parent.parent / ".cache"


@pytest.fixture(scope="session")
def sample_channel() -> Path:
    """A channel of real packages, made once per checkout; workers of pytest-xdist wait for the first of them."""
    return make_sample_channel(CACHE / "sample-channel")
