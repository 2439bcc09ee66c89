"""Settings of the deployment, of namespaces and of environments: shown and changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from conda_store.audit import Action, Actor
from conda_store.auth.permissions import Identity
from conda_store.builds.levels import EVERYWHERE, levels_of, trust
from conda_store.db import Database
from conda_store.db.audit import record
from conda_store.db.orm import EnvironmentRow, NamespaceRow, SettingRow
from conda_store.managers.environments import live_environment
from conda_store.managers.homes import home_of
from conda_store.managers.namespaces import checked_name, ensure_namespace
from conda_store.managers.policies import check_rules
from conda_store.managers.role_mappings import live_namespace
from conda_store.registry.names import DYNAMIC
from conda_store.settings import Values, checked, merged

_Ids = tuple[int, int]
Level = EnvironmentRow | NamespaceRow | None


class SettingManager:
    """What each level sets. `options` are the deployment's, below everything that the database has."""

    def __init__(self, database: Database, options: Values) -> None:
        self.database, self.options = database, options

    def get(self, namespace: str | None = None, name: str | None = None, *, own: bool = False) -> dict[str, Any]:
        """What counts on a level, or with `own` only what it sets itself.

        Without `name` a namespace, without either the deployment. Raises `NamespaceNotFound`, `EnvironmentNotFound`.
        """
        with self.database.read() as session:
            levels = levels_of(session, *_ids(_subject(session, namespace, name)))
        return dict(levels[-1]) if own else merged([self.options, *levels])

    def home(self, identity: Identity) -> str:
        """Where an environment of a caller goes who names no namespace."""
        with self.database.read() as session:
            return home_of(session, identity, self.options)

    def change(
        self,
        actor: Actor,
        changes: Values,
        namespace: str | None = None,
        name: str | None = None,
        *,
        trusted: bool = False,
    ) -> None:
        """Set what `changes` name on a level; None takes back what it set. Raises `SettingInvalid` too.

        `trusted` is who administers everything: what they set may also loosen what stands above it.
        """
        values = checked(changes, deployment=namespace is None)
        check_rules(values, environment=name is not None)
        for place in filter(None, map(values.get, ("default_namespace", "filesystem_namespace"))):
            checked_name(place)
        with self.database.write() as session:
            if namespace == DYNAMIC:
                ensure_namespace(session, actor, DYNAMIC)
            subject = _subject(session, namespace, name)
            namespace_id, environment_id = _ids(subject)
            at = (SettingRow.namespace_id == namespace_id, SettingRow.environment_id == environment_id)
            session.execute(delete(SettingRow).where(*at, SettingRow.name.in_(values)))
            session.add_all(
                SettingRow(namespace_id=namespace_id, environment_id=environment_id, name=key, value=value)
                for key, value in values.items()
                if value is not None
            )
            trust(session, (namespace_id, environment_id), values, trusted=trusted and namespace is not None)
            if values:
                record(session, actor, Action.SETTINGS_UPDATED, subject, **_told(values))


def _subject(session: Session, namespace: str | None, name: str | None) -> Level:
    """What has the settings: an environment, a namespace, or None for the deployment."""
    if namespace is None:
        return None
    if name is None:
        return live_namespace(session, namespace)
    return live_environment(session, namespace, name)


def _ids(subject: Level) -> _Ids:
    if subject is None:
        return EVERYWHERE, EVERYWHERE
    return (subject.namespace_id, subject.id) if isinstance(subject, EnvironmentRow) else (subject.id, EVERYWHERE)


def _told(values: Values) -> dict[str, list[str]]:
    """Names and no values, which may be secrets in time to come."""
    taken_back = sorted(name for name, value in values.items() if value is None)
    return {"set": sorted(set(values) - set(taken_back)), "taken_back": taken_back}
