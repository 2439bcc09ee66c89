"""Namespaces: what they may be called, and which there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store import inputs, models
from conda_store.audit import Action, Actor
from conda_store.auth.permissions import Identity
from conda_store.builds.credentials import forget_all
from conda_store.builds.keys import Places
from conda_store.db import Database, lists
from conda_store.db.audit import record
from conda_store.db.orm import EnvironmentRow, NamespaceRow
from conda_store.db.queries import find_namespace
from conda_store.errors import BadInput, CondaStoreError
from conda_store.executors.base import Executor
from conda_store.managers.deleting import hide
from conda_store.managers.paging import order_of, page_of
from conda_store.managers.role_mappings import (
    live_namespace,
    remove_mappings_about,
    replace_mappings,
)
from conda_store.managers.shapes import namespace_of, summary_of
from conda_store.registry.names import DYNAMIC
from conda_store.specification_grammar import namespace_fault

#: Nobody's own: neither a user nor a group of such a name gets them.
RESERVED = frozenset({"default", "filesystem", "global", DYNAMIC})


class NamespaceExists(CondaStoreError):
    """There is such a namespace already."""

    status = 409
    code = "namespace_exists"


class Kind(StrEnum):
    """Whose a namespace is: fixed when it is made."""

    USER = "user"
    GROUP = "group"
    SHARED = "shared"


class NamespaceManager:
    """What a caller may ask of namespaces; `forget` empties the registry's caches."""

    def __init__(self, database: Database, executor: Executor, places: Places, forget: Callable[[], None]) -> None:
        self.database, self.executor, self.places, self._forget = database, executor, places, forget

    def page(self, identity: Identity, asked: inputs.PageQuery, most: int) -> models.Page[models.NamespaceSummary]:
        """The namespaces that the caller may read, by name."""
        query = lists.namespaces(identity.patterns("namespace::read"))
        order = order_of(asked, lists.NAMESPACE_SORTS, NamespaceRow.id, ("name",))
        with self.database.read() as session:
            return page_of(session, query, order, asked, most, summary_of)

    def get(self, name: str) -> models.Namespace:
        """One namespace with its role mappings; raises `NamespaceNotFound`."""
        with self.database.read() as session:
            return namespace_of(live_namespace(session, name))

    def create(self, actor: Actor, name: str) -> None:
        """Make a shared namespace; raises `NamespaceExists`, `BadInput` for a name that none can have."""
        with self.database.write() as session:
            if find_namespace(session, checked_name(name)) is not None:
                raise NamespaceExists(f"The namespace '{name}' exists already.")
            ensure_namespace(session, actor, name)

    def change(self, actor: Actor, name: str, wanted: inputs.NamespaceChange) -> None:
        """Other metadata, other role mappings (all of them); what is None stays.

        Raises `NamespaceNotFound`, `BadInput` for a malformed pattern or an unknown role.
        """
        with self.database.write() as session:
            row = live_namespace(session, name)
            if wanted.metadata is not None:
                row.metadata_ = dict(wanted.metadata)
                record(session, actor, Action.NAMESPACE_UPDATED, row, metadata=sorted(wanted.metadata))
            if wanted.role_mappings is not None:
                replace_mappings(session, actor, row, wanted.role_mappings)

    def delete(self, actor: Actor, name: str) -> None:
        """Delete a namespace with its environments, whose builds are canceled and images served no longer.

        What it shares, and what is shared with it, ends. Raises `NamespaceNotFound`, `BadInput` for that of images on
        demand, which go by themselves.
        """
        if name == DYNAMIC:
            raise BadInput(f"'{DYNAMIC}' cannot be deleted: its images go when nobody has pulled them for long.")
        with self.database.write() as session:
            row = live_namespace(session, name)
            places = _environments(session, row)
            canceled = [one for place in places for one in hide(session, actor, place, self.places)]
            row.deleted_on = datetime.now(UTC)
            record(session, actor, Action.NAMESPACE_DELETED, row, environments=[place.name for place in places])
            remove_mappings_about(session, actor, row)
            forget_all(session, row.id)
        self._forget()
        for build_id in canceled:
            self.executor.cancel(build_id)


def checked_name(name: str) -> str:
    """`name` itself when a namespace may have it. Raises `BadInput` naming what is wrong."""
    if (fault := namespace_fault(name)) is not None:
        raise BadInput(fault)
    if name == DYNAMIC:
        raise BadInput(f"The namespace '{DYNAMIC}' belongs to images on demand: choose another one.")
    return name


def ensure_namespace(session: Session, actor: Actor, name: str, kind: Kind | None = None) -> NamespaceRow:
    """The row of a namespace, made when there is none; one that is there keeps its kind.

    Without `kind` it is what a deleted one of this name was, so that nobody loses what is theirs to a request that
    came between; else shared. What a deleted one held does not come back with the name. `actor` is who makes it.
    """
    row = find_namespace(session, name)
    if row is None:
        row = NamespaceRow(
            name=name, kind=kind or _last_kind(session, name), metadata_={}, created_on=datetime.now(UTC)
        )
        session.add(row)
        session.flush()
        record(session, actor, Action.NAMESPACE_CREATED, row, kind=str(row.kind))
    return row


def _last_kind(session: Session, name: str) -> str:
    query = select(NamespaceRow.kind).where(NamespaceRow.name == name).order_by(NamespaceRow.id.desc())
    return session.scalar(query.limit(1)) or Kind.SHARED


def _environments(session: Session, namespace: NamespaceRow) -> list[EnvironmentRow]:
    living = (EnvironmentRow.namespace_id == namespace.id, EnvironmentRow.deleted_on.is_(None))
    return list(session.scalars(select(EnvironmentRow).where(*living)))
