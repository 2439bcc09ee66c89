"""What garbage collection removes, as it is shown."""

from __future__ import annotations

from conda_store.models import Model


class Removal(Model):
    """Something that goes: its kind and name, the bytes that the disk gets back, and why."""

    kind: str
    name: str
    size: int
    reason: str


class Garbage(Model):
    """All that would go now, in this order, and the bytes that the disk would get back."""

    size: int
    removals: list[Removal]
