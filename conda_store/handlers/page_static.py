"""`/static/{file}`: what pages load besides themselves."""

from __future__ import annotations

from tornado.web import HTTPError

from conda_store.handlers.builds_in_paths import ContentHandler
from conda_store.handlers.page import STATIC, PageHandler, static_version
from conda_store.handlers.verbs import public
from conda_store.managers.contents import text_content

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


class StaticFile(PageHandler, ContentHandler):
    """Our own few files, to everyone."""

    @public
    async def get(self, file: str) -> None:
        """From the installed package."""
        kind = _TYPES.get(file.rpartition(".")[2])
        found = STATIC / file
        if kind is None or "/" in file or not found.is_file():
            raise HTTPError(404)
        current = self.get_query_argument("v", "") == static_version(file)
        self.set_header("Cache-Control", _FOR_EVER if current else "max-age=3600")
        await self.send_content(text_content(found.read_bytes(), kind))
