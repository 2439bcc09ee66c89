"""The audit trail's words: who changes something, what is done, and how it is asked for and shown.

Rows are written and found by `db/audit.py`. Pulls, downloads and whatever else only reads leave none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from conda_store.inputs import PageQuery
from conda_store.models import Id, Model, Moment, Text

ANONYMOUS = "anonymous"
_UNIX_SOCKET = "0.0.0.0"  # noqa: S104  what Tornado says of a client that has no address
_TOKEN = "token:"  # noqa: S105


class Action(StrEnum):
    """What can be done, as `thing.what`."""

    ENVIRONMENT_CREATED = "environment.created"
    ENVIRONMENT_UPDATED = "environment.updated"
    ENVIRONMENT_DELETED = "environment.deleted"
    BUILD_SUBMITTED = "build.submitted"
    BUILD_REBUILT = "build.rebuilt"
    BUILD_CANCELED = "build.canceled"
    BUILD_DELETED = "build.deleted"
    IMAGE_REQUESTED = "image.requested"
    NAMESPACE_CREATED = "namespace.created"
    NAMESPACE_UPDATED = "namespace.updated"
    NAMESPACE_DELETED = "namespace.deleted"
    ROLE_MAPPING_CREATED = "role-mapping.created"
    ROLE_MAPPING_UPDATED = "role-mapping.updated"
    ROLE_MAPPING_DELETED = "role-mapping.deleted"
    SETTINGS_UPDATED = "settings.updated"
    CREDENTIAL_UPDATED = "channel-credential.updated"
    CREDENTIAL_DELETED = "channel-credential.deleted"
    TOKEN_CREATED = "token.created"  # noqa: S105
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    STORE_COLLECTED = "store.collected"
    SIGNED_IN = "session.started"
    SIGNED_OUT = "session.ended"
    SIGN_IN_REFUSED = "session.refused"


@dataclass(frozen=True)
class Actor:
    """Who changes something and from where; `name` is None for who is unknown.

    `by` is what they showed: `session`, `token:<id>` for one of our tokens, `token` for somebody else's, `nothing`;
    `server` is the server itself.
    """

    name: str | None
    address: str = ""
    by: str = "session"

    @classmethod
    def of(cls, name: str | None, proof: str, address: str) -> Actor:
        """A caller by `Identity.proof`, of which only what names a token of ours may be kept."""
        by = "nothing" if name is None else "session" if not proof else proof if proof.startswith(_TOKEN) else "token"
        return cls(name, "unix socket" if address == _UNIX_SOCKET else address, by)

    @property
    def title(self) -> str:
        """A name, or where somebody without one calls from: tells one caller from others, for limits."""
        return self.name or f"{ANONYMOUS} at {self.address}"


#: Changes that nobody asked for, such as a build that completes and becomes current.
SERVER = Actor("conda-store", by="server")


def _unquoted(value: Any) -> Any:
    # In a query string a "+" that nobody quoted is a space, and offsets begin with one.
    return value.replace(" ", "+") if isinstance(value, str) and "T" in value.upper() else value


def _in_utc(time: datetime) -> datetime:
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of the range of times") from None


When = Annotated[datetime, BeforeValidator(_unquoted), AfterValidator(_in_utc)]


class AuditQuery(PageQuery):
    """The audit trail by page, the newest first unless `order` is `asc`. Times without an offset are UTC; `since` is
    part of what is asked for, `until` is not."""

    namespace: Text | None = None
    environment: Text | None = None
    actor: Text | None = None
    action: Text | None = None
    build_id: Id | None = None
    since: When | None = None
    until: When | None = None


class AuditEntry(Model):
    """That somebody did something: names and not keys, since it outlives what it tells of.

    `by` is `session`, `token:<id>`, `token` (not one of ours), `nothing` or `server`. `namespace`, `environment` and
    `build_id` are null for what concerns none.
    """

    id: int
    time: Moment
    actor: str
    by: str
    address: str
    action: str
    namespace: str | None
    environment: str | None
    build_id: int | None
    details: dict[str, Any]
