"""What all handlers of the extension share: who may call, and errors as conda-store's REST API says them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from http.client import responses
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import APIHandler
from tornado import web

from conda_store.errors import CondaStoreError

if TYPE_CHECKING:
    from conda_store_labextension.parts import Parts

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Handler(APIHandler):
    """Base of all handlers: signed in at Jupyter, with Jupyter's XSRF check, and allowed by Jupyter's authorizer."""

    auth_resource = "conda-store"
    _work: asyncio.Task[None] | None = None

    def initialize(self, parts: Parts) -> None:
        """Called by Tornado for every request."""
        super().initialize()
        self.parts = parts

    @property
    def content_security_policy(self) -> str:
        """Nothing that is answered here is a page: no script in it runs, and no frame shows it."""
        return "sandbox; default-src 'none'; frame-ancestors 'none'"

    async def prepare(self) -> None:  # type: ignore[override]
        """Refuse whoever may not. Also before a body is there."""
        # A panel that looks every few seconds is no reason to keep an idle server alive.
        self._track_activity = self.request.method not in READING
        await super().prepare()
        if self.request.method != "OPTIONS":
            await self.check(self.auth_resource, "read" if self.request.method in READING else "write")

    async def check(self, resource: str, action: str) -> None:
        """Raises 403 unless the user of the Jupyter server may do this (Jupyter Server: authorization)."""
        user = self.current_user
        if not user:
            self.get_login_url()
        if not await ensure_async(self.authorizer.is_authorized(self, user, action, resource)):
            raise web.HTTPError(403, f"Your Jupyter server does not let you {action} {resource}.")

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that ends when the browser leaves.

        It is a task of its own: Tornado would answer a handler that is canceled, and nobody is there to be answered.
        """
        self._work = asyncio.create_task(work)
        # It may be that nobody is left to be told.
        self._work.add_done_callback(lambda work: work.cancelled() or work.exception())
        return self._work

    async def ended(self) -> None:
        """Wait for what was begun; raises what it raises."""
        work = self._work
        if work is None:
            return
        await asyncio.wait([work])
        if work.cancelled():
            self._auto_finish = False
        else:
            work.result()

    def on_connection_close(self) -> None:
        """The browser has left."""
        super().on_connection_close()
        if self._work is not None:
            self._work.cancel()

    def get_login_url(self) -> str:
        """Nobody is led to a page from here."""
        raise web.HTTPError(403, "Sign in at your Jupyter server first.")

    def answer(self, data: Any, status: int = 200) -> None:
        """Answer with `data` as JSON."""
        self.set_status(status)
        self.finish(json.dumps(data))

    def refuse(self, error: CondaStoreError) -> None:
        """Answer with an error."""
        self.answer({"status": "error", "message": error.message, "code": error.code, "data": None}, error.status)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error passes here, also those of Jupyter."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, CondaStoreError):
            self.refuse(error)
            return
        phrase = responses.get(status_code, "Unknown error")
        message = getattr(error, "log_message", None) if isinstance(error, web.HTTPError) else None
        if error is not None and not isinstance(error, web.HTTPError):
            message = "Something went wrong in the Jupyter server's conda-store extension; its log has the details."
        code = phrase.lower().replace(" ", "_").replace("-", "_")
        told = {"status": "error", "message": message or f"{phrase}.", "code": code, "data": None}
        self.answer(told, status_code)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Foreseen errors are told to the browser, and Jupyter logs their requests; the others go to the log."""
        if not isinstance(value, CondaStoreError | web.HTTPError):
            super().log_exception(typ, value, tb)


class Unknown(Handler):
    """All paths that nothing else answers."""

    @web.authenticated
    def get(self) -> None:
        """There is nothing."""
        raise web.HTTPError(404, "There is nothing at this address.")
