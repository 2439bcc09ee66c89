"""Which handler answers which path: a table, and the application that reads it.

Every path answers with and without its closing slash, for every method; a path is compared component by component
after unquoting, so that a prefix such as `/a%40b/` is found however a proxy quotes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, RequestStartLine, ResponseStartLine
from tornado.web import Application, RequestHandler

from conda_store.auth.origins import BrowserRules
from conda_store.errors import CondaStoreError
from conda_store.handlers.base import Parts
from conda_store.handlers.places import segments_of
from conda_store.handlers.refusals import BodyTooLarge, NotFound, PageNotFound, Refusal, RegistryRefusal

# Probes come from machines that know this server by its number; they learn nothing but that it lives.
_FOR_ANY_HOST = {"health", "ready"}
# What is read of a body that was refused already, so that its sender gets to read the answer.
_LINGER_BYTES = 64 * 1024 * 1024
_LINGER_SECONDS = 10.0


@dataclass(frozen=True)
class Route:
    """A path below the prefix, such as `api/v1/build/{build}/logs/`, and the handler of all its methods."""

    path: str
    handler: type[RequestHandler]
    pieces: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pieces", tuple(filter(None, self.path.split("/"))))

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The values of the variable components; None when the path is another."""
        found = {}
        for piece, segment in zip(self.pieces, segments, strict=True):
            if piece.startswith("{"):
                found[piece.strip("{}")] = segment
            elif piece != segment:
                return None
        return found


class RouteTable:
    """Routes by the number of their components; of several that match the first one counts."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._by_length: dict[int, list[Route]] = {}
        for route in self.routes:
            self._by_length.setdefault(len(route.pieces), []).append(route)

    def find(self, segments: Sequence[str]) -> tuple[type[RequestHandler], dict[str, str]] | None:
        """The handler of a path, and the values in it."""
        for route in self._by_length.get(len(segments), ()):
            if (values := route.match(segments)) is not None:
                return route.handler, values
        return None


class Site(Application):
    """All of the server: our routes below the prefix, the registry's `rules` at the root of the host."""

    def __init__(
        self,
        table: RouteTable,
        parts: Parts,
        registry_rules: Sequence[Any] = (),
        *,
        body_limit: int,
        **settings: Any,
    ) -> None:
        self.table, self.parts, self.body_limit = table, parts, body_limit
        self._rules: BrowserRules = parts.rules
        self._prefix = parts.places.segments
        super().__init__(list(registry_rules), cookie_secret=parts.secret, **settings)

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> Any:
        """Tornado's hook: who reads this request, from its headers on."""
        segments = segments_of(request.path)
        inside = self._inside(segments)
        refused = self._refused(request, inside)
        if refused is not None:
            return self._delegate(request, RegistryRefusal if _is_registry(request) else Refusal, {}, error=refused)
        if _is_registry(request):
            return BodyLimit(super().find_handler(request), request, self)
        found = self.table.find(inside) if inside is not None else None
        if found is None:
            handler: type[RequestHandler] = NotFound if "api" in request.path.split("/") else PageNotFound
            return BodyLimit(self._delegate(request, handler, {}), request, self)
        return BodyLimit(self._delegate(request, *found), request, self)

    def too_large(self, request: HTTPServerRequest) -> HTTPMessageDelegate:
        """Who answers a request whose body is refused."""
        return self._delegate(request, RegistryRefusal if _is_registry(request) else BodyTooLarge, {})

    def _inside(self, segments: tuple[str, ...] | None) -> tuple[str, ...] | None:
        size = len(self._prefix)
        return segments[size:] if segments is not None and segments[:size] == self._prefix else None

    def _refused(self, request: HTTPServerRequest, inside: tuple[str, ...] | None) -> CondaStoreError | None:
        if inside and len(inside) == 1 and inside[0] in _FOR_ANY_HOST:
            return None
        try:
            self._rules.check_host(request.host_name)
        except CondaStoreError as error:
            return error
        return None

    def _delegate(
        self, request: HTTPServerRequest, handler: type[RequestHandler], values: dict[str, str], **more: Any
    ) -> HTTPMessageDelegate:
        raw = {name: value.encode() for name, value in values.items()}
        return self.get_handler_delegate(request, handler, {"parts": self.parts, **more}, path_kwargs=raw)


def _is_registry(request: HTTPServerRequest) -> bool:
    # As it stands there: what is malformed below /v2/ is answered by the registry as well.
    return request.path == "/v2" or request.path.startswith("/v2/")


class BodyLimit(HTTPMessageDelegate):
    """Passes a request on until its body is larger than the limit: then it is answered, and the rest thrown away."""

    def __init__(self, delegate: HTTPMessageDelegate, request: HTTPServerRequest, site: Site) -> None:
        self.delegate, self.request, self.site = delegate, request, site
        self.received = 0
        self.refused = False

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Any:
        """Refuse at once what announces too much."""
        self._head = (start_line, headers)
        announced = headers.get("Content-Length", "0")
        if announced.isdigit() and int(announced[:20]) > self.site.body_limit:
            return self._refuse()
        return self.delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        """Count, for those that announce nothing (chunked)."""
        self.received += len(chunk)
        if self.refused:
            return None
        if self.received > self.site.body_limit:
            return self._refuse()
        return self.delegate.data_received(chunk)

    def finish(self) -> None:
        """The body is complete."""
        self.delegate.finish()

    def on_connection_close(self) -> None:
        """The client is gone."""
        self.delegate.on_connection_close()

    def _refuse(self) -> Any:
        self.refused = True
        connection: Any = self.request.connection
        connection.set_max_body_size(_LINGER_BYTES)
        connection.set_body_timeout(_LINGER_SECONDS)
        self.delegate = self.site.too_large(self.request)
        return self.delegate.headers_received(*self._head)
