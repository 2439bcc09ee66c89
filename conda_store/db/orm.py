"""The tables. Columns, relationships, constraints; no queries (`queries.py`), no policy, no disk.

Times are aware UTC in Python and naive UTC in the database. Rows that people delete are marked (`deleted_on`) and
removed later by garbage collection; until then their name is free for a new one. An id that people and registries
have seen (`sqlite_autoincrement`) is never given again, also when its row is gone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column, relationship


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, kept naive: SQLite has no time zones, and PostgreSQL shall hold the same."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: the database takes aware times only")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """All tables share one naming convention, so that every constraint can be altered by name."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: JSON(), int: Integer(), str: Text()}  # noqa: RUF012


def unique_while_not_deleted(name: str, *columns: str) -> Index:
    """A unique index over the rows whose `deleted_on` is NULL: a deleted row keeps its name, but holds nobody up."""
    living = text("deleted_on IS NULL")
    return Index(name, *columns, unique=True, sqlite_where=living, postgresql_where=living)


class NamespaceRow(Base):
    __tablename__ = "namespace"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16), default="shared")  # user, group or shared; fixed when it is made
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    created_on: Mapped[datetime]
    deleted_on: Mapped[datetime | None]
    role_mappings: Mapped[list[RoleMappingRow]] = relationship(order_by="RoleMappingRow.id", viewonly=True)
    __table_args__ = (unique_while_not_deleted("uq_namespace_name", "name"), {"sqlite_autoincrement": True})


class EnvironmentRow(Base):
    __tablename__ = "environment"
    id: Mapped[int] = mapped_column(primary_key=True)
    namespace_id: Mapped[int] = mapped_column(ForeignKey("namespace.id"))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(default="")
    current_build_id: Mapped[int | None] = mapped_column(
        ForeignKey("build.id", use_alter=True, name="fk_environment_current_build_id_build")
    )
    created_on: Mapped[datetime]
    deleted_on: Mapped[datetime | None]
    namespace: Mapped[NamespaceRow] = relationship(lazy="joined", innerjoin=True)
    __table_args__ = (
        unique_while_not_deleted("uq_environment_namespace_id_name", "namespace_id", "name"),
        {"sqlite_autoincrement": True},
    )


class SpecificationRow(Base):
    __tablename__ = "specification"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    spec: Mapped[dict[str, Any]]  # the normal form, or {name, description, lockfile} for a posted lockfile
    source: Mapped[str]  # what was posted, byte for byte
    is_lockfile: Mapped[bool] = mapped_column(Boolean, default=False)
    created_on: Mapped[datetime]
    __table_args__ = (UniqueConstraint("sha256", "is_lockfile"),)


class BuildRow(Base):
    __tablename__ = "build"
    id: Mapped[int] = mapped_column(primary_key=True)
    environment_id: Mapped[int] = mapped_column(ForeignKey("environment.id"))
    specification_id: Mapped[int] = mapped_column(ForeignKey("specification.id"), index=True)
    status: Mapped[str] = mapped_column(String(16), index=True)  # builds.states.Status
    status_info: Mapped[str | None]
    size: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes
    scheduled_on: Mapped[datetime] = mapped_column(index=True)
    started_on: Mapped[datetime | None] = mapped_column(index=True)
    ended_on: Mapped[datetime | None] = mapped_column(index=True)
    deleted_on: Mapped[datetime | None]
    # Who works on it: a worker's writes count only while attempt and lease are its own.
    attempt: Mapped[int] = mapped_column(default=0)
    lease: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None] = mapped_column(index=True)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False)
    requested_by: Mapped[str] = mapped_column(String(255), default="")
    environment: Mapped[EnvironmentRow] = relationship(foreign_keys=[environment_id], lazy="joined", innerjoin=True)
    specification: Mapped[SpecificationRow] = relationship(lazy="select")
    artifacts: Mapped[list[ArtifactRow]] = relationship(order_by="ArtifactRow.id", lazy="select")
    __table_args__ = (Index(None, "environment_id", "id"), {"sqlite_autoincrement": True})


class ArtifactRow(Base):
    """One kind of artifact of one build, with a state of its own."""

    __tablename__ = "build_artifact"
    id: Mapped[int] = mapped_column(primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("build.id"))
    artifact_type: Mapped[str] = mapped_column(String(32))  # builds.states.ArtifactType
    state: Mapped[str] = mapped_column(String(16))  # builds.states.ArtifactState
    reason: Mapped[str | None]
    key: Mapped[str] = mapped_column(default="")  # where it is: a storage key, a path, an image reference
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    __table_args__ = (UniqueConstraint("build_id", "artifact_type"),)


