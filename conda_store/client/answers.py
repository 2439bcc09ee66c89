"""What a server's answers mean to its client: frozen values, and errors with the server's own message.

Only the standard library and `conda_store.errors` are imported: the client lies beside a user's own packages. Unknown
keys are ignored and younger ones may be absent: servers of several ages answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conda_store.errors import BadInput, CondaStoreError, Problem

COMPLETED = "COMPLETED"
ENDED = frozenset({COMPLETED, "FAILED", "CANCELED"})
_NO_STATUS = 503


class ServerUnreachable(CondaStoreError):
    """No server answers at the address; the message names it."""

    status = _NO_STATUS
    code = "server_unreachable"
    exit_status = 3


class AnswerUnreadable(CondaStoreError):
    """Something answers at the address, but not as conda-store does."""

    status = 502
    code = "answer_unreadable"


class WaitTimedOut(CondaStoreError):
    """A build did not end within the time; it goes on."""

    status = 504
    code = "wait_timed_out"
    exit_status = 124


class BuildFailed(CondaStoreError):
    """A build that was waited for ended otherwise than COMPLETED; the message has the reason."""

    status = 409
    code = "build_failed"


class ServerRefused(CondaStoreError):
    """The server said no. `status` and `code` are those of its answer (http-api: envelope)."""

    def __init__(self, status: int, code: str, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message, problems)
        self.status = status
        self.code = code
        self.retry_after_seconds: float | None = None

    def __str__(self) -> str:
        # Messages of whole files list their problems already; what is not said yet follows.
        return "\n".join([self.message, *(f"  {one}" for one in self.problems if one.message not in self.message)])


class InputRefused(ServerRefused, BadInput):
    """400 and 413: what was sent is wrong; `problems` say where."""


class NotAllowed(ServerRefused):
    """403: the token is missing, wrong or expired, or its owner may not do this."""

    exit_status = 4


class NotFound(ServerRefused):
    """404: there is no such thing."""

    exit_status = 5


class WrongState(ServerRefused):
    """409: not now, such as canceling a build that has ended."""


class ServerBusy(ServerRefused):
    """429, 502, 503, 504: the same request may succeed later."""

    exit_status = 3


_KINDS: Mapping[int, type[ServerRefused]] = {
    400: InputRefused,
    413: InputRefused,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: WrongState,
    429: ServerBusy,
    502: ServerBusy,
    503: ServerBusy,
    504: ServerBusy,
}


def refusal(status: int, answer: Any, retry_after: str | None, place: str) -> ServerRefused:
    """The error in an answer; one that has no envelope (a proxy's page) is told by its status and `place`, its URL."""
    envelope = answer if isinstance(answer, dict) else {}
    message = envelope.get("message") or f"{place} answered with status {status} and no reason."
    code = str(envelope.get("code") or f"http_{status}")
    problems = [_problem(one) for one in envelope.get("errors") or () if isinstance(one, dict)]
    error = _KINDS.get(status, ServerRefused)(status, code, str(message), problems)
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        error.retry_after_seconds = float(retry_after)
    return error


def _problem(data: dict[str, Any]) -> Problem:
    return Problem(str(data.get("message")), data.get("line"), data.get("column"), data.get("path"))


@dataclass(frozen=True)
class Artifact:
    """Something that a build left; `size` in bytes, `reason` why its state is FAILED."""

    artifact_type: str
    state: str
    key: str
    size: int
    reason: str | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Artifact:
        """From JSON; artifacts of servers that give no state are there."""
        state = data.get("state") or "READY"
        return cls(data["artifact_type"], state, data["key"], data.get("size") or 0, data.get("reason"))


@dataclass(frozen=True)
class Build:
    """A build. `specification` and `artifacts` are None in lists; times are aware UTC, `size` is in bytes."""

    id: int
    environment_id: int
    status: str
    status_info: str | None
    size: int
    scheduled_on: datetime
    started_on: datetime | None
    ended_on: datetime | None
    artifacts: tuple[Artifact, ...] | None
    specification: Mapping[str, Any] | None

    @property
    def ended(self) -> bool:
        """Whether it is COMPLETED, FAILED or CANCELED."""
        return self.status in ENDED

    def check_completed(self) -> Build:
        """This build; raises `BuildFailed` with the reason unless it is COMPLETED."""
        if self.status != COMPLETED:
            reason = f": {self.status_info}" if self.status_info else "."
            raise BuildFailed(f"Build {self.id} is {self.status}{reason}")
        return self

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Build:
        """From JSON."""
        artifacts = data.get("build_artifacts")
        specification = data.get("specification")
        return cls(
            id=data["id"],
            environment_id=data["environment_id"],
            status=data["status"],
            status_info=data.get("status_info"),
            size=data.get("size") or 0,
            scheduled_on=time_of(data["scheduled_on"]),
            started_on=time_of(data["started_on"]) if data.get("started_on") else None,
            ended_on=time_of(data["ended_on"]) if data.get("ended_on") else None,
            artifacts=None if artifacts is None else tuple(Artifact.of(one) for one in artifacts),
            specification=specification.get("spec") if specification else None,
        )


@dataclass(frozen=True)
class Image:
    """Where an image is pulled from. `digest` is None until it is made, at the latest when it is first pulled."""

    image: str
    digest: str | None
    tags: tuple[str, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Image:
        """From JSON."""
        return cls(str(data["image"]), data.get("digest"), tuple(data.get("tags") or ()))


@dataclass(frozen=True)
class Submission:
    """A build that was asked for; `warnings` are what the author of the file should hear although it was accepted."""

    build_id: int
    warnings: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Submission:
        """From JSON."""
        return cls(int(data["build_id"]), tuple(_problem(one) for one in data.get("warnings") or ()))


@dataclass(frozen=True)
class Changes:
    """What came, went and became something else, as the server lists it."""

    added: Any
    removed: Any
    changed: Any

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Changes:
        """From JSON."""
        return cls(data["added"], data["removed"], data["changed"])


@dataclass(frozen=True)
class Difference:
    """Between two builds."""

    specification: Changes
    packages: Changes

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Difference:
        """From JSON."""
        return cls(Changes.of(data["specification"]), Changes.of(data["packages"]))


@dataclass(frozen=True)
class Environment:
    """An environment; `current_build` is None in lists."""

    id: int
    namespace: str
    name: str
    description: str
    current_build_id: int
    current_build: Build | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Environment:
        """From JSON."""
        build = data.get("current_build")
        return cls(
            id=data["id"],
            namespace=data["namespace"]["name"],
            name=data["name"],
            description=data.get("description") or "",
            current_build_id=data["current_build_id"],
            current_build=Build.of(build) if build else None,
        )


def time_of(text: str) -> datetime:
    """A time of an answer: naive ones are UTC."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
