"""Tokens, settings, and what refers to an image."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from conda_store.db import kept

revision = "0002"
down_revision = "0001"

CONTENT = "registry_content"
CONTENT_KEY, CONTENT_COLUMNS = ("repository", "digest"), ("subject", "artifact_type")


def upgrade() -> None:
    make_token()
    make_setting()
    op.add_column("registry_content", sa.Column("subject", sa.String(length=80), nullable=True))
    op.add_column("registry_content", sa.Column("artifact_type", sa.String(length=255), nullable=True))
    op.create_index("ix_registry_content_repository_subject", "registry_content", ["repository", "subject"])
    for name in ("token", "setting"):
        kept.put_back(op.get_bind(), name)
    kept.put_columns_back(op.get_bind(), CONTENT, CONTENT_KEY, CONTENT_COLUMNS)


def downgrade() -> None:
    kept.put_columns_away(op.get_bind(), CONTENT, CONTENT_KEY, CONTENT_COLUMNS)
    op.drop_index("ix_registry_content_repository_subject", CONTENT)
    for column in CONTENT_COLUMNS:
        op.drop_column(CONTENT, column)
    for name in ("setting", "token"):
        kept.put_away(op.get_bind(), name)


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
