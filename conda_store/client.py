"""The Python API to a conda-store server, over its REST API; the command line and the JupyterLab panel use it too.

    with Client("http://localhost:5000") as client:
        build = client.wait(client.create(Path("environment.yaml").read_bytes()))

Requests stand in `client_connection`, what answers mean in `client_answers`, the stream of events in `client_events`,
a file on its way in `client_download`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote

import httpx

from conda_store.client_answers import (
    ENDED,
    AnswerUnreadable,
    Artifact,
    Build,
    BuildFailed,
    Environment,
    NotAllowed,
    NotFound,
    ServerBusy,
    ServerRefused,
    ServerUnreachable,
    WaitTimedOut,
    WrongState,
)
from conda_store.client_connection import Connection
from conda_store.client_download import Download, Report, written_whole
from conda_store.client_events import Event, EventDecoder
from conda_store.client_patience import Patience
from conda_store.errors import BadInput

__all__ = [
    "ARTIFACTS",
    "AnswerUnreadable",
    "Artifact",
    "Build",
    "BuildFailed",
    "Client",
    "Environment",
    "Event",
    "NotAllowed",
    "NotFound",
    "ServerBusy",
    "ServerRefused",
    "ServerUnreachable",
    "WaitTimedOut",
    "WrongState",
]

#: What can be downloaded: its path below a build.
ARTIFACTS: Mapping[str, str] = {
    "yaml": "yaml/",
    "lockfile": "conda-lock.yml",
    "archive": "archive/",
    "logs": "logs/",
    "installer": "installer/",
    "sbom": "sbom/",
}
# The server holds a download for up to five minutes while the artifact is being made.
_DOWNLOAD_TIMEOUT = httpx.Timeout(330.0, connect=10.0)
# The server says something on a stream every 15 s: after three times that it is dead.
_QUIET_SECONDS = 45.0
_SLACK_SECONDS = 1.0


class Client:
    """A connection to the server at `url`; a context manager, not shared between threads.

    `token` proves who calls. A stream or download that breaks off is resumed, and a server that is away meanwhile is
    borne for `patience_seconds`. Every error is a `CondaStoreError`: what the server says is a `ServerRefused` with
    its message, `code` and `problems`; else `ServerUnreachable` or `AnswerUnreadable`.
    """

    def __init__(self, url: str, token: str | None = None, *, patience_seconds: float = 60.0) -> None:
        self._connection = Connection(url, token)
        self.url = self._connection.url
        self.patience_seconds = patience_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._connection.close()

    def create(
        self,
        source: bytes | str,
        namespace: str | None = None,
        is_lockfile: bool | None = None,
        environment_name: str | None = None,
        platforms: Sequence[str] = (),
    ) -> int:
        """Build a specification or lockfile; the number of its build.

        `namespace` is the caller's own by default; whether it is a lockfile is seen from the text by default, and
        `environment_name` is for texts without a name. `platforms` (conda's names) replace those of a specification.
        Raises `BadInput` with `problems` for a text with faults.
        """
        body = {
            "specification": source if isinstance(source, str) else _decoded(source),
            "namespace": namespace,
            "is_lockfile": is_lockfile,
            "environment_name": environment_name,
            "platforms": list(platforms) or None,
        }
        sent = {name: value for name, value in body.items() if value is not None}
        return self._connection.data("POST", "specification/", lambda data: int(data["build_id"]), json=sent)

    def environments(
        self,
        namespace: str | None = None,
        name: str | None = None,
        search: str | None = None,
        status: str | None = None,
        packages: Sequence[str] = (),
    ) -> Iterator[Environment]:
        """Environments that the caller may see, without their current builds.

        `search` is part of either name; `status` and `packages` (all of them) test the current build.
        """
        filters = {"namespace": namespace, "name": name, "search": search, "status": status, "packages": packages}
        return self._connection.pages("environment/", Environment.of, filters)

    def environment(self, namespace: str, name: str) -> Environment:
        """One environment, with its current build."""
        return self._connection.data("GET", f"environment/{_quoted(namespace)}/{_quoted(name)}/", Environment.of)

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
        self._connection.data("PUT", f"build/{build_id}/cancel/", lambda data: None)

    def image(self, build_id: int) -> str:
        """The reference under which docker pulls the image of a build, such as `localhost:5000/default/data:latest`."""
        with self._connection.open("GET", f"build/{build_id}/docker/") as response:
            return response.read().decode("utf-8", "replace").strip()

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

    def download(
        self, subject: int | tuple[str, str], artifact: str, path: Path, progress: Report | None = None
    ) -> Path:
        """Write an artifact (a key of `ARTIFACTS`) of a build, or of an environment's current build, to `path`.

        One that is not made yet is waited for. The file appears whole or not at all. `progress` is told bytes so far
        and bytes in all. Raises `BadInput` for an unknown artifact or a path that cannot be written.
        """
        if artifact not in ARTIFACTS:
            raise BadInput(f"'{artifact}' is not something to download: choose one of {', '.join(ARTIFACTS)}.")
        build_id = subject if isinstance(subject, int) else self.environment(*subject).current_build_id
        patience = Patience(self.patience_seconds)
        with written_whole(path) as file:
            download, whole = Download(file, progress), False
            while not whole:
                with patience.bearing():
                    self._fetch(f"build/{build_id}/{ARTIFACTS[artifact]}", download, patience)
                    whole = True
        return path

    def _fetch(self, path: str, download: Download, patience: Patience) -> None:
        """Take what is missing of a file, or as much of it as comes."""
        had, headers = download.received, download.headers()
        try:
            with self._connection.open(
                "GET", path, headers=headers, timeout=_DOWNLOAD_TIMEOUT, follow_redirects=True
            ) as response:
                patience.connected()
                partial = response.status_code == httpx.codes.PARTIAL_CONTENT
                download.take(partial, response.headers, response.iter_raw())
        except ServerBusy as error:
            if error.code == "not_ready_yet":
                patience.came()
            raise
        except ServerRefused as error:
            if error.status != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE or not had:
                raise
            download.restart()
            raise ServerUnreachable(f"{self.url} has less of the file than it sent before.") from error
        finally:
            if download.received > had:
                patience.came()

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


def _decoded(source: bytes) -> str:
    try:
        return source.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"The file is not UTF-8 (byte {error.start}): save it as such.") from error


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")
