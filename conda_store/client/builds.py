"""Builds over the REST API: one, many, what happens in them, and how they end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from conda_store.client.answers import ENDED, Build, Difference, ServerUnreachable, WaitTimedOut
from conda_store.client.connection import Speaker
from conda_store.client.events import Event, EventDecoder
from conda_store.client.patience import Patience

# The server says something on a stream every 15 s: after three times that it is dead.
_QUIET_SECONDS = 45.0
_SLACK_SECONDS = 1.0


class Builds(Speaker):
    """Builds: followed, canceled, repeated, compared, deleted."""

    def builds(
        self,
        environment_id: int | None = None,
        namespace: str | None = None,
        name: str | None = None,
        status: str | None = None,
    ) -> Iterator[Build]:
        """Builds that the caller may see, oldest first."""
        filters = {"environment_id": environment_id, "namespace": namespace, "name": name, "status": status}
        return self._connection.pages("build/", Build.of, filters | {"sort_by": "id", "order": "asc"})

    def build(self, build_id: int) -> Build:
        """One build, with its artifacts."""
        return self._connection.data("GET", f"build/{build_id}/", Build.of)

    def cancel(self, build_id: int) -> None:
        """Cancel a build; raises `WrongState` when it has ended."""
        self._connection.tell("PUT", f"build/{build_id}/cancel/")

    def rebuild(self, build_id: int) -> int:
        """Build the specification of a build once more; the number of the new build."""
        return self._connection.data("PUT", f"build/{build_id}/", lambda data: int(data["build_id"]))

    def delete_build(self, build_id: int) -> None:
        """Delete a build that has ended, with everything that it left."""
        self._connection.tell("DELETE", f"build/{build_id}/")

    def diff(self, build_id: int, other: int) -> Difference:
        """What is in `other` and was not in `build_id`, and the other way round."""
        return self._connection.data("GET", f"build/{build_id}/diff/{other}/", Difference.of)

    def events(self, build_id: int, after: int = 0, timeout: float | None = None) -> Iterator[Event]:
        """What happens in a build, from its beginning until nothing more will, without loss or repeat.

        `after` is the number of the last event that is known already. Raises `WaitTimedOut` after `timeout` seconds.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        patience = Patience(self.patience_seconds, deadline)
        while (left := deadline - time.monotonic()) > 0:
            quiet = min(left, _QUIET_SECONDS)
            with patience.bearing(), self._follow(build_id, after, quiet) as response:
                if response.status_code == httpx.codes.NO_CONTENT:
                    return
                patience.connected()
                for event in _events(response, patience, deadline, quiet):
                    if event.number > after:
                        after = event.number
                        patience.came()
                        yield event
        raise WaitTimedOut(f"Build {build_id} has not ended after {timeout:g} seconds; it goes on.")

    def wait(
        self, build_id: int, timeout: float | None = None, on_event: Callable[[Event], None] | None = None
    ) -> Build:
        """The build once it has ended, however that is (`check_completed()` tells).

        Artifacts may still follow. Raises `WaitTimedOut` after `timeout` seconds. `on_event` is told what happens.
        """
        build = self.build(build_id)
        if build.ended:
            return build
        for event in self.events(build_id, timeout=timeout):
            if on_event:
                on_event(event)
            if event.kind == "status" and event.data.get("status") in ENDED:
                break
        return self.build(build_id)

    def logs(self, build_id: int, follow: bool = False) -> Iterator[str]:
        """The lines of a build's log, without line ends: those of now, or with `follow` also those to come."""
        if follow:
            for event in self.events(build_id):
                if event.kind == "log":
                    yield str(event.data.get("text", ""))
            return
        with self._connection.open("GET", f"build/{build_id}/logs/") as response:
            text = response.read().decode("utf-8", "replace")
        yield from text.removesuffix("\n").split("\n") if text else ()

    @contextmanager
    def _follow(self, build_id: int, after: int, quiet_seconds: float) -> Iterator[httpx.Response]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        timeout = httpx.Timeout(quiet_seconds, connect=min(quiet_seconds, 10.0))
        with self._connection.open("GET", f"build/{build_id}/events/", headers=headers, timeout=timeout) as response:
            yield response


def _events(response: httpx.Response, patience: Patience, deadline: float, quiet: float) -> Iterator[Event]:
    """The events of one connection. It ends by an error, or when its time limit must shrink towards the deadline."""
    decoder = EventDecoder()
    for chunk in response.iter_bytes():
        yield from decoder.feed(chunk)
        patience.pause_seconds = decoder.retry_seconds
        # httpx fixes the limit between two chunks when a connection begins.
        if quiet > deadline - time.monotonic() + _SLACK_SECONDS:
            return
    raise ServerUnreachable(f"{response.url} ended the stream of events before the build had ended.")
