"""The registry over HTTP: OCI distribution-spec 1.1, pulling and discovery. What there is to serve is `registry/`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from tornado.iostream import StreamClosedError
from tornado.routing import URLSpec
from tornado.web import RequestHandler

from conda_store.handlers.ranges import Portion, RangeNotSatisfiable, Selection, select
from conda_store.handlers.registry_base import (
    Access,
    Door,
    DynamicImages,
    RegistryHandler,
    RegistryParts,
    WaitsForImages,
    at_once,
)
from conda_store.handlers.registry_token import TokenHandler
from conda_store.handlers.verbs import filtered, needs_permission, public
from conda_store.registry.errors import (
    ImageIncomplete,
    ManifestUnknown,
    NameUnknown,
    RangeUnsatisfiable,
    ReferrersUnavailable,
)
from conda_store.registry.names import LATEST, is_dynamic, may_be_built
from conda_store.registry.serve import Blob, Manifest, RegistryServer

# 64 KB is slow, and above a megabyte many slow clients cost memory.
CHUNK_BYTES = 512 * 1024


def registry_routes(
    serve: RegistryServer,
    access: Access,
    images: DynamicImages | None = None,
    door: Door = at_once,
    waiting: WaitsForImages | None = None,
) -> list[URLSpec]:
    """The rules for `/v2/`, at the root of the host. Without `images` nothing is made on demand, without
    `waiting` a pull of an image that is still being made is refused."""
    parts = {"parts": RegistryParts(serve, access, images, door, waiting)}
    # An environment may be called "blobs" or "uploads": the longest name wins, and the first rule.
    routes: list[tuple[str, type[RequestHandler]]] = [
        (r"/v2/?", VersionHandler),
        (r"/v2/token", TokenHandler),
        (r"/v2/_catalog", CatalogHandler),
        (r"/v2/(.+)/manifests/([^/]+)", ManifestHandler),
        (r"/v2/(.+)/tags/list", TagsHandler),
        (r"/v2/(.+)/referrers/([^/]+)", ReferrersHandler),
        (r"/v2/(.+)/blobs/uploads/?[^/]*", UploadHandler),
        (r"/v2/(.+)/blobs/([^/]+)", BlobHandler),
        (r"/v2/.*", UnknownHandler),
    ]
    return [URLSpec(pattern, handler, parts) for pattern, handler in routes]


class VersionHandler(RegistryHandler):
    """`/v2/`: whether this is a registry, and whether it wants credentials."""

    @needs_permission("environment::read")
    async def get(self) -> None:
        self.write({})

    head = get


class ManifestHandler(RegistryHandler):
    """`/v2/<name>/manifests/<tag or digest>`"""

    @needs_permission("environment::read")
    async def get(self, repository: str, reference: str) -> None:
        # docker asks with HEAD first: that starts the work as well, and is held as long.
        images = self.parts.images if is_dynamic(repository) else None
        if images is not None and reference == LATEST:
            await images.ensure_dynamic(repository, self.caller.actor)
        manifest = await self._find(repository, reference)
        if images is not None:
            await images.note_pull(repository)
        self.write_manifest(manifest)

    head = get

    async def _find(self, repository: str, reference: str) -> Manifest:
        try:
            found: Manifest = await self.door(self.serve.manifest, repository, reference)
            return found
        except ImageIncomplete as error:
            if self.parts.waiting is None:
                raise
            waited = self.parts.waiting.ensure_whole(error.repository, error.digest)
        except (ManifestUnknown, NameUnknown):
            if self.parts.waiting is None or not may_be_built(repository, reference):
                raise
            waited = self.parts.waiting.ensure_tag(repository, reference)
        # Somebody makes it, for the first time or once more: clients wait for minutes, but give up at a refusal.
        await waited
        made: Manifest = await self.door(self.serve.manifest, repository, reference)
        return made


class BlobHandler(RegistryHandler):
    """`/v2/<name>/blobs/<digest>`"""

    @needs_permission("environment::read")
    async def get(self, repository: str, digest: str) -> None:
        blob: Blob = await self.door(self.serve.blob, repository, digest)
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")
        if self.is_known(blob.digest):
            return
        wanted = self._select(blob)
        self.set_status(wanted.status)
        for name, value in wanted.headers.items():
            self.set_header(name, value)
        if self.request.method != "HEAD":
            await self._send(blob, wanted.portions)

    head = get

    def _select(self, blob: Blob) -> Selection:
        try:
            return select(self.request.headers, f'"{blob.digest}"', blob.size, "application/octet-stream")
        except RangeNotSatisfiable as error:
            raise RangeUnsatisfiable(blob.size) from error

    async def _send(self, blob: Blob, portions: Sequence[Portion]) -> None:
        # A client that leaves is no error; it may come back for the rest.
        with suppress(StreamClosedError), await self.door(self.serve.open, blob) as stream:
            for portion in portions:
                if portion.head:  # An empty one would make Tornado copy the chunk behind it.
                    self.write(portion.head)
                stream.seek(portion.start)
                left = portion.stop - portion.start
                while left and (chunk := stream.read(min(CHUNK_BYTES, left))):
                    self.write(chunk)
                    await self.flush()
                    left -= len(chunk)


class UploadHandler(RegistryHandler):
    """`/v2/<name>/blobs/uploads/`: where a push begins."""

    get = head = RegistryHandler.refuse


class TagsHandler(RegistryHandler):
    """`/v2/<name>/tags/list`"""

    @needs_permission("environment::read")
    async def get(self, repository: str) -> None:
        self.write_page("tags", await self.door(self.serve.tags, repository), name=repository)

    head = get


class CatalogHandler(RegistryHandler):
    """`/v2/_catalog`: the repositories that the caller may pull."""

    @filtered("environment::read")
    async def get(self) -> None:
        names = await self.door(self.serve.repositories)
        self.write_page("repositories", [name for name in names if self.caller.may_pull(name)])

    head = get


class ReferrersHandler(RegistryHandler):
    """`/v2/<name>/referrers/<digest>`"""

    @needs_permission("environment::read")
    async def get(self, repository: str, digest: str) -> None:
        # No media type has a space: it was a "+" that somebody did not quote.
        wanted = self.get_query_argument("artifactType", "").replace(" ", "+")
        if wanted:
            self.set_header("OCI-Filters-Applied", "artifactType")
        if self.parts.waiting is not None:
            await self.parts.waiting.ensure_referrers(repository, digest)
        found = await self._find(repository, digest, wanted)
        self.set_header("Content-Type", found.media_type)
        self.write(found.data)

    head = get

    async def _find(self, repository: str, digest: str, wanted: str) -> Manifest:
        try:
            found: Manifest = await self.door(self.serve.referrers, repository, digest, wanted)
            return found
        except ReferrersUnavailable as error:
            lost = error.__cause__
            if self.parts.waiting is None or not isinstance(lost, ImageIncomplete):
                raise
        try:
            await self.parts.waiting.ensure_whole(lost.repository, lost.digest)
        except ManifestUnknown as error:
            raise ReferrersUnavailable(error.message) from error
        made: Manifest = await self.door(self.serve.referrers, repository, digest, wanted)
        return made


class UnknownHandler(RegistryHandler):
    """What is no path of the distribution-spec."""

    @public
    def get(self, *_: str) -> None:
        raise NameUnknown(f"There is nothing at {self.request.path[:200]}.")

    head = get
