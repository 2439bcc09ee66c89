"""How long a client bears a server that is away: a restart or a dropped connection is no reason to give up."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from conda_store.client.answers import ServerBusy, ServerUnreachable

# A connection that held this long was a good one, even if nothing was said on it.
_HELD_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 30.0


class Patience:
    """Bears failures in a row for `seconds`, but only once a connection was there: a wrong address is told at once.

    The first failure after something came is tried again without a pause. Nothing pauses beyond `deadline`
    (monotonic seconds).
    """

    def __init__(self, seconds: float, deadline: float = math.inf) -> None:
        self.seconds, self.deadline = seconds, deadline
        self.pause_seconds = 1.0
        self._connected = False
        self._failing_since: float | None = None

    def connected(self) -> None:
        """The server answered."""
        self._connected = True

    def came(self) -> None:
        """Something new came, so that it was worth trying."""
        self._connected, self._failing_since = True, None

    def heard(self, error: ServerBusy) -> None:
        """The server answered that what was asked for is on its way: that may take long."""
        if error.code == "not_ready_yet":
            self.came()

    @contextmanager
    def bearing(self) -> Iterator[None]:
        """Swallow `ServerUnreachable` and `ServerBusy` and pause, or raise them when patience is at its end."""
        started = time.monotonic()
        try:
            yield
        except (ServerUnreachable, ServerBusy) as error:
            if time.monotonic() - started > _HELD_SECONDS and self._connected:
                self.came()
            self._bear(error)

    def _bear(self, error: ServerUnreachable | ServerBusy) -> None:
        now = time.monotonic()
        pause = getattr(error, "retry_after_seconds", None)
        if pause is None:
            pause = 0.0 if self._failing_since is None else self.pause_seconds
        self._failing_since = now if self._failing_since is None else self._failing_since
        if not self._connected or now - self._failing_since > self.seconds:
            raise error
        time.sleep(max(0.0, min(pause, _LONGEST_PAUSE_SECONDS, self.deadline - now)))
