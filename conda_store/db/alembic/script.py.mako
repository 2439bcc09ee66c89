"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    # What is dropped here is put away first, and put back at the end of upgrade(): see conda_store/db/kept.py.
    ${downgrades if downgrades else "pass"}
