"""Namespaces: what they may be called, and which there are."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store import inputs, models
from conda_store.auth.permissions import Identity, matches
from conda_store.db import Database, lists
from conda_store.db.orm import NamespaceRow
from conda_store.db.queries import find_namespace
from conda_store.errors import BadInput, CondaStoreError
from conda_store.managers.shapes import namespace_of
from conda_store.registry.names import DYNAMIC

NAME_BYTES = 100

_FORBIDDEN = "/*:"


class NamespaceNotFound(CondaStoreError):
    """No such namespace."""

    status = 404
    code = "namespace_not_found"


class NamespaceExists(CondaStoreError):
    """There is such a namespace already."""

    status = 409
    code = "namespace_exists"


class NamespaceManager:
    """Lists and makes namespaces."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def page(self, identity: Identity, asked: inputs.PageQuery, most: int) -> models.Page[models.NamespaceSummary]:
        """The namespaces of which the caller may read something, by name."""
        patterns = [pattern.split("/")[0] + "/*" for pattern in identity.patterns("namespace::read")]
        with self.database.read() as session:
            rows = session.scalars(select(NamespaceRow).where(NamespaceRow.deleted_on.is_(None), lists.listed()))
            seen = sorted(
                (row.name, row.id) for row in rows if any(matches(pattern, f"{row.name}/*") for pattern in patterns)
            )
        number, size = asked.page or 1, min(asked.size or most, most)
        part = seen[(number - 1) * size : number * size]
        data = [models.NamespaceSummary(id=row_id, name=name) for name, row_id in part]
        return models.Page[models.NamespaceSummary](data=data, page=number, size=size, count=len(seen))

    def get(self, name: str) -> models.Namespace:
        """One namespace; raises `NamespaceNotFound`."""
        with self.database.read() as session:
            row = find_namespace(session, name)
            if row is None:
                raise NamespaceNotFound(f"There is no namespace '{name}'.")
            return namespace_of(row)

    def create(self, name: str) -> None:
        """Make a namespace; raises `NamespaceExists`, `BadInput` for a name that none can have."""
        with self.database.write() as session:
            if find_namespace(session, checked_name(name)) is not None:
                raise NamespaceExists(f"The namespace '{name}' exists already.")
            ensure_namespace(session, name)


def checked_name(name: str) -> str:
    """`name` itself when a namespace may have it. Raises `BadInput` naming what is wrong."""
    shown = name[:NAME_BYTES]
    if not name or not name.isprintable() or name != name.strip() or name in {".", ".."}:
        raise BadInput(f"'{shown}' is no name for a namespace: use printable text without spaces around it.")
    if any(character in name for character in _FORBIDDEN):
        raise BadInput(f"'{shown}' is no name for a namespace: leave out '/', '*' and ':'.")
    if len(name.encode()) > NAME_BYTES:
        raise BadInput(f"The namespace '{shown}…' is longer than {NAME_BYTES} bytes.")
    if name == DYNAMIC:
        raise BadInput(f"The namespace '{DYNAMIC}' belongs to images on demand: choose another one.")
    return name


def ensure_namespace(session: Session, name: str) -> NamespaceRow:
    """The row of a namespace, made (or brought back) when there is none."""
    row = session.scalar(select(NamespaceRow).where(NamespaceRow.name == name))
    if row is None:
        row = NamespaceRow(name=name, kind="shared", metadata_={}, created_on=datetime.now(UTC))
        session.add(row)
    row.deleted_on = None
    session.flush()
    return row
