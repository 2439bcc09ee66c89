"""`/login/` and `/logout/`: a session for a browser."""

from __future__ import annotations

from pydantic import ValidationError

from conda_store.auth.credentials import SESSION_COOKIE, SESSION_DAYS
from conda_store.auth.permissions import CredentialsInvalid
from conda_store.errors import BadInput
from conda_store.handlers.pages import PageHandler
from conda_store.handlers.verbs import public
from conda_store.models import Answer, Model, Text

_SECONDS_PER_DAY = 86_400


class Login(Model):
    """A user's name and password (or token)."""

    username: Text = ""
    password: Text = ""


class Redirect(Model):
    """Where a browser goes next."""

    redirect_url: str


class LoginPage(PageHandler):
    """`/login/`"""

    @public
    def get(self) -> None:
        """The form."""
        self.page("login.html", next=self._next())

    @public
    async def post(self) -> None:
        """Sign in: JSON is answered with JSON, a form with a redirect."""
        target = self._next()
        asked = self._asked()
        found = await self.parts.callers.authenticator.by_password(asked.username, asked.password)
        if found is None or found.name is None:
            raise CredentialsInvalid("Name or password is wrong.")
        self._begin_session(found.name)
        if self._is_json:
            self.send(Answer[Redirect](data=Redirect(redirect_url=target)))
        else:
            self.redirect(target, status=303)

    def _asked(self) -> Login:
        if not self._is_json:
            self.check_form()
            name, password = (self.get_body_argument(one, "", strip=False) for one in ("username", "password"))
            return Login(username=name, password=password)
        try:
            return Login.model_validate_json(self.request.body)
        except ValidationError:
            raise BadInput("The body must be JSON with 'username' and 'password'.") from None

    @property
    def _is_json(self) -> bool:
        return self.request.headers.get("Content-Type", "").startswith("application/json")

    def _next(self) -> str:
        target = self.get_query_argument("next", "") or self.parts.places.url()
        return self.parts.rules.check_target(target, self.request.host)

    def _begin_session(self, name: str) -> None:
        self.set_signed_cookie(
            SESSION_COOKIE,
            name,
            expires_days=SESSION_DAYS,
            max_age=SESSION_DAYS * _SECONDS_PER_DAY,
            path=self.parts.places.prefix,
            httponly=True,
            samesite="Strict",
            secure=self.request.protocol == "https",
        )


class Logout(PageHandler):
    """`/logout/`"""

    @public
    def post(self) -> None:
        """End the session of this browser."""
        target = self.get_query_argument("next", "") or self.parts.places.url()
        self.clear_cookie(SESSION_COOKIE, path=self.parts.places.prefix)
        self.redirect(self.parts.rules.check_target(target, self.request.host), status=303)
