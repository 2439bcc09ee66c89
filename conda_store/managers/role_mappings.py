"""What namespaces share: a namespace gives a role in itself to those who belong to another one (docs/permissions.md).

An entity is a pattern `namespace/environment`; another namespace as a whole is `<its name>/*`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from conda_store import inputs, models
from conda_store.audit import Action, Actor
from conda_store.auth.permissions import RANKS, Grant
from conda_store.db import Database
from conda_store.db.audit import record
from conda_store.db.orm import NamespaceRow, RoleMappingRow
from conda_store.db.queries import find_namespace
from conda_store.errors import BadInput, CondaStoreError

_WHOLE = "/*"


class NamespaceNotFound(CondaStoreError):
    """No such namespace."""

    status = 404
    code = "namespace_not_found"


class NamespaceUnknown(BadInput):
    """The namespace that a mapping is for does not exist."""

    code = "namespace_unknown"


class RoleMappingNotFound(CondaStoreError):
    """No such mapping."""

    status = 404
    code = "role_mapping_not_found"


class RoleMappingExists(CondaStoreError):
    """There is such a mapping already."""

    status = 409
    code = "role_mapping_exists"


class RoleMappingManager:
    """Mappings between whole namespaces: `namespace` gives a role to `other`. Raises `NamespaceNotFound` for the first
    and `NamespaceUnknown`, which is bad input, for the second."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def list(self, namespace: str) -> list[models.NamespaceRole]:
        """All mappings of a namespace to whole other ones, in the order in which they were made."""
        with self.database.read() as session:
            row = live_namespace(session, namespace)
            return [_shown(row, one) for one in _mappings(session, row) if _is_whole(one.entity)]

    def get(self, namespace: str, other: str) -> models.NamespaceRole:
        """One mapping. Raises `RoleMappingNotFound`."""
        with self.database.read() as session:
            row = live_namespace(session, namespace)
            return _shown(row, _mapping(session, row, other))

    def create(self, actor: Actor, namespace: str, asked: inputs.NamespaceRoleChange) -> None:
        """A new mapping. Raises `RoleMappingExists`, `BadInput` for an unknown role."""
        grant = Grant(_entity(asked.other_namespace), asked.role)
        with self.database.write() as session:
            row = live_namespace(session, namespace)
            _check_known(session, asked.other_namespace)
            if any(one.entity == grant.pattern for one in _mappings(session, row)):
                raise RoleMappingExists(f"'{namespace}' has a role for '{asked.other_namespace}' already: change that.")
            _add(session, actor, row, grant.pattern, grant.role)

    def change(self, actor: Actor, namespace: str, asked: inputs.NamespaceRoleChange) -> None:
        """Another role. Raises `RoleMappingNotFound`, `BadInput` for an unknown one."""
        grant = Grant(_entity(asked.other_namespace), asked.role)
        with self.database.write() as session:
            row = live_namespace(session, namespace)
            _change(session, actor, row, _mapping(session, row, asked.other_namespace), grant.role)

    def delete(self, actor: Actor, namespace: str, other: str) -> None:
        """Remove a mapping. Raises `RoleMappingNotFound`."""
        with self.database.write() as session:
            row = live_namespace(session, namespace)
            _remove(session, actor, row, _mapping(session, row, other))

    def delete_all(self, actor: Actor, namespace: str) -> None:
        """Share the namespace with nobody any longer, whatever the mappings are for."""
        with self.database.write() as session:
            replace_mappings(session, actor, live_namespace(session, namespace), {})


def live_namespace(session: Session, name: str) -> NamespaceRow:
    """The row of a namespace that is not deleted; raises `NamespaceNotFound`."""
    row = find_namespace(session, name)
    if row is None:
        raise NamespaceNotFound(f"There is no namespace '{name}'.")
    return row


def replace_mappings(
    session: Session, actor: Actor, namespace: NamespaceRow, wanted: Mapping[str, Sequence[str]]
) -> None:
    """Let a namespace share itself with these entities and no others; of several roles the highest counts.

    Raises `BadInput` for a malformed entity or an unknown role.
    """
    grants = {entity: [Grant(entity, role) for role in roles] for entity, roles in wanted.items()}
    highest = {entity: max((one.role for one in some), key=RANKS.index) for entity, some in grants.items() if some}
    known = {row.entity: row for row in _mappings(session, namespace)}
    for entity, row in known.items():
        if entity not in highest:
            _remove(session, actor, namespace, row)
    for entity, role in highest.items():
        if entity in known:
            _change(session, actor, namespace, known[entity], role)
        else:
            _add(session, actor, namespace, entity, role)


def remove_mappings_about(session: Session, actor: Actor, namespace: NamespaceRow) -> None:
    """Remove what a namespace shares and what is shared with it: whoever has its name next is somebody else."""
    own = RoleMappingRow.namespace_id == namespace.id
    # Not LIKE, which takes capitals for small letters on SQLite.
    others = func.substr(RoleMappingRow.entity, 1, len(namespace.name) + 1) == f"{namespace.name}/"
    session.flush()
    sharing = select(NamespaceRow, RoleMappingRow).join(RoleMappingRow, RoleMappingRow.namespace_id == NamespaceRow.id)
    for other, row in session.execute(sharing.where(or_(own, others))).all():
        _remove(session, actor, other, row)


def _add(session: Session, actor: Actor, namespace: NamespaceRow, entity: str, role: str) -> None:
    session.add(RoleMappingRow(namespace_id=namespace.id, entity=entity, role=role))
    record(session, actor, Action.ROLE_MAPPING_CREATED, namespace, entity=entity, role=role)


def _change(session: Session, actor: Actor, namespace: NamespaceRow, row: RoleMappingRow, role: str) -> None:
    record(session, actor, Action.ROLE_MAPPING_UPDATED, namespace, entity=row.entity, role=role, before=row.role)
    row.role = role


def _remove(session: Session, actor: Actor, namespace: NamespaceRow, row: RoleMappingRow) -> None:
    record(session, actor, Action.ROLE_MAPPING_DELETED, namespace, entity=row.entity, role=row.role)
    session.delete(row)


def _check_known(session: Session, name: str) -> None:
    if find_namespace(session, name) is None:
        raise NamespaceUnknown(f"There is no namespace '{name[:100]}'.")


def _is_whole(entity: str) -> bool:
    return entity.endswith(_WHOLE) and "*" not in entity.removesuffix(_WHOLE)


def _entity(namespace: str) -> str:
    return f"{namespace}{_WHOLE}"


def _mappings(session: Session, namespace: NamespaceRow) -> list[RoleMappingRow]:
    query = select(RoleMappingRow).where(RoleMappingRow.namespace_id == namespace.id)
    return list(session.scalars(query.order_by(RoleMappingRow.id)))


def _mapping(session: Session, namespace: NamespaceRow, other: str) -> RoleMappingRow:
    _check_known(session, other)
    for row in _mappings(session, namespace):
        if row.entity == _entity(other):
            return row
    raise RoleMappingNotFound(f"The namespace '{namespace.name}' has no role for '{other[:100]}'.")


def _shown(namespace: NamespaceRow, row: RoleMappingRow) -> models.NamespaceRole:
    other = row.entity.removesuffix(_WHOLE)
    return models.NamespaceRole(id=row.id, namespace=namespace.name, other_namespace=other, role=row.role)
