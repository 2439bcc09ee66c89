"""Handlers below `build/{build}/` and, for the current build, below `environment/{namespace}/{name}/`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from tornado.iostream import StreamClosedError

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.ranges import Portion, select
from conda_store.managers.builds import BuildNotFound
from conda_store.managers.contents import Content


class BuildHandler(ApiHandler):
    """A handler about one build, `self.build_id`; `self.entity` are its namespace and environment."""

    build_id: int
    entity: tuple[str, str]
    #: Whether it is also about builds that were deleted, which leave some artifacts.
    of_deleted: ClassVar[bool] = False

    async def check(self, permission: str) -> None:
        """The right is decided before existence, so that both refusals read alike."""
        if "build" not in self.path_kwargs:
            await super().check(permission)
            self.entity = self.path_kwargs["namespace"], self.path_kwargs["name"]
            self.build_id = await self.ask(self.parts.environments.current_build_id, *self.entity)
            if not self.build_id:
                raise BuildNotFound(f"The builds of '{'/'.join(self.entity)}' were deleted.")
            return
        self.build_id, self.entity = await self.find_build("build", permission)

    async def find_build(self, component: str, permission: str) -> tuple[int, tuple[str, str]]:
        """Number and entity of the build that a component of the path names. Raises for want of it or of the right."""
        build_id = self.number(self.path_kwargs[component])
        found = await self.ask(self.parts.builds.entity, build_id, deleted=self.of_deleted)
        if found is None:
            self.identity.require(permission, "*")
            raise BuildNotFound(f"There is no build {build_id}.")
        self.identity.require(permission, *found)
        return build_id, found


class ContentHandler(BuildHandler):
    """A handler that answers with bytes: whole, ranges of them, or that the caller has them already."""

    of_deleted = True

    async def send_content(self, content: Content) -> None:
        """Write the content; at most one chunk of it is in memory."""
        self.set_header("ETag", content.etag)
        self.set_header("Accept-Ranges", "bytes")
        if content.file_name:
            self.set_header("Content-Disposition", f'attachment; filename="{content.file_name}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        wanted = select(self.request.headers, content.etag, content.size, content.media_type)
        self.set_status(wanted.status)
        for name, value in wanted.headers.items():
            self.set_header(name, value)
        if self.request.method != "HEAD":
            await self._stream(content, wanted.portions)

    async def _stream(self, content: Content, portions: Sequence[Portion]) -> None:
        for portion in portions:
            if portion.head:  # An empty one would make Tornado copy the chunk behind it.
                self.write(portion.head)
            for chunk in content.chunks(portion.start, portion.stop):
                self.write(chunk)
                try:
                    await self.flush()
                except StreamClosedError:
                    self.abandon()
                    return
                # A fast reader never lets `flush` wait, and others want their turn.
                await asyncio.sleep(0)
