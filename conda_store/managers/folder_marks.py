"""What the database knows of watched folders: which environments came from which file, and what the folders were.

Rows beside the settings, where no request can write: they belong to an environment by its number, so one that somebody
makes anew under the same name has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from conda_store.builds.levels import EVERYWHERE, FILE, FOLDERS, NO_LEVEL
from conda_store.db.lists import living
from conda_store.db.orm import BuildRow, EnvironmentRow, NamespaceRow, SettingRow, SpecificationRow
from conda_store.db.queries import find_namespace

#: What was built last: digest of the specification, and whether it was a lockfile.
Content = tuple[str, bool]


@dataclass(frozen=True)
class Origin:
    """The file that an environment came from, and the watched path by which it was found."""

    root: str
    file: str


@dataclass(frozen=True)
class Kept:
    """An environment of the namespace; without `origin` it was made by somebody else."""

    id: int
    name: str
    content: Content | None
    origin: Origin | None


def environments_in(session: Session, namespace: str) -> dict[str, Kept]:
    """All environments of a namespace by name, in one query; of the builds the newest counts, deleted or not."""
    newest = select(func.max(BuildRow.id)).where(BuildRow.environment_id == EnvironmentRow.id)
    mark = (SettingRow.environment_id == EnvironmentRow.id, SettingRow.name == FILE)
    query = select(
        EnvironmentRow.id, EnvironmentRow.name, SpecificationRow.sha256, SpecificationRow.is_lockfile, SettingRow.value
    )
    query = query.join(NamespaceRow, NamespaceRow.id == EnvironmentRow.namespace_id)
    query = query.outerjoin(BuildRow, BuildRow.id == newest.correlate(EnvironmentRow).scalar_subquery())
    query = query.outerjoin(SpecificationRow, SpecificationRow.id == BuildRow.specification_id)
    query = query.outerjoin(SettingRow, and_(SettingRow.namespace_id == EnvironmentRow.namespace_id, *mark))
    rows = session.execute(query.where(NamespaceRow.name == namespace, *living())).all()
    return {
        name: Kept(number, name, (sha256, is_lockfile) if sha256 else None, _origin(value))
        for number, name, sha256, is_lockfile, value in rows
    }


def newest_content(session: Session, environment: EnvironmentRow) -> Content | None:
    """What was built last of an environment."""
    query = select(SpecificationRow.sha256, SpecificationRow.is_lockfile)
    query = query.join(BuildRow, BuildRow.specification_id == SpecificationRow.id)
    found = session.execute(
        query.where(BuildRow.environment_id == environment.id).order_by(BuildRow.id.desc()).limit(1)
    ).first()
    return (found[0], found[1]) if found else None


def origin_of(session: Session, environment: EnvironmentRow) -> Origin | None:
    """Where an environment came from; None for one that somebody made."""
    row = session.get(SettingRow, (environment.namespace_id, environment.id, FILE))
    return _origin(row.value) if row else None


def set_origin(session: Session, environment: EnvironmentRow, origin: Origin) -> None:
    """Note where an environment came from."""
    _set(session, (environment.namespace_id, environment.id, FILE), {"root": origin.root, "file": origin.file})


def identities(session: Session, namespace: str) -> dict[str, str]:
    """What the watched folders were when they were looked at last, by path."""
    found = find_namespace(session, namespace)
    row = session.get(SettingRow, (found.id, EVERYWHERE, FOLDERS)) if found else None
    return dict(row.value) if row else {}


def set_identities(session: Session, namespace: str, changes: dict[str, str]) -> None:
    """Note what folders are now; "" for one that is away. A namespace that is not there yet has nothing to lose."""
    found = find_namespace(session, namespace)
    if found is not None:
        merged = identities(session, namespace) | changes
        _set(session, (found.id, EVERYWHERE, FOLDERS), {root: one for root, one in merged.items() if one})


def settings_state(session: Session, namespace: str) -> tuple[str, ...]:
    """Equal as long as no setting changes that could count in a namespace: then what was refused is refused again."""
    found = find_namespace(session, namespace)
    places = {EVERYWHERE, found.id if found else EVERYWHERE}
    query = select(SettingRow).where(SettingRow.namespace_id.in_(places), SettingRow.name.not_in(NO_LEVEL))
    return tuple(sorted(_shown(session.scalars(query))))


def _shown(rows: Iterable[SettingRow]) -> Iterator[str]:
    for row in rows:
        yield f"{row.namespace_id} {row.environment_id} {row.name} {row.value!r}"


def _origin(value: object) -> Origin | None:
    return Origin(str(value["root"]), str(value["file"])) if isinstance(value, dict) else None


def _set(session: Session, key: tuple[int, int, str], value: dict[str, str]) -> None:
    row = session.get(SettingRow, key)
    if row is not None:
        row.value = value
    else:
        session.add(SettingRow(namespace_id=key[0], environment_id=key[1], name=key[2], value=value))
