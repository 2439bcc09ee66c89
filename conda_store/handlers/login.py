"""`/login/`, `/oauth_callback` and `/logout/`: a session for a browser."""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationError

from conda_store.auth.base import SignedIn
from conda_store.auth.credentials import SESSION_COOKIE
from conda_store.auth.permissions import CredentialsInvalid
from conda_store.auth.signing_in import ATTEMPT_SECONDS, SigningIn, cookie_of, find_attempt
from conda_store.errors import BadInput
from conda_store.handlers.failures import Failure
from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import public
from conda_store.models import Answer, Model, Text

_CALLBACK = "oauth_callback"


class Login(Model):
    """A user's name and password (or token)."""

    username: Text = ""
    password: Text = ""


class Redirect(Model):
    """Where a browser goes next."""

    redirect_url: str


class SigningInHandler(PageHandler):
    """Begins and ends sessions, and remembers attempts, in cookies that no script and no other path sees."""

    @property
    def here(self) -> str:
        """Nobody wants to come back to these pages."""
        return ""

    async def begin_session(self, who: SignedIn) -> None:
        """Let the browser be `who` from now on."""
        lifetime = timedelta(days=self.parts.callers.authenticator.session_days)
        secret = await self.ask(self.parts.sessions.begin, who, lifetime, self.identity.address)
        self.keep(SESSION_COOKIE, secret, lifetime.total_seconds(), "Strict")

    def keep(self, name: str, value: str, seconds: float, same_site: str) -> None:
        """Set a cookie."""
        self.set_cookie(
            name,
            value,
            max_age=int(seconds),
            path=self.parts.places.prefix,
            httponly=True,
            samesite=same_site,
            secure=self.request.protocol == "https",
        )

    def next_target(self) -> str:
        """Where `next` leads; raises `BadInput` for a foreign place."""
        target = self.get_query_argument("next", "") or self.parts.places.url()
        return self.parts.rules.check_target(target, self.request.host)


class LoginPage(SigningInHandler):
    """`/login/`"""

    @public
    async def get(self) -> None:
        """The form, or the way to the site where people sign in."""
        target = self.next_target()
        callback = f"{self.request.protocol}://{self.request.host}{self.parts.places.file(_CALLBACK)}"
        attempt = SigningIn.begin(callback, target)
        elsewhere = await self.parts.callers.authenticator.elsewhere(attempt)
        if elsewhere is None:
            self._show(target)
            return
        # Lax, since it is another site that sends the browser back.
        self.keep(attempt.cookie, attempt.sealed(self.parts.sessions.sealer), ATTEMPT_SECONDS, "Lax")
        self.redirect(elsewhere)

    @public
    async def post(self) -> None:
        """Sign in: JSON is answered with JSON, a form with a redirect."""
        target = self.next_target()
        asked = self._asked()
        found = await self.parts.callers.authenticator.by_password(asked.username, asked.password)
        if found is None or found.identity.name is None:
            await self.ask(self.parts.sessions.refuse, self.identity.address, asked.username)
            raise CredentialsInvalid("Name or password is wrong.")
        await self.begin_session(found)
        if self._is_json:
            self.send(Answer[Redirect](data=Redirect(redirect_url=target)))
        else:
            self.redirect(target, status=303)

    def show_failure(self, failure: Failure) -> None:
        """Whoever asks in JSON hears so; whoever mistyped has the form again, and still goes where they wanted."""
        if self._is_json:
            self.send(failure.envelope(), failure.status)
        elif failure.code == CredentialsInvalid.code and self.request.method == "POST":
            self._show(self.next_target(), failure)
        else:
            super().show_failure(failure)

    def _show(self, target: str, failure: Failure | None = None) -> None:
        # Chromium holds a redirect after a form to the page's policy (CSP 3, 'form-action').
        self.let_forms_lead_to(self.parts.rules.other_origin(target))
        self.page("login.html", next=target, failure=failure)

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


class SignInAnswer(SigningInHandler):
    """`/oauth_callback`"""

    @public
    async def get(self) -> None:
        """Take the answer of the site where people sign in, if this browser asked for it."""
        state = self.get_query_argument("state", "")
        attempt = find_attempt(self.parts.sessions.sealer, self.get_cookie(cookie_of(state)), state)
        if attempt is None:
            await self.ask(self.parts.sessions.refuse, self.identity.address)
            raise CredentialsInvalid("This sign-in was not begun in this browser, or took too long: sign in again.")
        self.clear_cookie(attempt.cookie, path=self.parts.places.prefix)
        answer = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        try:
            found = await self.parts.callers.authenticator.by_answer(attempt, answer)
        except CredentialsInvalid as error:
            await self.ask(self.parts.sessions.refuse, self.identity.address, error.who)
            raise
        if found is None or found.identity.name is None:
            await self.ask(self.parts.sessions.refuse, self.identity.address)
            raise CredentialsInvalid("You were not let in there: sign in again, or ask who runs it for access.")
        await self.begin_session(found)
        # A page and no redirect: the browser comes from another site, and would not show our cookie on its way on.
        self.page("signed_in.html", target=attempt.target)


class Logout(SigningInHandler):
    """`/logout/`"""

    @public
    async def post(self) -> None:
        """End the session of this browser."""
        target = self.next_target()
        if self.session:
            await self.ask(self.parts.sessions.end, self.session, self.identity.address)
            self.parts.callers.forget()
        self.clear_cookie(SESSION_COOKIE, path=self.parts.places.prefix)
        self.redirect(target, status=303)
