"""How many rows questions have, counted anew only when something was written: to count costs more the more there is."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Select, text
from sqlalchemy.orm import Session

from conda_store.db import lists

# What many callers ask in turn between two writes, and a few megabytes at most.
_KEPT = 1000
_NUMBER = text("SELECT number FROM change WHERE id = 1")


class Counts:
    """Remembers counts, for any number of threads, as long as the change number that its session sees is the same."""

    def __init__(self) -> None:
        self._known: tuple[int, dict[Hashable, int]] = (-1, {})

    def of(self, session: Session, query: Select[Any], question: Hashable) -> int:
        """How many rows `query` has; it is all the same for equal questions."""
        # A transaction sees the number and the rows of one moment, so a number stands for what there was to count.
        number = session.scalar(_NUMBER)
        known = self._known
        if known[0] != number or len(known[1]) >= _KEPT:
            known = self._known = (number, {})
        if question not in known[1]:
            known[1][question] = lists.count(session, query)
        return known[1][question]
