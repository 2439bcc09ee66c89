"""What all handlers of the registry share: who may pull, errors as OCI says them, pages of names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from tornado.web import HTTPError, RequestHandler

from conda_store.audit import Actor
from conda_store.auth.tokens import SERVICE, IssuedToken
from conda_store.errors import CondaStoreError
from conda_store.handlers.verbs import PUBLIC, public
from conda_store.registry.errors import (
    NameInvalid,
    PageInvalid,
    RangeUnsatisfiable,
    RegistryError,
    Unauthorized,
    Unsupported,
    envelope,
)
from conda_store.registry.names import checked_name
from conda_store.registry.serve import Manifest, RegistryServer

T = TypeVar("T")
Door = Callable[..., Awaitable[Any]]


class Caller(Protocol):
    """Who asks; `actor` is for limits and the audit trail."""

    @property
    def actor(self) -> Actor:
        """Who asks, and from where."""

    def check_lists(self) -> None:
        """Let pass whom lists could show something; raises `RegistryError`."""

    def may_pull(self, repository: str) -> bool:
        """Whether a repository is shown to the caller in lists."""

    def check(self, repository: str | None) -> None:
        """Let pass who may pull `repository` (None: may talk to the registry at all); raises `RegistryError`."""


class Access(Protocol):
    """Who may do what in the registry."""

    async def __call__(self, handler: RequestHandler) -> Caller:
        """Who sent a request; raises `Unauthorized` for credentials that count for nothing."""

    async def give_token(self, authorization: str | None, names: Iterable[str]) -> IssuedToken:
        """A token for those of the repositories `names` that the caller may pull; raises `Unauthorized`."""


class DynamicImages(Protocol):
    """Makes images on demand."""

    async def ensure_dynamic(self, name: str, caller: Actor) -> None:
        """Return when the image is there, made for `caller`; raises `RegistryError` when it cannot be."""

    async def note_pull(self, name: str) -> None:
        """The image was pulled."""


class WaitsForImages(Protocol):
    """Knows of images that are on their way."""

    async def ensure_tag(self, name: str, tag: str) -> None:
        """Return when waiting any longer changes nothing; raises `RegistryError` when there will be no image."""

    async def ensure_whole(self, name: str, digest: str) -> None:
        """Return when an image of which a part was lost is made again; raises `RegistryError` when it cannot be."""

    async def ensure_referrers(self, name: str, digest: str) -> None:
        """Return when all that refers to an image is there; raises `RegistryError` when it cannot be made."""


async def at_once(function: Callable[..., T], *arguments: Any) -> T:
    """Call in the event loop: right where the database is a local file, since a thread costs more than a query."""
    return function(*arguments)


@dataclass(frozen=True)
class RegistryParts:
    """What the handlers work with. `door` calls functions that may block."""

    serve: RegistryServer
    access: Access
    images: DynamicImages | None = None
    door: Door = at_once
    waiting: WaitsForImages | None = None


class RegistryHandler(RequestHandler):
    """Errors as OCI says them, and who may pull."""

    def initialize(self, parts: RegistryParts) -> None:
        self.parts = parts
        self.serve, self.door = parts.serve, parts.door

    def set_default_headers(self) -> None:
        self.set_header("Docker-Distribution-API-Version", "registry/2.0")
        self.set_header("X-Content-Type-Options", "nosniff")

    def compute_etag(self) -> None:
        """Only what has a digest has an ETag: those are set by hand."""

    async def prepare(self) -> None:
        """Refuse what the caller may not do, before anything is looked up."""
        permission = getattr(getattr(self, (self.request.method or "").lower(), None), "permission", None)
        if permission is None:
            raise Unsupported("This method is not known here.")
        if permission != PUBLIC:
            self.caller = await self.parts.access(self)
            if permission.startswith("filtered"):
                self.caller.check_lists()
            else:
                self.caller.check(checked_name(self.path_args[0]) if self.path_args else None)

    @public
    def refuse(self, *_: str) -> None:
        """Answer whatever would write."""
        raise push_refused()

    post = put = patch = delete = options = refuse

    def write_error(self, status_code: int, **options: Any) -> None:
        error = _meaning(status_code, options.get("exc_info"))
        self.set_status(error.status)
        if isinstance(error, Unauthorized):
            self.set_header("WWW-Authenticate", self.challenge(error.fault))
        if isinstance(error, RangeUnsatisfiable):
            self.set_header("Content-Range", f"bytes */{error.size}")
        if isinstance(error, Unsupported):
            self.set_header("Allow", "GET, HEAD")
        self.finish(envelope(error))

    def log_exception(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not isinstance(value, CondaStoreError) or value.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            super().log_exception(kind, value, traceback)

    def write_manifest(self, manifest: Manifest) -> None:
        """The exact bytes, with type and digest; 304 when the client has them."""
        if not self.is_known(manifest.digest):
            self.set_header("Content-Type", manifest.media_type)
            self.write(manifest.data)

    def is_known(self, digest: str) -> bool:
        """Name what is served; True, and the status is 304, when the client has it."""
        self.set_header("Docker-Content-Digest", digest)
        self.set_header("ETag", f'"{digest}"')
        known = "If-None-Match" in self.request.headers and self.check_etag_header()
        if known:
            self.set_status(HTTPStatus.NOT_MODIFIED)
        return known

    def write_page(self, key: str, names: list[str], **members: str) -> None:
        """`names` from `last` on, at most `n` of them, with a `Link` to what follows."""
        last, count = self.get_query_argument("last", ""), self._page_size()
        names = [name for name in names if name > last]
        page = names[:count]
        if count and len(names) > count:
            query = urlencode({"n": count, "last": page[-1]})
            self.set_header("Link", f'<{self.request.path}?{query}>; rel="next"')
        self.write({**members, key: page})

    def _page_size(self) -> int | None:
        text = self.get_query_argument("n", "")
        if not text:
            return None
        if not (text.isascii() and text.isdigit()):
            raise PageInvalid(f"n={text[:40]!r} is not the size of a page: write a whole number.")
        # Nobody has as many names as ten digits can count.
        return int(text) if len(text) < 10 else None

    def challenge(self, fault: str) -> str:
        """Where a client gets a token, and for what (distribution, "Token Authentication Specification")."""
        origin = f"{self.request.protocol}://{self.request.host}"
        scope = f',scope="repository:{self.path_args[0]}:pull"' if self.path_args else ""
        error = f',error="{fault}"' if fault else ""
        return f'Bearer realm="{origin}/v2/token",service="{SERVICE}"{scope}{error}'


def push_refused() -> Unsupported:
    """What is said to whoever would write."""
    return Unsupported("Images are made by conda-store itself: nothing can be pushed or deleted here.")


def _meaning(status: int, failure: tuple[type[BaseException], BaseException, TracebackType] | None) -> CondaStoreError:
    error = failure[1] if failure else None
    if isinstance(error, CondaStoreError):
        return error
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return Unsupported("This method is not known here.")
    if isinstance(error, HTTPError) and status == HTTPStatus.BAD_REQUEST:
        return NameInvalid("The request cannot be read: its address is not UTF-8.")
    meaning = RegistryError("Something went wrong here; the log has it.")
    meaning.status = status
    return meaning
