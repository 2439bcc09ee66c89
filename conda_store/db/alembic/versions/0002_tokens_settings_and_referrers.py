"""Tokens, settings, and what refers to an image."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    make_token()
    make_setting()
    op.add_column("registry_content", sa.Column("subject", sa.String(length=80), nullable=True))
    op.add_column("registry_content", sa.Column("artifact_type", sa.String(length=255), nullable=True))
    op.create_index("ix_registry_content_repository_subject", "registry_content", ["repository", "subject"])


def make_token() -> None:
    op.create_table(
        "token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("primary_namespace", sa.String(length=255), nullable=False),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("created_on", sa.DateTime(), nullable=False),
        sa.Column("expires_on", sa.DateTime(), nullable=True),
        sa.Column("last_used_on", sa.DateTime(), nullable=True),
        sa.Column("revoked_on", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("secret_sha256", name="uq_token_secret_sha256"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_token_owner", "token", ["owner"])


def make_setting() -> None:
    op.create_table(
        "setting",
        sa.Column("namespace_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("environment_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "environment_id", "name", name="pk_setting"),
    )
