"""The shapes of answers at the HTTP border: one definition answers and documents. What requests carry is `inputs.py`.

No database and no HTTP here. Times of builds and specifications are written as naive UTC without suffix (clients in
the field append `Z` themselves); a number that no column can hold is refused when it is read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from conda_store.errors import Problem

LARGEST_ID = 2**31 - 1


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds a character that cannot be stored")
    return text


def _naive(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat()


def _zoned(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


T = TypeVar("T")
Text = Annotated[str, AfterValidator(_storable)]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Time = Annotated[datetime, PlainSerializer(_naive, return_type=str)]
Moment = Annotated[datetime, PlainSerializer(_zoned, return_type=str)]
Status = Literal["QUEUED", "BUILDING", "COMPLETED", "FAILED", "CANCELED"]
ArtifactName = Literal[
    "DIRECTORY", "LOCKFILE", "LOGS", "YAML", "CONDA_PACK", "DOCKER_MANIFEST", "CONSTRUCTOR_INSTALLER", "SBOM"
]


class Model(BaseModel):
    """A value; unknown keys of a request are ignored, as clients of several ages send them."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Answer(Model, Generic[T]):
    """One thing."""

    status: Literal["ok"] = "ok"
    data: T
    message: str | None = None


class ChannelCredential(Model):
    """That there are credentials for a channel, and when they were set."""

    channel: str
    changed_on: datetime


class Acknowledgement(Model):
    """Done, and nothing to show."""

    status: Literal["ok"] = "ok"
    data: None = None
    message: str | None = None


class Page(Model, Generic[T]):
    """One page by number; `count` is the number of all rows."""

    status: Literal["ok"] = "ok"
    data: list[T]
    message: str | None = None
    page: int
    size: int
    count: int


class CursorPage(Model, Generic[T]):
    """One page by cursor; the cursor of the next page is None on the last one."""

    status: Literal["ok"] = "ok"
    data: list[T]
    message: str | None = None
    cursor: str | None
    count: int


class ProblemPlace(Model):
    """One thing that is wrong with a file, and where (line and column from 1)."""

    message: str
    line: int | None = None
    column: int | None = None
    path: str | None = None

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """A problem as it is shown."""
        return cls(message=problem.message, line=problem.line, column=problem.column, path=problem.path)


class ErrorAnswer(Model):
    """`message` is for people, `code` for programs."""

    status: Literal["error"] = "error"
    message: str
    data: None = None
    code: str
    errors: list[ProblemPlace] | None = None


class Version(Model):
    """The version of this server."""

    version: str


class Permissions(Model):
    """What a caller may do; the keys are patterns `namespace/environment`."""

    authenticated: bool
    primary_namespace: str
    entity_permissions: dict[str, list[str]]
    entity_roles: dict[str, list[str]]
    expiration: str | None


class RoleMapping(Model):
    """A role that a namespace grants."""

    id: int
    entity: str
    role: str


class NamespaceRole(Model):
    """A role that a namespace gives to those who belong to another one."""

    id: int
    namespace: str
    other_namespace: str
    role: str


class Access(Model):
    """One reason why somebody has a role on something, and who. `name` is a user, a group, an entity or a token.

    `owner` is whose token it is.
    """

    subject: Literal["everyone", "signed in", "user", "owner", "group", "members", "token"]
    name: str | None
    owner: str | None = None
    role: str
    pattern: str
    reason: str


class NamespaceSummary(Model):
    """A namespace in a list."""

    id: int
    name: str


class Namespace(NamespaceSummary):
    """A namespace."""

    metadata_: dict[str, Any] = {}
    role_mappings: list[RoleMapping] = []


class Artifact(Model):
    """Something that a build left."""

    id: int
    artifact_type: ArtifactName
    key: str
    state: str
    reason: str | None = None
    size: int = 0


class Specification(Model):
    """A specification as it was normalised."""

    id: int
    name: str
    spec: dict[str, Any]
    sha256: str
    created_on: Time


class Channel(Model):
    """A channel."""

    id: int
    name: str
    last_update: Time | None


class Package(Model):
    """A package of a build."""

    id: int
    channel: Channel
    name: str
    version: str
    license: str | None
    summary: str
    build: str
    sha256: str


class Build(Model):
    """A build; `specification` and `build_artifacts` are null in lists, `packages` everywhere (a path of its own)."""

    id: int
    environment_id: int
    specification: Specification | None = None
    packages: list[Package] | None = None
    status: Status
    status_info: str | None
    size: int
    scheduled_on: Time
    started_on: Time | None
    ended_on: Time | None
    build_artifacts: list[Artifact] | None = None


class Environment(Model):
    """An environment; `current_build` is null in lists."""

    id: int
    namespace: Namespace
    name: str
    current_build_id: int
    current_build: Build | None = None
    description: str


class Kernel(Model):
    """A Jupyter kernel in a build, by the name of its directory there."""

    name: str
    display_name: str
    language: str


class RunnableBuild(Model):
    """A build with kernels. `prefix` is its path on the server, `digest` that of its image; either may be missing."""

    namespace: str
    environment: str
    build_id: int
    current: bool
    digest: str | None
    prefix: str | None
    kernels: list[Kernel]


class BuildId(Model):
    """Which build a request started."""

    build_id: int


class Submitted(BuildId):
    """Which build a file started, and what its author should hear although it was accepted."""

    warnings: list[ProblemPlace] = []


class Checked(Model):
    """What is wrong with a file, and what its author should hear; `name` is what the environment would be called."""

    name: str | None
    problems: list[ProblemPlace]
    warnings: list[ProblemPlace] = []


class Usage(Model):
    """What a namespace holds; `storage` in bytes."""

    num_environments: int
    num_builds: int
    storage: int


class SolvedPackage(Model):
    """A package that a solve chose; `size` is 0 where the channel does not tell, `md5` null for a wheel."""

    name: str
    version: str
    build: str
    channel_id: int
    channel: Channel
    size: int
    sha256: str
    md5: str | None
    subdir: str
    url: str
    depends: list[str]


class Solution(Model):
    """The answer to a solve, bare as clients in the field expect it."""

    solve: list[SolvedPackage]


class Image(Model):
    """Where the image of a build is pulled from."""

    image: str
    digest: str | None
    tags: list[str]


class NewTokenAnswer(Model):
    """A new token: its secret is told now and never again."""

    token: str
    id: int


class Token(Model):
    """A token, without its secret. `configured` is that of a service, which can only be taken out there."""

    id: int
    name: str
    primary_namespace: str
    role_bindings: dict[str, list[str]]
    created_on: Moment
    expiration: Moment | None
    last_used_on: Moment | None
    configured: bool = False
