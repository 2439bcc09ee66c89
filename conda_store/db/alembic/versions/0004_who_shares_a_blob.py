"""An index that finds every repository in which a digest may be served."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("ix_registry_content_digest", "registry_content", ["digest"])


def downgrade() -> None:
    op.drop_index("ix_registry_content_digest", "registry_content")
