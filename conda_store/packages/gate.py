"""The gate through which rattler asks channels: it knows credentials and follows redirects itself, inside the policy.

rattler follows redirects wherever they lead and knows credentials by host only. So its requests are turned (by its own
mirrors) to a server of this process on loopback, below a path that nobody can guess; whatever is not turned fails.
That server looks at every URL before it is asked for, adds what opens the channel, and hands bytes through. Credentials
never reach rattler, its cache or its messages.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import rattler
from rattler.networking import AddHeadersMiddleware, MirrorMiddleware, RetryMiddleware

from conda_store.errors import BadInput, PolicyRefused
from conda_store.packages.asking import ask, new_client
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.credentials import Credentials

_ASKED = ("accept", "accept-encoding", "if-none-match", "if-modified-since", "range", "user-agent", "cache-control")
_ANSWERED = ("content-type", "content-length", "content-encoding", "content-range", "etag", "last-modified")
_RETRIES = 3


class ChannelGate:
    """One per process. `policy` and `credentials` are those of the environment that is being built."""

    def __init__(self, policy: ChannelPolicy, credentials: Credentials | None = None) -> None:
        self.policy, self.credentials = policy, credentials or Credentials()
        self.refused: dict[str, PolicyRefused] = {}
        self._clients: dict[frozenset[str], rattler.Client] = {}

    def client(self, urls: Iterable[str]) -> rattler.Client | None:
        """What rattler shall ask these channels or packages with; None where nothing is http."""
        origins = frozenset(origin for url in urls if (origin := _origin(url)))
        if not origins:
            return None
        if origins not in self._clients:
            mirrors = {origin: [f"{self.base}/{origin.replace('://', '/')}"] for origin in origins}
            guard = AddHeadersMiddleware(self._guard)
            self._clients[origins] = rattler.Client([RetryMiddleware(_RETRIES), MirrorMiddleware(mirrors), guard])
        return self._clients[origins]

    def plain(self, text: str) -> str:
        """A message of rattler's, with the URLs that were meant."""
        for scheme in ("https", "http"):
            text = text.replace(f"{self.base}/{scheme}/", f"{scheme}://")
        return text

    @cached_property
    def base(self) -> str:
        """URL below which the gate answers; it stands open from now on."""
        self._secret = secrets.token_urlsafe(32)
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"gate": self}))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="channel gate", daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/{self._secret}"

    def _guard(self, host: str, path: str) -> None:
        if host != "127.0.0.1" or not path.startswith(f"/{self._secret}/"):
            raise PermissionError(f"{host} is none of the channels that were asked")

    def url_of(self, path: str) -> str | None:
        """The URL that a path of the gate means; None for a stranger's."""
        _, secret, scheme, rest = (*path.split("/", 3), "", "", "")[:4]
        known = secrets.compare_digest(secret.encode(), self._secret.encode()) and scheme in ("http", "https")
        return f"{scheme}://{rest}" if known else None

    @contextmanager
    def answer(self, method: str, url: str, headers: dict[str, str]) -> Iterator[Any]:
        """What a URL answers, after redirects that the policy allows. Raises `PolicyRefused` before any other."""
        self.policy.check_asked(url)
        check = partial(self.policy.check_url, kind="redirect")
        with ask(
            self._http, method, url, headers=headers, credentials=self.credentials, check_redirect=check
        ) as answer:
            yield answer.response

    @cached_property
    def _http(self) -> Any:
        return new_client()


class _Handler(BaseHTTPRequestHandler):
    """One request of rattler's."""

    protocol_version = "HTTP/1.1"
    gate: ChannelGate

    def do_GET(self) -> None:
        import httpx

        url = self.gate.url_of(self.path)
        begun = False
        try:
            if url is None:
                self.send_error(404)
                return
            asked = {name: self.headers[name] for name in _ASKED if name in self.headers}
            with self.gate.answer(self.command, url, asked) as response:
                begun = True
                self._hand_through(response)
        except BadInput as error:
            # As what does not exist: a file that rattler can do without must not end the solve.
            refusal = error if isinstance(error, PolicyRefused) else PolicyRefused(error.message)
            self.gate.refused[str(url)] = refusal
            self.send_error(404)
        except httpx.HTTPError:
            self.close_connection = True
            if not begun:
                self.send_error(502)

    do_HEAD = do_GET

    def _hand_through(self, response: Any) -> None:
        self.send_response(response.status_code)
        for name in _ANSWERED:
            if name in response.headers:
                self.send_header(name, response.headers[name])
        if "content-length" not in response.headers and response.status_code not in (204, 304):
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            for chunk in response.iter_raw(1 << 18):
                self.wfile.write(chunk)

    def log_message(self, *_: object) -> None:
        """Paths are secret."""


def _origin(url: str) -> str | None:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else None
