"""Settings of the deployment, of namespaces and of environments: shown and changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from conda_store.builds.levels import EVERYWHERE, levels_of, trust
from conda_store.db import Database
from conda_store.db.orm import SettingRow
from conda_store.db.queries import find_environment
from conda_store.managers.environments import EnvironmentNotFound
from conda_store.managers.namespaces import ensure_namespace
from conda_store.managers.policies import check_rules
from conda_store.managers.role_mappings import live_namespace
from conda_store.registry.names import DYNAMIC
from conda_store.settings import Values, checked, merged

_Ids = tuple[int, int]


class SettingManager:
    """What each level sets. `options` are the deployment's, below everything that the database has."""

    def __init__(self, database: Database, options: Values) -> None:
        self.database, self.options = database, options

    def get(self, namespace: str | None = None, name: str | None = None, *, own: bool = False) -> dict[str, Any]:
        """What counts on a level, or with `own` only what it sets itself.

        Without `name` a namespace, without either the deployment. Raises `NamespaceNotFound`, `EnvironmentNotFound`.
        """
        with self.database.read() as session:
            levels = levels_of(session, *_ids(session, namespace, name))
        return dict(levels[-1]) if own else merged([self.options, *levels])

    def change(
        self, changes: Values, namespace: str | None = None, name: str | None = None, *, trusted: bool = False
    ) -> None:
        """Set what `changes` name on a level; None takes back what it set. Raises `SettingInvalid` too.

        `trusted` is who administers everything: what they set may also loosen what stands above it.
        """
        values = checked(changes, deployment=namespace is None)
        check_rules(values, environment=name is not None)
        with self.database.write() as session:
            if namespace == DYNAMIC:
                ensure_namespace(session, DYNAMIC)
            namespace_id, environment_id = _ids(session, namespace, name)
            at = (SettingRow.namespace_id == namespace_id, SettingRow.environment_id == environment_id)
            session.execute(delete(SettingRow).where(*at, SettingRow.name.in_(values)))
            session.add_all(
                SettingRow(namespace_id=namespace_id, environment_id=environment_id, name=key, value=value)
                for key, value in values.items()
                if value is not None
            )
            trust(session, (namespace_id, environment_id), values, trusted=trusted and namespace is not None)


def _ids(session: Session, namespace: str | None, name: str | None) -> _Ids:
    if namespace is None:
        return EVERYWHERE, EVERYWHERE
    if name is None:
        return live_namespace(session, namespace).id, EVERYWHERE
    environment = find_environment(session, namespace, name)
    if environment is None:
        raise EnvironmentNotFound(f"There is no environment '{namespace}/{name}'.")
    return environment.namespace_id, environment.id
