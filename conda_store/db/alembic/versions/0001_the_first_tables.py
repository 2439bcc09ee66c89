"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
# There is nothing below.

# Of rows that are marked as deleted, any number may have one name.
LIVING = sa.text("deleted_on IS NULL")


def upgrade() -> None:
    make_change()
    make_channel()
    make_namespace()
    make_registry_content()
    make_specification()
    make_environment()
    make_package()
    make_build()
    make_build_artifact()
    make_build_event()
    make_build_package()
    make_registry_tag()
    if op.get_context().dialect.supports_alter:
        # Environments and builds refer to each other. SQLite takes a reference to a table that is not there yet.
        op.create_foreign_key(
            "fk_environment_current_build_id_build", "environment", "build", ["current_build_id"], ["id"]
        )
    op.execute("INSERT INTO change (id, number) VALUES (1, 0)")


def make_change() -> None:
    op.create_table(
        "change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change"),
    )


def make_channel() -> None:
    op.create_table(
        "channel",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=1024), nullable=False),
        sa.Column("last_update", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_channel"),
        sa.UniqueConstraint("name", name="uq_channel_name"),
    )


def make_namespace() -> None:
    op.create_table(
        "namespace",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_on", sa.DateTime(), nullable=False),
        sa.Column("deleted_on", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_namespace"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_namespace_name",
        "namespace",
        ["name"],
        unique=True,
        sqlite_where=LIVING,
        postgresql_where=LIVING,
    )


def make_registry_content() -> None:
    op.create_table(
        "registry_content",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("media_type", sa.String(length=128), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("last_pulled_on", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_registry_content"),
        sa.UniqueConstraint("repository", "digest", name="uq_registry_content_repository_digest"),
    )


def make_specification() -> None:
    op.create_table(
        "specification",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("is_lockfile", sa.Boolean(), nullable=False),
        sa.Column("created_on", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_specification"),
        sa.UniqueConstraint("sha256", "is_lockfile", name="uq_specification_sha256_is_lockfile"),
    )


def make_environment() -> None:
    op.create_table(
        "environment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("current_build_id", sa.Integer(), nullable=True),
        sa.Column("created_on", sa.DateTime(), nullable=False),
        sa.Column("deleted_on", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["current_build_id"], ["build.id"], name="fk_environment_current_build_id_build", use_alter=True
        ),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"], name="fk_environment_namespace_id_namespace"),
        sa.PrimaryKeyConstraint("id", name="pk_environment"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_environment_namespace_id_name",
        "environment",
        ["namespace_id", "name"],
        unique=True,
        sqlite_where=LIVING,
        postgresql_where=LIVING,
    )


def make_package() -> None:
    op.create_table(
        "package",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("build", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("license", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name="fk_package_channel_id_channel"),
        sa.PrimaryKeyConstraint("id", name="pk_package"),
        sa.UniqueConstraint("channel_id", "sha256", name="uq_package_channel_id_sha256"),
    )
    op.create_index("ix_package_name", "package", ["name"])


def make_build() -> None:
    op.create_table(
        "build",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("specification_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_info", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_on", sa.DateTime(), nullable=False),
        sa.Column("started_on", sa.DateTime(), nullable=True),
        sa.Column("ended_on", sa.DateTime(), nullable=True),
        sa.Column("deleted_on", sa.DateTime(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["environment_id"], ["environment.id"], name="fk_build_environment_id_environment"),
        sa.ForeignKeyConstraint(
            ["specification_id"], ["specification.id"], name="fk_build_specification_id_specification"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_build"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_build_ended_on", "build", ["ended_on"])
    op.create_index("ix_build_environment_id_id", "build", ["environment_id", "id"])
    op.create_index("ix_build_lease_until", "build", ["lease_until"])
    op.create_index("ix_build_scheduled_on", "build", ["scheduled_on"])
    op.create_index("ix_build_specification_id", "build", ["specification_id"])
    op.create_index("ix_build_started_on", "build", ["started_on"])
    op.create_index("ix_build_status", "build", ["status"])


def make_build_artifact() -> None:
    op.create_table(
        "build_artifact",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("build_id", sa.Integer(), nullable=False),
        sa.Column("artifact_type", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name="fk_build_artifact_build_id_build"),
        sa.PrimaryKeyConstraint("id", name="pk_build_artifact"),
        sa.UniqueConstraint("build_id", "artifact_type", name="uq_build_artifact_build_id_artifact_type"),
    )


def make_build_event() -> None:
    op.create_table(
        "build_event",
        sa.Column("build_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("time", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name="fk_build_event_build_id_build"),
        sa.PrimaryKeyConstraint("build_id", "number", name="pk_build_event"),
        sqlite_with_rowid=False,
    )


def make_build_package() -> None:
    op.create_table(
        "build_package",
        sa.Column("build_id", sa.Integer(), nullable=False),
        sa.Column("package_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name="fk_build_package_build_id_build"),
        sa.ForeignKeyConstraint(["package_id"], ["package.id"], name="fk_build_package_package_id_package"),
        sa.PrimaryKeyConstraint("build_id", "package_id", name="pk_build_package"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_build_package_package_id", "build_package", ["package_id"])


def make_registry_tag() -> None:
    op.create_table(
        "registry_tag",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("build_id", sa.Integer(), nullable=True),
        sa.Column("expires_on", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name="fk_registry_tag_build_id_build"),
        sa.PrimaryKeyConstraint("id", name="pk_registry_tag"),
        sa.UniqueConstraint("repository", "tag", name="uq_registry_tag_repository_tag"),
    )
    op.create_index("ix_registry_tag_build_id", "registry_tag", ["build_id"])
