"""Requests by wrk: one thread, kept connections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.server import output_of, program

_SECONDS, _QUICK_SECONDS = 3, 1
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Answers(NamedTuple):
    """Answers that came in a second, and the seconds in which half of them came, and 99 of a hundred."""

    rate: float
    median: float
    p99: float


def requests_per_second(url: str, connections: int, headers: Mapping[str, str] | None = None, *, quick: bool) -> float:
    """How many answers a second came. Raises RuntimeError when one was no success."""
    return answers(url, connections, headers, _QUICK_SECONDS if quick else _SECONDS).rate


def answers(url: str, connections: int, headers: Mapping[str, str] | None, duration: int) -> Answers:
    """What came in so many seconds. Raises RuntimeError when an answer was no success, or none came."""
    shown = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]
    said = output_of([program("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{duration}s", "--latency", *shown, url])
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors", said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    shares = {share: float(value) * _UNITS[unit] for share, value, unit in re.findall(_SHARE, said)}
    if failed or rate is None or not shares.get("99"):
        raise RuntimeError(f"wrk at {url}: {said}")
    return Answers(float(rate[1]), shares["50"], shares["99"])


_SHARE = r"(\d+)%\s+([\d.]+)(us|ms|s|m)\b"


def named(connections: int) -> str:
    """`1 connection`, `16 connections`."""
    return f"{connections} connection{'s' if connections > 1 else ''}"
