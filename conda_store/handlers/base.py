"""What all handlers share: who calls, whether they may, the door to the managers, and errors as HTTP.

A verb without a permission on it is refused like a method that does not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qs

import jinja2
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from tornado.web import HTTPError, RequestHandler

from conda_store.audit import Actor
from conda_store.auth.callers import Callers
from conda_store.auth.credentials import SESSION_COOKIE
from conda_store.auth.origins import SAFE_METHODS, BrowserRules
from conda_store.auth.permissions import Identity
from conda_store.errors import BadInput, Problem
from conda_store.handlers.failures import Failure, failure_of
from conda_store.handlers.places import Places
from conda_store.handlers.verbs import PUBLIC, SIGNED_IN
from conda_store.managers.access import AccessManager
from conda_store.managers.administration import AdministrationManager
from conda_store.managers.artifacts import ArtifactManager
from conda_store.managers.audit import AuditManager
from conda_store.managers.builds import BuildManager
from conda_store.managers.checking import CheckManager
from conda_store.managers.collecting import CollectionManager
from conda_store.managers.credentials import CredentialManager
from conda_store.managers.differences import DifferenceManager
from conda_store.managers.environments import EnvironmentManager
from conda_store.managers.glances import GlanceManager
from conda_store.managers.kernels import KernelManager
from conda_store.managers.namespaces import NamespaceManager
from conda_store.managers.overview import OverviewManager
from conda_store.managers.packages import PackageManager
from conda_store.managers.role_mappings import RoleMappingManager
from conda_store.managers.sessions import SessionManager
from conda_store.managers.settings import SettingManager
from conda_store.managers.solving import SolveManager
from conda_store.managers.state import StateManager
from conda_store.managers.stories import StoryManager
from conda_store.managers.tokens import TokenManager
from conda_store.managers.usage import UsageManager
from conda_store.managers.watching import Watcher
from conda_store.models import LARGEST_ID, Solution

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=BaseModel)

_MOST_PARAMETERS = 1000
_SAFE_HEADERS = {
    "Server": "conda-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Vary": "Accept, Authorization, Cookie, Origin",
}


@dataclass(frozen=True)
class Parts:
    """What handlers may use."""

    environments: EnvironmentManager
    overview: OverviewManager
    glances: GlanceManager
    stories: StoryManager
    builds: BuildManager
    artifacts: ArtifactManager
    audit: AuditManager
    collections: CollectionManager
    kernels: KernelManager
    administration: AdministrationManager
    namespaces: NamespaceManager
    role_mappings: RoleMappingManager
    access: AccessManager
    sessions: SessionManager
    state: StateManager
    watcher: Watcher
    tokens: TokenManager
    settings: SettingManager
    packages: PackageManager
    usage: UsageManager
    differences: DifferenceManager
    solves: SolveManager
    checks: CheckManager
    credentials: CredentialManager
    callers: Callers
    rules: BrowserRules
    places: Places
    templates: jinja2.Environment
    door: Executor
    secret: bytes
    page_limit: int
    download_wait_seconds: float
    image_host: str


class Handler(RequestHandler):
    """Base of REST and page handlers."""

    parts: Parts
    identity: Identity

    def initialize(self, parts: Parts) -> None:
        """Called by Tornado for every request."""
        self.parts = parts

    def set_default_headers(self) -> None:
        """Headers of every answer, errors too."""
        for name, value in _SAFE_HEADERS.items():
            self.set_header(name, value)

    def compute_etag(self) -> None:
        """No hash of every answer; what has a validator of its own sets it."""

    def get_template_namespace(self) -> dict[str, Any]:
        """Unused: pages are Jinja's."""
        return {}

    @property
    def actor(self) -> Actor:
        """Who calls, for the audit trail."""
        return self.identity.actor

    @property
    def image_host(self) -> str:
        """From where the caller pulls images."""
        return self.parts.image_host or self.request.host

    @property
    def session(self) -> str | None:
        """The secret in the session cookie, whatever it is worth; None without one."""
        return self.get_cookie(SESSION_COOKIE)

    async def prepare(self) -> None:
        """Find out who calls and refuse what they may not do."""
        self._allow_origin()
        permission = getattr(getattr(self, (self.request.method or "").lower(), None), "permission", None)
        if permission is None:
            raise HTTPError(405)
        self.identity = replace(await self._identify(), address=self.request.remote_ip or "")
        if self.request.method not in SAFE_METHODS and not self.identity.by_token:
            self.parts.rules.check_change(self.request.headers)
        if permission == SIGNED_IN:
            self.identity.require_name()
        elif permission != PUBLIC and not permission.startswith("filtered"):
            await self.check(permission)

    async def check(self, permission: str) -> None:
        """Raises `PermissionDenied` unless the caller has `permission` on what the path names."""
        names = self.path_kwargs
        self.identity.require(permission, names["namespace"], names.get("name", "*"))

    async def _identify(self) -> Identity:
        headers = self.request.headers
        if self.parts.rules.is_foreign(headers) and "Authorization" not in headers:
            return Identity(name=None, grants=())
        return await self.parts.callers.identify(headers.get("Authorization"), self.session)

    def _allow_origin(self) -> None:
        origin = self.request.headers.get("Origin")
        if origin is not None and self.parts.rules.is_allowed_origin(origin):
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Allow-Credentials", "true")

    async def solved(self, function: Callable[P, Solution], *args: P.args, **kwargs: P.kwargs) -> Solution:
        """What a manager that solves says: it waits in a thread of its own."""
        return await asyncio.wrap_future(self.parts.solves.call(function, *args, **kwargs))

    async def ask(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What a manager says: it works in a thread, of which there are a bounded number."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.parts.door, partial(function, *args, **kwargs))

    def queried(self, model: type[M]) -> M:
        """The query string as a model; an empty value counts as absent. Raises `BadInput`."""
        lists = {name for name, field in model.model_fields.items() if field.default == []}
        found = {
            name: values if name in lists else values[-1]
            for name, values in self._query().items()
            if name in model.model_fields
        }
        return _validated(partial(model.model_validate, found), "query")

    def _query(self) -> dict[str, list[str]]:
        try:
            return parse_qs(self.query_text, errors="strict", max_num_fields=_MOST_PARAMETERS)
        except ValueError as error:
            raise BadInput("The query string cannot be read: it is not UTF-8, or too long.") from error

    @property
    def query_text(self) -> str:
        """The query string."""
        return self.request.query or ""

    def send(self, model: BaseModel | dict[str, Any], status: int = 200) -> None:
        """Answer with a model as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(to_json(model))

    def options(self, **_: str) -> None:
        """What a page of an allowed origin may send (Fetch standard, CORS preflight)."""
        if self.parts.rules.is_allowed_origin(self.request.headers.get("Origin")):
            self.set_header("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
            self.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Range")
            self.set_header("Access-Control-Max-Age", "600")
        self.set_status(204)

    options.permission = PUBLIC  # type: ignore[attr-defined]

    def abandon(self) -> None:
        """The client is gone: nothing is finished, which would only raise what nobody can be told."""
        self._auto_finish = False

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error of every handler passes here."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        failure = failure_of(error, status_code)
        self._allow_origin()
        self.set_status(failure.status)
        for name, value in failure.headers.items():
            self.set_header(name, value)
        if self.request.method == "HEAD":
            self.finish()
        else:
            self.show_failure(failure)

    def show_failure(self, failure: Failure) -> None:
        """An error as the REST API says it."""
        self.send(failure.envelope(), failure.status)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Foreseen errors are the caller's business; the others are ours and go to the log."""
        if not failure_of(value).expected:
            super().log_exception(typ, value, tb)


class ApiHandler(Handler):
    """Base of everything under `api/`."""

    @property
    def query_text(self) -> str:
        # One client appends a slash to the whole URL, query string included.
        return (self.request.query or "").removesuffix("/")

    def body(self, model: type[M]) -> M:
        """The JSON body as a model. Raises `BadInput`, also for another media type: forms of other sites end here."""
        media_type = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if self.request.body and media_type != "application/json":
            raise BadInput("The body must be JSON, sent with 'Content-Type: application/json'.")
        return _validated(partial(model.model_validate_json, self.request.body or b"{}"), "body")

    def number(self, text: str, what: str = "build") -> int:
        """A number in a path. Raises `BadInput` for what no row can have."""
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= LARGEST_ID):
            raise BadInput(f"'{text[:40]}' is not the number of a {what}.")
        return int(text)

    def answer(self, data: Any, message: str | None = None) -> None:
        """Answer with one thing in its envelope."""
        self.send({"status": "ok", "data": data, "message": message})


def _validated(read: Callable[[], M], place: str) -> M:
    try:
        return read()
    except ValidationError as error:
        problems = [
            Problem(_sentence(one["msg"]), path=".".join(map(str, one["loc"])) or place)
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        listed = "; ".join(f"{problem.path}: {problem.message}" for problem in problems[:10])
        raise BadInput(f"The {place} is not as it should be: {listed}", problems) from None


def _sentence(text: str) -> str:
    return text.removeprefix("Value error, ")
