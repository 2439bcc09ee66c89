"""What Alembic runs for every command. The connection comes from `migrations.py`, which holds the transaction."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import TypeDecorator

from conda_store.db.orm import Base


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """A step names the column types of the database, never our own, which may change or go."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite alters few things in place; a batch makes the table anew.
    render_as_batch=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
