"""Which builds of the server have kernels, asked in a thread of its own: whoever wants to know gets the last answer.

A server that is away or slow delays nobody, and what it said last stays; one that refuses the token leaves nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

from conda_store.client import Client, NotAllowed, RunnableBuild
from conda_store.errors import CondaStoreError

# JupyterLab asks for kernels every minute: when nobody does any more, the server is left alone.
_IDLE_SECONDS = 150.0

#: A client of the server, made for the thread that asks.
Connect = Callable[[], Client]


class KernelListing:
    """The last answer to `pinned()` and all current builds, asked for every `seconds` while somebody looks."""

    def __init__(
        self, connect: Connect, pinned: Callable[[], Collection[int]], seconds: float, log: logging.Logger
    ) -> None:
        self._connect, self._pinned, self.seconds, self.log = connect, pinned, seconds, log
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._rows: list[RunnableBuild] = []
        self._wanted_until = 0.0
        self._hurry = self._ended = self._troubled = False
        self._tag, self._asked_for = "", frozenset[int]()
        self.rounds = 0
        #: Whether the rows are what the server said, or there are none because it never did.
        self.answered = False

    def latest(self) -> list[RunnableBuild]:
        """What the server said last; it is asked again soon, and nobody waits for it."""
        with self._changed:
            self._wanted_until = time.monotonic() + _IDLE_SECONDS
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._run, name="conda-store kernels", daemon=True)
                self._thread.start()
            return list(self._rows)

    def refresh(self, seconds: float) -> None:
        """Ask now, and wait so long for an answer at most."""
        self.latest()
        with self._changed:
            self._hurry, before = True, self.rounds
            self._changed.notify_all()
            # A question that was on its way already may be answered with what was before.
            self._changed.wait_for(lambda: not self._hurry and self.rounds > before, seconds)

    def keep(self, rows: Collection[RunnableBuild]) -> None:
        """Builds that somebody has just asked about, in place of what was known of them."""
        with self._changed:
            told = {one.build_id for one in rows}
            moved = {(one.namespace, one.environment) for one in rows if one.current}
            others = (one for one in self._rows if one.build_id not in told)
            stay = (one for one in others if not (one.current and (one.namespace, one.environment) in moved))
            self._rows = [*stay, *rows]
            self._tag = ""

    def close(self) -> None:
        """Ask no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _run(self) -> None:
        client: Client | None = None
        try:
            while self._go_on():
                try:
                    client = client or self._connect()
                    self._ask(client)
                except CondaStoreError as error:
                    self._failed(error)
                    if client:
                        client.close()
                    client = None  # the next one may have another token
        finally:
            if client:
                client.close()
            with self._changed:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _go_on(self) -> bool:
        """Wait until it is time to ask; whether somebody still wants to know."""
        with self._changed:
            if self.rounds and not self._hurry:
                self._changed.wait_for(lambda: self._hurry or self._ended, self.seconds)
            self._hurry = False
            wanted = not self._ended and time.monotonic() < self._wanted_until
            if not wanted:
                self._thread, self.rounds = None, 0
            return wanted

    def _ask(self, client: Client) -> None:
        pinned = frozenset(self._pinned())
        answer = client.changed_kernels(self._tag if pinned == self._asked_for else "", pinned)
        with self._changed:
            if answer is not None:
                self._tag, self._rows = answer
                self._asked_for = pinned
            self.rounds, self.answered = self.rounds + 1, True
            self._changed.notify_all()
        if self._troubled:
            self._troubled = False
            self.log.info("conda-store: the server answers again, and kernels are those that it has.")

    def _failed(self, error: CondaStoreError) -> None:
        with self._changed:
            self.rounds += 1
            self._tag = ""
            if isinstance(error, NotAllowed):
                self._rows, self.answered = [], False
            self._changed.notify_all()
        if not self._troubled:
            self._troubled = True
            self.log.warning("conda-store: kernels cannot be asked for, those known before stay: %s", error)
