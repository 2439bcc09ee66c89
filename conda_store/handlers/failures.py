"""The one place where an error becomes what HTTP says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

from tornado.httputil import HTTPInputError
from tornado.web import HTTPError

from conda_store.errors import CondaStoreError, Problem
from conda_store.models import ErrorAnswer, ProblemPlace

_RETRY_SECONDS = {429: "5", 503: "5"}


@dataclass(frozen=True)
class Failure:
    """Status, code and message of an answer; `expected` is False for our own mistakes, which are logged."""

    status: int
    code: str
    message: str
    problems: tuple[Problem, ...] = ()
    expected: bool = True
    details: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with the status, and those of the error itself."""
        retry = {"Retry-After": _RETRY_SECONDS[self.status]} if self.status in _RETRY_SECONDS else {}
        return retry | self.details

    def envelope(self) -> ErrorAnswer:
        """The answer of the REST API."""
        places = [ProblemPlace.of(one) for one in self.problems]
        return ErrorAnswer(message=self.message, code=self.code, errors=places or None)


def failure_of(error: BaseException | None, status: int = 500) -> Failure:
    """What to tell of an exception; of one that nobody foresaw, nothing but that it happened."""
    if isinstance(error, CondaStoreError):
        details = getattr(error, "headers", {})
        return Failure(error.status, error.code, error.message, error.problems, error.status != 500, details)
    if isinstance(error, HTTPInputError):
        return Failure(400, "bad_input", "The request cannot be read: its body is not what its headers say.")
    if isinstance(error, HTTPError):
        return _standard(error.status_code)
    if error is None and status != 500:
        return _standard(status)
    message = "Something went wrong on the server; its log has the details."
    return Failure(500, "internal_error", message, expected=False)


def _standard(status: int) -> Failure:
    texts = {
        404: "There is nothing at this address.",
        405: "This address does not answer to this method.",
        413: "The request is larger than this server accepts.",
    }
    known = HTTPStatus(status)
    return Failure(status, known.name.lower(), texts.get(status, f"{known.phrase}."))
