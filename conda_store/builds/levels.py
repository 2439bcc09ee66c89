"""The settings that count for a build: the deployment's options, then what the database has, the nearest level last."""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from conda_store.db.orm import EnvironmentRow, SettingRow
from conda_store.settings import Values, merged

# What stands for the whole deployment, and for all of a namespace.
EVERYWHERE = 0
# Beside the settings of a level, and none itself: which of them an administrator of everything has set.
TRUSTED = "(trusted)"
# Neither are these (`managers.folder_marks`): from which file an environment came, and what the watched folders were.
FILE, FOLDERS = "(file)", "(folders)"
NO_LEVEL = (TRUSTED, FILE, FOLDERS)


def levels_of(session: Session, namespace_id: int = EVERYWHERE, environment_id: int = EVERYWHERE) -> list[Values]:
    """What the deployment, a namespace and an environment set, in this order; an id of 0 leaves that level empty."""
    keys = [(EVERYWHERE, EVERYWHERE), (namespace_id, EVERYWHERE), (namespace_id, environment_id)]
    same = [(SettingRow.namespace_id == one) & (SettingRow.environment_id == other) for one, other in set(keys)]
    found: dict[tuple[int, int], dict[str, Any]] = {key: {} for key in keys}
    for row in session.scalars(select(SettingRow).where(or_(*same), SettingRow.name.not_in(NO_LEVEL))):
        found[row.namespace_id, row.environment_id][row.name] = row.value
    return [found[key] for key in dict.fromkeys(keys)]


def of_deployment(session: Session, options: Values) -> dict[str, Any]:
    """The settings of the whole deployment over its `options`."""
    return merged([options, *levels_of(session)])


def trusted_of(session: Session, namespace_id: int, environment_id: int = EVERYWHERE) -> frozenset[str]:
    """Names of the settings of a level that an administrator of everything has set: they need not be narrower."""
    row = session.get(SettingRow, (namespace_id, environment_id, TRUSTED))
    return frozenset(row.value if row else ())


def trust(session: Session, at: tuple[int, int], changed: Values, *, trusted: bool) -> None:
    """Note who has set what on a level (ids of namespace and environment) that `changed` was just written to."""
    names = trusted_of(session, *at) - changed.keys()
    names |= {name for name, value in changed.items() if trusted and value is not None}
    row = session.get(SettingRow, (*at, TRUSTED))
    if row is not None:
        row.value = sorted(names)
    elif names:
        session.add(SettingRow(namespace_id=at[0], environment_id=at[1], name=TRUSTED, value=sorted(names)))


def effective(session: Session, environment: EnvironmentRow, options: Values) -> dict[str, Any]:
    """The settings of an environment over the deployment's `options`."""
    return merged([options, *levels_of(session, environment.namespace_id, environment.id)])
