"""How contestants are compared: in turns, several rounds, by the medians of what each pair of turns gives.

Another program that takes the processor for a while then slows both of a pair, and hardly moves their ratio.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds that something took: on the wall clock, and of processors (user and system, all threads and children)."""

    wall: float
    processor: float


def cost_of(work: Callable[[], object]) -> Cost:
    """What one call costs. Of children only those count that have ended, and nothing else may run meanwhile."""
    wall, processor = time.perf_counter(), _processor_seconds()
    work()
    return Cost(time.perf_counter() - wall, _processor_seconds() - processor)


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def take_turns(contestants: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, list[Cost]]:
    """Let each contestant take a turn in every round (A B A B …); returns what each turn cost.

    A contestant measures itself, so that what it prepares and clears away does not count.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, turn in contestants.items():
            costs[name].append(turn())
    return costs


def median_wall(costs: Sequence[Cost]) -> float:
    """Median seconds on the wall clock."""
    return statistics.median(cost.wall for cost in costs)


def median_processor(costs: Sequence[Cost]) -> float:
    """Median seconds of processors."""
    return statistics.median(cost.processor for cost in costs)


@dataclass(frozen=True)
class Comparison:
    """Two contestants' seconds in the same rounds."""

    ours: Sequence[float]
    rival: Sequence[float]

    @classmethod
    def by_wall(cls, ours: Sequence[Cost], rival: Sequence[Cost]) -> Comparison:
        """On the wall clock."""
        return cls([cost.wall for cost in ours], [cost.wall for cost in rival])

    @classmethod
    def by_processor(cls, ours: Sequence[Cost], rival: Sequence[Cost]) -> Comparison:
        """By processors' time."""
        return cls([cost.processor for cost in ours], [cost.processor for cost in rival])

    @property
    def difference(self) -> float:
        """Median over the rounds of ours minus the rival's."""
        return statistics.median(ours - rival for ours, rival in zip(self.ours, self.rival, strict=True))

    @property
    def ratio(self) -> float:
        """Median over the rounds of the rival's by ours: how many times faster ours is."""
        return statistics.median(rival / ours for ours, rival in zip(self.ours, self.rival, strict=True))