class EventRow(Base):
    """What happened in a build, in order: log lines, progress, changes of status and artifacts."""

    __tablename__ = "build_event"
    build_id: Mapped[int] = mapped_column(ForeignKey("build.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    time: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))  # log, progress, status, artifact
    data: Mapped[dict[str, Any]]
    __table_args__ = ({"sqlite_with_rowid": False},)  # lies in the order in which it is read


class ChannelRow(Base):
    __tablename__ = "channel"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(1024), unique=True)
    last_update: Mapped[datetime | None]


class PackageRow(Base):
    __tablename__ = "package"
    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"))
    name: Mapped[str] = mapped_column(String(255), index=True)
    version: Mapped[str] = mapped_column(String(255))
    build: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    license: Mapped[str | None]
    summary: Mapped[str] = mapped_column(default="")
    channel: Mapped[ChannelRow] = relationship(lazy="joined", innerjoin=True)
    __table_args__ = (UniqueConstraint("channel_id", "sha256"),)


class BuildPackageRow(Base):
    __tablename__ = "build_package"
    build_id: Mapped[int] = mapped_column(ForeignKey("build.id"), primary_key=True)
    package_id: Mapped[int] = mapped_column(ForeignKey("package.id"), primary_key=True, index=True)
    __table_args__ = ({"sqlite_with_rowid": False},)


class ManifestRow(Base):
    """A manifest, index or blob that may be served under a repository name: reachability, written once."""

    __tablename__ = "registry_content"
    id: Mapped[int] = mapped_column(primary_key=True)
    repository: Mapped[str] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(80))
    media_type: Mapped[str] = mapped_column(String(128))  # "" for a blob that is no manifest
    size: Mapped[int] = mapped_column(BigInteger)
    last_pulled_on: Mapped[datetime | None]
    # Of a manifest that says something about another one (image-spec 1.1, "subject"): which, and what kind of thing.
    subject: Mapped[str | None] = mapped_column(String(80))
    artifact_type: Mapped[str | None] = mapped_column(String(255))
    __table_args__ = (
        UniqueConstraint("repository", "digest"),
        Index(None, "repository", "subject"),
        Index(None, "digest"),
    )


class TagRow(Base):
    __tablename__ = "registry_tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    repository: Mapped[str] = mapped_column(String(255))
    tag: Mapped[str] = mapped_column(String(128))
    digest: Mapped[str] = mapped_column(String(80))
    build_id: Mapped[int | None] = mapped_column(ForeignKey("build.id"), index=True)
    expires_on: Mapped[datetime | None]  # ends the reuse of an on-demand name only
    __table_args__ = (UniqueConstraint("repository", "tag"),)


class TokenRow(Base):
    """A token that somebody made for a program. The secret itself is nowhere, only its sha256."""

    __tablename__ = "token"
    id: Mapped[int] = mapped_column(primary_key=True)
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    owner: Mapped[str] = mapped_column(String(255), index=True)
    primary_namespace: Mapped[str] = mapped_column(String(255))
    grants: Mapped[dict[str, Any]]  # pattern → roles
    created_on: Mapped[datetime]
    expires_on: Mapped[datetime | None]
    last_used_on: Mapped[datetime | None]
    revoked_on: Mapped[datetime | None]
    __table_args__ = ({"sqlite_autoincrement": True},)


class SessionRow(Base):
    """A browser that somebody signed in with. The cookie holds the secret, this its sha256."""

    __tablename__ = "session"
    id: Mapped[int] = mapped_column(primary_key=True)
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(255), index=True)
    credential: Mapped[str] = mapped_column(default="")  # what the authenticator needs to ask again, encrypted
    created_on: Mapped[datetime]
    expires_on: Mapped[datetime] = mapped_column(index=True)
    ended_on: Mapped[datetime | None]
    __table_args__ = ({"sqlite_autoincrement": True},)


class RoleMappingRow(Base):
    """A namespace lets those who belong to an entity (a pattern `namespace/environment`) have a role in it."""

    __tablename__ = "namespace_role_mapping"
    id: Mapped[int] = mapped_column(primary_key=True)
    namespace_id: Mapped[int] = mapped_column(ForeignKey("namespace.id"))
    entity: Mapped[str] = mapped_column(String(512))
    role: Mapped[str] = mapped_column(String(16))
    __table_args__ = (UniqueConstraint("namespace_id", "entity"), {"sqlite_autoincrement": True})


class AuditRow(Base):
    """Who did what to what, when and from where. Names and not keys, since it outlives what it tells of."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(255), index=True)
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    namespace: Mapped[str] = mapped_column(String(255), default="")
    environment: Mapped[str] = mapped_column(String(255), default="")
    build_id: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    __table_args__ = (Index(None, "namespace", "environment", "id"), {"sqlite_autoincrement": True})


class ChannelCredentialRow(Base):
    """What opens a private channel to a namespace (id 0: to all), encrypted. No foreign key, as for settings."""

    __tablename__ = "channel_credential"
    namespace_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel: Mapped[str] = mapped_column(String(1024), primary_key=True)
    secret: Mapped[str]
    changed_on: Mapped[datetime]


class SettingRow(Base):
    """What one level sets: the deployment (both ids 0), a namespace (the second is 0) or an environment.

    No foreign keys, since a deployment is no row; 0 and not NULL, since NULLs are never equal in a key.
    """

    __tablename__ = "setting"
    namespace_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    environment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class ChangeRow(Base):
    """One row, `id` 1: a number that grows with every write. Processes poll it."""

    __tablename__ = "change"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, default=0)


# Now and not at the first query: workers are forked from a process that has imported this module.
configure_mappers()
