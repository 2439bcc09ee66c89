"""What a measurement found, ready to be written down."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of a table. `measured` is in the words of `target`; `met` is None where there is no target."""

    what: str
    ours: str
    rival: str
    measured: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Item:
    """One item: what was asked, how it was measured, what was found, and what else is worth knowing."""

    key: str
    title: str
    method: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def seconds(value: float) -> str:
    """`1.23 s`, or `12.3 ms` below a tenth of a second."""
    return f"{value * 1000:.1f} ms" if abs(value) < 0.1 else f"{value:.2f} s"


def megabytes(value: float) -> str:
    """Bytes as `12.3 MB` (a million each)."""
    return f"{value / 1e6:,.1f} MB"
