"""What servers log, for tests of what an administrator reads there."""

from __future__ import annotations

import re

import pytest


class Log:
    """What servers of this process have logged."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture, self.text = capture, ""

    def __call__(self, *words: str) -> list[str]:
        """The warnings and errors that have all of these words."""
        self.text += self.capture.readouterr().err
        found = re.split(r"^\[CondaStore\] ", self.text, flags=re.MULTILINE)
        return [one for one in found if one.startswith(("WARNING", "ERROR")) and all(word in one for word in words)]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Log:
    return Log(capsys)
