"""Handlers below `build/{build}/` and, for the current build, below `environment/{namespace}/{name}/`."""

from __future__ import annotations

import asyncio

from tornado.iostream import StreamClosedError

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.ranges import wanted_range
from conda_store.managers.builds import BuildNotFound
from conda_store.managers.contents import Content


class BuildHandler(ApiHandler):
    """A handler about one build, `self.build_id`; `self.entity` are its namespace and environment."""

    build_id: int
    entity: tuple[str, str]

    async def check(self, permission: str) -> None:
        """The right is decided before existence, so that both refusals read alike."""
        if "build" not in self.path_kwargs:
            await super().check(permission)
            self.entity = self.path_kwargs["namespace"], self.path_kwargs["name"]
            self.build_id = await self.ask(self.parts.environments.current_build_id, *self.entity)
            return
        self.build_id = self.number(self.path_kwargs["build"])
        found = await self.ask(self.parts.builds.entity, self.build_id)
        if found is None:
            self.identity.require(permission, "*")
            raise BuildNotFound(f"There is no build {self.build_id}.")
        self.entity = found
        self.identity.require(permission, *found)


class ContentHandler(BuildHandler):
    """A handler that answers with bytes: whole, one range of them, or that the caller has them already."""

    async def send_content(self, content: Content) -> None:
        """Write the content; at most one chunk of it is in memory."""
        self.set_header("ETag", content.etag)
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Content-Type", content.media_type)
        if content.file_name:
            self.set_header("Content-Disposition", f'attachment; filename="{content.file_name}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        start, stop = self._range(content)
        self.set_header("Content-Length", str(stop - start))
        if self.request.method == "HEAD":
            return
        await self._stream(content, start, stop)

    def _range(self, content: Content) -> tuple[int, int]:
        headers = self.request.headers
        wanted = wanted_range(headers.get("Range"), headers.get("If-Range"), content.etag, content.size)
        if wanted is None:
            return 0, content.size
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {wanted[0]}-{wanted[1] - 1}/{content.size}")
        return wanted

    async def _stream(self, content: Content, start: int, stop: int) -> None:
        for chunk in content.chunks(start, stop):
            self.write(chunk)
            try:
                await self.flush()
            except StreamClosedError:
                self.abandon()
                return
            # A fast reader never lets `flush` wait, and others want their turn.
            await asyncio.sleep(0)
