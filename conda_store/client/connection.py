"""Requests to a server and what becomes of their answers: values of a caller's choosing, or a `CondaStoreError`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from conda_store._version import __version__
from conda_store.client.answers import AnswerUnreadable, ServerRefused, ServerUnreachable, refusal
from conda_store.errors import BadInput

T = TypeVar("T")

_PAGE_SIZE = 100
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class Speaker:
    """What all parts of a client share: a connection, and how long it bears a server that is away."""

    _connection: Connection
    url: str
    patience_seconds: float


class Connection:
    """Speaks with the REST API (http-api: envelope, offset pages) at `url`; nothing that httpx raises leaves it."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = _checked(url)
        headers = {"User-Agent": f"conda-store/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {_printable(token)}"
        self._http = httpx.Client(headers=headers, timeout=_TIMEOUT)

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def pages(self, path: str, read: Callable[[Any], T], filters: Mapping[str, Any]) -> Iterator[T]:
        """The rows of all pages, each asked for when its first row is wanted; empty filters are left out."""
        given = {name: value for name, value in filters.items() if value not in (None, "", ())}
        page, seen, count = 1, 0, 1
        while seen < count:
            answer = self.answer("GET", path, params={**given, "page": page, "size": _PAGE_SIZE})
            rows = self._read(lambda data: [read(one) for one in data["data"]], answer)
            count = self._read(lambda data: int(data["count"]), answer) if rows else seen
            seen += len(rows)
            page += 1
            yield from rows

    def rows(self, path: str, read: Callable[[Any], T], **options: Any) -> list[T]:
        """The rows of a list that comes in one answer."""
        return self.data("GET", path, lambda data: [read(one) for one in data], **options)

    def read_rows(self, body: bytes, read: Callable[[Any], T]) -> list[T]:
        """The rows of a list in an answer that was read already."""
        return self._read(lambda text: [read(one) for one in json.loads(text)["data"]], body)

    def bare(self, path: str, read: Callable[[Any], T], **options: Any) -> T:
        """What `read` makes of an answer that has no envelope."""
        return self._read(read, self.answer("GET", path, **options))

    def tell(self, method: str, path: str, **options: Any) -> None:
        """Ask for something that is only acknowledged."""
        self.answer(method, path, **options)

    def data(self, method: str, path: str, read: Callable[[Any], T], **options: Any) -> T:
        """What `read` makes of the data in an answer's envelope. Raises `AnswerUnreadable` when it cannot."""
        return self._read(lambda answer: read(answer.get("data")), self.answer(method, path, **options))

    def _read(self, read: Callable[[Any], T], answer: Any) -> T:
        try:
            return read(answer)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AnswerUnreadable(f"{self.url} answers otherwise than conda-store does: {error!r}.") from error

    def answer(self, method: str, path: str, **options: Any) -> Any:
        """An answer as JSON."""
        with self.open(method, path, **options) as response:
            body = response.read()
        return self._read(json.loads, body)

    @contextmanager
    def open(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """An answer with a status of success, its body still to come; everything that httpx raises becomes ours.

        Whoever asks for what is newer than a tag may hear 304, too.
        """
        try:
            with self._http.stream(method, f"{self.url}/api/v1/{path}", **options) as response:
                if not response.is_success and response.status_code != httpx.codes.NOT_MODIFIED:
                    response.read()
                    raise self._refusal(response)
                yield response
        except httpx.HTTPError as error:
            raise self._broken(error) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise BadInput(f"This cannot be asked of a server: {error}.") from error

    def _refusal(self, response: httpx.Response) -> ServerRefused | AnswerUnreadable:
        if response.is_redirect:
            where = response.headers.get("location", "nowhere")
            return AnswerUnreadable(f"{self.url} is not the address of a conda-store server: it leads on to {where}.")
        try:
            answer = response.json()
        except ValueError:
            answer = None
        return refusal(response.status_code, answer, response.headers.get("retry-after"), str(response.url))

    def _broken(self, error: httpx.HTTPError) -> ServerUnreachable:
        reason = str(error) or type(error).__name__
        if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ServerUnreachable(f"The conversation with {self.url} broke off ({reason}): try again.")
        return ServerUnreachable(
            f"No conda-store server answers at {self.url} ({reason}). Start one with 'conda-store serve', or name "
            "another address: with --url or CONDA_STORE_URL on the command line, as the first argument of Client."
        )


def quoted(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="", errors="replace")


def _checked(url: str) -> str:
    """An address without its closing slash; raises `BadInput` for what cannot be one."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BadInput(f"{url!r} is not the address of a server: {error}.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise BadInput(f"{url!r} is not the address of a server: write it like http://localhost:5000.")
    if parsed.userinfo:
        raise BadInput("The address of the server holds a user: give its token as such, not in the address.")
    return url.rstrip("/")


def _printable(token: str) -> str:
    stripped = token.strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise BadInput("The token holds a character that no token has: copy it again.")
    return stripped
