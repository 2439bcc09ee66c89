"""How a build tells what it is doing, without knowing who listens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self


class Progress:
    """Listens to a build and says nothing. Subclasses show it, within a `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def start(self, stage: str, total: int | None) -> None:
        """A stage begins; `total` is the number of its steps (or bytes, for a fetch), None when unknown."""

    def advance(self, stage: str, done: int) -> None:
        """`done` steps of the stage are behind us."""

    def note(self, stage: str, text: str) -> None:
        """What the stage is doing at this moment."""

    def finish(self, stage: str, summary: str, seconds: float) -> None:
        """A stage ended."""

    def warn(self, message: str) -> None:
        """Something that the user should know, although the build goes on."""


@dataclass(frozen=True)
class StageResult:
    """What a stage did and how long it took, for the summary."""

    stage: str
    summary: str
    seconds: float


@dataclass
class Stages:
    """Runs stages one after another: tells `progress` and keeps the results."""

    progress: Progress
    results: list[StageResult] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[list[str]]:
        """Time a stage; the block appends to the list what it made and what it reused."""
        started = time.perf_counter()
        notes: list[str] = []
        self.progress.start(name, total)
        yield notes
        seconds = time.perf_counter() - started
        result = StageResult(name, ", ".join(notes), seconds)
        self.results.append(result)
        self.progress.finish(name, result.summary, seconds)
