"""Pages for people. Small on purpose: what they show is what the REST API answers."""

from __future__ import annotations

from http import HTTPStatus
from importlib import resources
from typing import Any

import jinja2
from tornado.web import HTTPError

from conda_store.auth.credentials import form_token, is_form_token
from conda_store.auth.origins import CrossSite
from conda_store.errors import BadInput, CondaStoreError
from conda_store.handlers.base import Handler
from conda_store.handlers.builds_in_paths import BuildHandler, ContentHandler
from conda_store.handlers.failures import Failure
from conda_store.handlers.verbs import filtered, needs_permission, public
from conda_store.inputs import EnvironmentQuery, NewSpecification
from conda_store.managers.contents import text_content

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_STATIC_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


def page_templates(**functions: Any) -> jinja2.Environment:
    """Our templates, which escape what they show; `functions` can be called in all of them."""
    loader = jinja2.FileSystemLoader(str(resources.files("conda_store") / "templates"))
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    templates.globals.update(functions)
    return templates


class PageHandler(Handler):
    """A handler that answers with HTML, its errors too."""

    def set_default_headers(self) -> None:
        """Nothing runs on a page that did not come with it, and no other site shows it in a frame."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", _POLICY)

    def page(self, template: str, **values: Any) -> None:
        """Answer with a template."""
        who = getattr(self, "identity", None)
        shared = {"places": self.parts.places, "identity": who, "form_token": self.form_token}
        shared["has_session"] = bool(self.session)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(self.parts.templates.get_template(template).render(**shared, **values))

    @property
    def form_token(self) -> str:
        """What a form on our pages carries."""
        return form_token(self.parts.secret, self.session or "")

    def check_form(self) -> None:
        """Raises `CrossSite` for a form that did not come from one of our pages."""
        if not is_form_token(self.parts.secret, self.session or "", self.get_body_argument("form_token", "")):
            raise CrossSite("This form was not sent from a page of this server, or the page is old: load it again.")

    def show_failure(self, failure: Failure) -> None:
        """An error as a page."""
        self.page("error.html", failure=failure, phrase=HTTPStatus(failure.status).phrase)


class EnvironmentsPage(PageHandler):
    """`/`"""

    @filtered("environment::read")
    async def get(self) -> None:
        """List environments, each with its shortcuts."""
        asked = self.queried(EnvironmentQuery)
        paged = asked.model_copy(update={"page": asked.page or 1})
        found = await self.ask(self.parts.environments.page, self.identity, paged, self.parts.page_limit)
        self.page("environments.html", found=found, search=asked.search or "", host=self.request.host)


class CreatePage(PageHandler):
    """`/create/`"""

    async def check(self, permission: str) -> None:
        """Where the environment goes stands in the form."""
        if not self.identity.may_somewhere(permission):
            raise self.identity.refusal(permission)

    @needs_permission("environment:create")
    def get(self) -> None:
        """The form."""
        self.page("create.html", text="", namespace=self.identity.primary_namespace, failure=None)

    @needs_permission("environment:create")
    async def post(self) -> None:
        """Build what the form holds; with an error the form comes back with all that was written."""
        self.check_form()
        text, namespace = self._text(), self.get_body_argument("namespace", "")
        try:
            new = NewSpecification(specification=text, namespace=namespace or None)
            started = await self.ask(self.parts.builds.submit, self.identity, new)
        except CondaStoreError as error:
            self.set_status(error.status)
            self.page("create.html", text=text, namespace=namespace, failure=error)
        else:
            self.redirect(self.parts.places.url("build", started.build_id), status=303)

    def _text(self) -> str:
        """The file when one was chosen, else what was typed."""
        files = [file for file in self.request.files.get("file", []) if file.body]
        if not files:
            return self.get_body_argument("specification", "", strip=False)
        try:
            return files[0].body.decode()
        except UnicodeDecodeError as error:
            raise BadInput("The file is not UTF-8: save it with the encoding UTF-8.") from error


class BuildPage(PageHandler, BuildHandler):
    """`/build/{build}/`"""

    @needs_permission("environment::read")
    async def get(self, **_: str) -> None:
        """A build with its live log."""
        build = await self.ask(self.parts.builds.get, self.build_id)
        namespace, name = self.entity
        self.page("build.html", build=build, namespace=namespace, name=name, host=self.request.host)


class StaticFile(PageHandler, ContentHandler):
    """`/static/{file}`: our own few files, to everyone."""

    @public
    async def get(self, file: str) -> None:
        """From the installed package."""
        kind = _STATIC_TYPES.get(file.rpartition(".")[2])
        found = resources.files("conda_store") / "static" / file
        if kind is None or "/" in file or not found.is_file():
            raise HTTPError(404)
        self.set_header("Cache-Control", "max-age=3600")
        await self.send_content(text_content(found.read_bytes(), kind))
