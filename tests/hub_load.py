"""Clients of a Hub's service that never stop asking, and what they were told."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.hubs import PASSWORD, SERVICE, Hub

# Nobody answers, or a connection breaks off: right while something is stopped.
BROKEN = 0
# What the Hub and its proxy say of an address whose service it does not know yet: not found, or a way to its login.
OF_THE_HUB = 1


@dataclass
class Load:
    """Threads that ask until the end; `told` counts answers by (kind, status), `words` keeps one body of each."""

    told: Counter[tuple[str, int]] = field(default_factory=Counter)
    words: dict[tuple[str, int], str] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def add(self, kind: str, ask: Callable[[], httpx.Response]) -> None:
        """Ask in a thread of its own, again and again."""
        thread = threading.Thread(target=self._go_on, args=(kind, ask), name=kind)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Wait for the last answers."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def statuses(self, kind: str = "") -> set[int]:
        """All that one kind of client was told, or all of them."""
        # A list first, in one step: the threads go on counting.
        return {status for name, status in list(self.told) if name.startswith(kind)}

    def forget(self) -> None:
        """Count anew."""
        self.told.clear()

    def _go_on(self, kind: str, ask: Callable[[], httpx.Response]) -> None:
        while not self._ended.is_set():
            try:
                answer = ask()
                told = kind, OF_THE_HUB if is_of_the_hub(answer) else answer.status_code
                self.words[told] = answer.text[:300]
            except httpx.HTTPError:
                told = kind, BROKEN
            self.told[told] += 1
            # Whoever is refused at once need not ask hundreds of times a second.
            self._ended.wait(0.1)


def is_of_the_hub(answer: httpx.Response) -> bool:
    """Whether the Hub or its proxy says that there is no such service; the service itself signs what it says."""
    return answer.headers.get("Server") != "conda-store" and answer.status_code in (302, 404)


@contextmanager
def loaded(clients: dict[str, Callable[[], httpx.Response]]) -> Iterator[Load]:
    """Clients that ask while the block runs."""
    load = Load()
    try:
        for kind, ask in clients.items():
            load.add(kind, ask)
        yield load
    finally:
        load.stop()


@contextmanager
def signed_in(hub: Hub, name: str) -> Iterator[httpx.Client]:
    """A browser's cookies after the login through the Hub."""
    with httpx.Client(base_url=hub.url, follow_redirects=True, timeout=30) as client:
        form = client.get(f"{SERVICE}login/")
        hidden = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
        assert hidden is not None, form.text
        given = {"username": name, "password": PASSWORD, "_xsrf": hidden[1]}
        done = client.post(str(form.url), data=given)
        assert done.status_code == 200 and SERVICE in str(done.url), (done.url, done.text)
        yield client


def following(client: httpx.Client, path: str) -> Callable[[], httpx.Response]:
    """Reads a stream of events to its end, or until it breaks off."""

    def ask() -> httpx.Response:
        with client.stream("GET", path) as answer:
            answer.read()
            return answer

    return ask
