"""Handlers of requests that no other handler gets: wrong host, wrong path, too large."""

from __future__ import annotations

from typing import Any

from tornado.web import HTTPError, stream_request_body

from conda_store.errors import CondaStoreError
from conda_store.handlers.base import ApiHandler, Parts
from conda_store.handlers.page import PageHandler
from conda_store.handlers.registry_base import RegistryHandler, push_refused
from conda_store.registry.errors import Denied


class NotFound(ApiHandler):
    """No such path under `api/`."""

    async def prepare(self) -> None:
        """Every method alike."""
        raise HTTPError(404)


class PageNotFound(PageHandler):
    """No such page."""

    async def prepare(self) -> None:
        """Every method alike."""
        raise HTTPError(404)


class Refusal(ApiHandler):
    """A request that is refused before anybody looks at it."""

    def initialize(self, parts: Parts, error: CondaStoreError | None = None) -> None:
        """`error` says why."""
        super().initialize(parts)
        self.error = error or CondaStoreError("Refused.")

    async def prepare(self) -> None:
        """Every method alike."""
        raise self.error


@stream_request_body
class BodyTooLarge(ApiHandler):
    """Answers while the body is still coming; what comes is thrown away."""

    def set_default_headers(self) -> None:
        """The connection ends with this answer: a client shall not ask again on it."""
        super().set_default_headers()
        self.set_header("Connection", "close")

    async def prepare(self) -> None:
        """Every method alike."""
        raise HTTPError(413)

    def data_received(self, chunk: bytes) -> Any:
        """Thrown away."""


@stream_request_body
class RegistryRefusal(RegistryHandler):
    """Refuses a request below `/v2/` in the registry's own words; a body may still be coming, and is thrown away."""

    def initialize(self, parts: Any, error: CondaStoreError | None = None) -> None:
        """`error` says why; without one the body is too large, and whoever sends one to a registry is pushing."""
        self.error = Denied(error.message) if error else push_refused()

    def set_default_headers(self) -> None:
        """The connection ends with this answer: a client shall not ask again on it."""
        super().set_default_headers()
        self.set_header("Connection", "close")

    async def prepare(self) -> None:
        """Every method alike."""
        raise self.error

    def data_received(self, chunk: bytes) -> Any:
        """Thrown away."""
