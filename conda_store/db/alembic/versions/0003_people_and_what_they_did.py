"""Sessions, role mappings, the audit trail, and credentials of channels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from conda_store.db import kept

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    make_session()
    make_role_mapping()
    make_audit()
    make_channel_credential()
    for name in ("session", "audit", "channel_credential"):
        kept.put_back(op.get_bind(), name)
    kept.put_back(op.get_bind(), "namespace_role_mapping", parent=("namespace_id", "namespace"))


def downgrade() -> None:
    for name in ("channel_credential", "audit", "namespace_role_mapping", "session"):
        kept.put_away(op.get_bind(), name)


def make_session() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("credential", sa.Text(), nullable=False),
        sa.Column("created_on", sa.DateTime(), nullable=False),
        sa.Column("expires_on", sa.DateTime(), nullable=False),
        sa.Column("ended_on", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.UniqueConstraint("secret_sha256", name="uq_session_secret_sha256"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_session_name", "session", ["name"])
    op.create_index("ix_session_expires_on", "session", ["expires_on"])


def make_role_mapping() -> None:
    op.create_table(
        "namespace_role_mapping",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("entity", sa.String(length=512), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_namespace_role_mapping"),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespace.id"], name="fk_namespace_role_mapping_namespace_id_namespace"
        ),
        sa.UniqueConstraint("namespace_id", "entity", name="uq_namespace_role_mapping_namespace_id_entity"),
        sqlite_autoincrement=True,
    )


def make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("time", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=255), nullable=False),
        sa.Column("environment", sa.String(length=255), nullable=False),
        sa.Column("build_id", sa.Integer(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_time", "audit", ["time"])
    op.create_index("ix_audit_actor", "audit", ["actor"])
    op.create_index("ix_audit_namespace_environment_id", "audit", ["namespace", "environment", "id"])


def make_channel_credential() -> None:
    op.create_table(
        "channel_credential",
        sa.Column("namespace_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=1024), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("changed_on", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "channel", name="pk_channel_credential"),
    )
