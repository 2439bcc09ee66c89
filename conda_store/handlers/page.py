"""What all pages share: the templates and what these may call, forms that only our own pages send, errors as HTML."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import humanize
import jinja2
from markupsafe import Markup, escape

from conda_store.auth.credentials import form_token, is_form_token
from conda_store.auth.origins import CrossSite
from conda_store.errors import BadInput
from conda_store.handlers.base import Handler
from conda_store.handlers.failures import Failure
from conda_store.models import LARGEST_ID

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
STATIC = resources.files("conda_store") / "static"


def page_templates(**functions: Any) -> jinja2.Environment:
    """Our templates, which escape what they show; `functions` can be called in all of them."""
    loader = jinja2.FileSystemLoader(str(resources.files("conda_store") / "templates"))
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    templates.globals.update(functions, static_version=static_version)
    templates.filters.update(age=_age, bytes=_bytes)
    return templates


@lru_cache(256)
def static_version(name: str) -> str:
    """What changes when a file of ours does, for its address: browsers may then keep it for ever."""
    found: Traversable = STATIC / name
    return hashlib.sha256(found.read_bytes()).hexdigest()[:10] if found.is_file() else "missing"


class PageHandler(Handler):
    """A handler that answers with HTML, its errors too."""

    #: What the top bar shows as the place where one is.
    section = ""

    def set_default_headers(self) -> None:
        """Nothing runs on a page that did not come with it, and no other site shows it in a frame."""
        super().set_default_headers()
        # The editor makes its styles itself.
        self.nonce = secrets.token_urlsafe(16)
        self.set_header("Content-Security-Policy", _POLICY.format(nonce=self.nonce))

    def let_forms_lead_to(self, origin: str) -> None:
        """Let the answer to a form of this page send the browser on to `origin`, too."""
        self.set_header("Content-Security-Policy", f"{_POLICY.format(nonce=self.nonce)} {origin}")

    def page(self, template: str, **values: Any) -> None:
        """Answer with a template."""
        shared = {
            "places": self.parts.places,
            "identity": getattr(self, "identity", None),
            "form_token": self.form_token,
            "has_session": bool(self.session),
            "section": self.section,
            "nonce": self.nonce,
            "host": self.image_host,
            "here": self.here,
            "login_title": self.parts.callers.authenticator.login_title,
            "origin": f"{self.request.protocol}://{self.request.host}",
        }
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(self.parts.templates.get_template(template).render(**shared, **values))

    @property
    def here(self) -> str:
        """Where whoever signs in comes back to; a form would have to be written anew."""
        return self.request.uri or "" if self.request.method == "GET" else ""

    @property
    def form_token(self) -> str:
        """What a form on our pages carries."""
        return form_token(self.parts.secret, self.session or "")

    def check_form(self) -> None:
        """Raises `CrossSite` for a form that did not come from one of our pages."""
        if not is_form_token(self.parts.secret, self.session or "", self.get_body_argument("form_token", "")):
            raise CrossSite("This form was not sent from a page of this server, or the page is old: load it again.")

    def form_number(self, name: str) -> int:
        """A number in a form or in the address. Raises `BadInput`."""
        text = self.get_argument(name, "")
        if not (text.isascii() and text.isdigit() and int(text[:12]) <= LARGEST_ID):
            raise BadInput(f"'{name}' must be a number, and '{text[:40]}' is none.")
        return int(text)

    def see(self, *components: object) -> None:
        """Send the browser to another page of ours, after a form."""
        self.redirect(self.parts.places.url(*components), status=303)

    def show_failure(self, failure: Failure) -> None:
        """An error as a page."""
        self.page("error.html", failure=failure, phrase=HTTPStatus(failure.status).phrase)


def _age(time: datetime | None) -> Markup:
    """How long ago, with the time itself for programs and for those who point at it."""
    if time is None:
        return Markup("")
    then = time.astimezone(UTC)
    words = humanize.naturaltime(datetime.now(UTC) - then)
    shown = then.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(then.isoformat(), shown, escape(words))


def _bytes(size: int | None) -> str:
    """A size for people, in powers of 1000."""
    return humanize.naturalsize(size or 0)
