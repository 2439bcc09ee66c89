"""The gate through which uv asks package indexes that are named or private; the sibling of `gate`, which rattler uses.

uv takes user and password only, shows them in what it writes, and follows redirects and links wherever they lead. So
it is told of indexes at a host that does not exist, by way of a proxy on loopback: this one, which looks at every URL,
adds what opens it, and writes the same host into the links of index pages. Nothing else answers uv then. That host is
the same in each process, so uv's cache stays of use.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from conda_store.errors import BadInput, CondaStoreError, FetchFailed, PolicyRefused
from conda_store.packages.asking import Answer, ask, new_client, opener
from conda_store.packages.gate import ChannelGate
from conda_store.packages.index_pages import is_page, rewritten_page
from conda_store.packages.uv_process import machine_credentials

#: Reserved for what shall never be a host (RFC 6761).
_HOST = "http://package-index.invalid"
_ASKED = ("accept", "if-none-match", "if-modified-since", "range", "user-agent")
_ANSWERED = ("content-type", "content-range", "etag", "last-modified", "cache-control", "accept-ranges")
_PAGES = "application/vnd.pypi.simple.v1+json, text/html;q=0.2"


@dataclass
class IndexGate:
    """One per process; policy and credentials are those that `channels` has at the time."""

    channels: ChannelGate
    faults: dict[str, CondaStoreError] = field(default_factory=dict)

    def is_needed(self, index_urls: Sequence[str]) -> bool:
        """Whether uv shall ask through it: named by the policy, or known to need credentials."""
        credentials = self.channels.credentials
        return bool(self.channels.policy.index_urls) or any(opener(credentials, f"{url}/-") for url in index_urls)

    def environment(self, index_urls: Sequence[str]) -> dict[str, str]:
        """What tells uv of these indexes, and of nothing else that it could reach."""
        first, *others = map(self.hidden, index_urls)
        indexes = {"UV_DEFAULT_INDEX": first, "UV_INDEX": " ".join(others)}
        return {**indexes, "HTTP_PROXY": self.proxy, "HTTPS_PROXY": self.proxy, "ALL_PROXY": self.proxy}

    def hidden(self, text: str) -> str:
        """A text for uv."""
        return re.sub(r"\b(https?)://", rf"{_HOST}/\1/", text)

    def plain(self, text: str) -> str:
        """What uv says, with the URLs that were meant."""
        return re.sub(rf"{re.escape(_HOST)}/(https?)/", r"\1://", text)

    def check(self) -> None:
        """uv gave up: raises what was wrong with an index, if anything, of which uv knows less."""
        for error in self.faults.values():
            raise error

    @cached_property
    def proxy(self) -> str:
        """URL of the proxy; it stands open from now on, for who knows its password."""
        password = secrets.token_urlsafe(32)
        self._proof = base64.b64encode(f"uv:{password}".encode()).decode()
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"gate": self}))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="index gate", daemon=True).start()
        return f"http://uv:{password}@127.0.0.1:{server.server_port}"

    def admits(self, proof: str) -> bool:
        """Whether this is what uv was told."""
        return secrets.compare_digest(proof.encode("utf-8", "replace"), f"Basic {self._proof}".encode())

    @contextmanager
    def answer(self, method: str, url: str, headers: dict[str, str]) -> Iterator[Answer]:
        """What a URL answers. Raises `PolicyRefused` before anything is asked that is not allowed."""
        self._allow(url)
        credentials = self.channels.credentials.over(machine_credentials())
        asked = partial(ask, self._http, method, url, headers=headers, credentials=credentials)
        with asked(check_redirect=self._allow) as answer:
            if answer.response.status_code in (401, 403):
                self.faults.setdefault(url, FetchFailed(_closed(url, answer)))
            yield answer

    def _allow(self, url: str) -> None:
        self.channels.policy.check_url(url.partition("?")[0], kind="wheel")

    @cached_property
    def _http(self) -> Any:
        return new_client(float(os.environ.get("UV_HTTP_TIMEOUT") or 60))


def _closed(url: str, answer: Answer) -> str:
    fault = "does not take the credentials that there are for it" if answer.is_opened else "takes credentials"
    return (
        f"pip: the package index refuses access to {url} ({answer.response.status_code}): it {fault}. Let an "
        "administrator of the namespace set its credentials, which are kept like those of a channel."
    )


class _Handler(BaseHTTPRequestHandler):
    """One request of uv's."""

    protocol_version = "HTTP/1.1"
    gate: IndexGate

    def do_GET(self) -> None:
        import httpx

        url = self.gate.plain(self.path)
        begun = False
        try:
            if url == self.path or not self.gate.admits(self.headers.get("Proxy-Authorization", "")):
                self.send_error(403)
                return
            asked = {name: self.headers[name] for name in _ASKED if name in self.headers}
            if "pypi.simple" in asked.get("accept", ""):
                asked["accept"] = _PAGES
            with self.gate.answer(self.command, url, {**asked, "accept-encoding": "identity"}) as answer:
                begun = True
                self._hand_through(answer)
        except BadInput as error:
            # Not 404, after which another index would be asked for the same name.
            refusal = error if isinstance(error, PolicyRefused) else PolicyRefused(error.message)
            self.gate.faults.setdefault(url, refusal)
            self.send_error(403)
        except (httpx.HTTPError, ValueError) as error:
            self.close_connection = True
            fault = f"pip: the package index at {url} cannot be reached: {type(error).__name__}."
            self.gate.faults.setdefault(url, FetchFailed(fault))
            if not begun:
                self.send_error(502)

    do_HEAD = do_GET

    def do_CONNECT(self) -> None:
        """A tunnel could lead anywhere."""
        self.send_error(403)

    def _hand_through(self, answer: Answer) -> None:
        response = answer.response
        page = None
        if response.status_code == 200 and is_page(response.headers.get("content-type", "")):
            response.read()
            page = rewritten_page(response, answer.url, self.gate.hidden)
        self.send_response(response.status_code)
        for name in _ANSWERED:
            if name in response.headers and not (name == "cache-control" and answer.is_opened):
                self.send_header(name, response.headers[name])
        if answer.is_opened:
            # uv's cache is shared with who may know less.
            self.send_header("cache-control", "no-store")
        self._send_body(response, page)

    def _send_body(self, response: Any, page: bytes | None) -> None:
        length = response.headers.get("content-length") if page is None else str(len(page))
        if length is not None:
            self.send_header("Content-Length", length)
        elif response.status_code not in (204, 304):
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            for chunk in [page] if page is not None else response.iter_raw(1 << 18):
                self.wfile.write(chunk)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
