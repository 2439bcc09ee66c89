"""Requests by wrk: one thread, kept connections."""

from __future__ import annotations

import re
from collections.abc import Mapping

from benchmarks.server import output_of, program

_SECONDS, _QUICK_SECONDS = 3, 1


def requests_per_second(url: str, connections: int, headers: Mapping[str, str] | None = None, *, quick: bool) -> float:
    """How many answers a second came. Raises RuntimeError when one was no success."""
    shown = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]
    duration = f"-d{_QUICK_SECONDS if quick else _SECONDS}s"
    said = output_of([program("wrk", "wrk"), "-t1", f"-c{connections}", duration, *shown, url])
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors", said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if failed or rate is None:
        raise RuntimeError(f"wrk at {url}: {said}")
    return float(rate[1])


def named(connections: int) -> str:
    """`1 connection`, `16 connections`."""
    return f"{connections} connection{'s' if connections > 1 else ''}"
