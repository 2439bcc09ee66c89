"""What shows that a build is its environment's current one: a link on disk, and the tag `latest`.

Both follow from the database and are set inside the transaction that moves it, so that they cannot contradict it.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.audit import SERVER, Action, Actor
from conda_store.builds.artifact_states import ArtifactState, ArtifactType, find_artifact
from conda_store.builds.keys import Places, short_key
from conda_store.db.audit import record
from conda_store.db.orm import BuildRow, EnvironmentRow, TagRow
from conda_store.errors import StorageFull
from conda_store.registry.names import LATEST

_ON_ITS_WAY = {ArtifactState.WAITING, ArtifactState.MAKING}


def prefix_of(build: BuildRow, places: Places) -> Path:
    """Where a build's prefix is, or would be."""
    environment = build.environment
    key = short_key(build.specification.sha256, build.scheduled_on, build.id, environment.name)
    return places.prefix(environment.namespace.name, key)


def switch_current(session: Session, environment: EnvironmentRow, build_id: int, actor: Actor = SERVER) -> None:
    """Let another build be the current one, by the will of `actor`; `show_current` follows."""
    before, environment.current_build_id = environment.current_build_id, build_id
    if before != build_id:
        record(session, actor, Action.ENVIRONMENT_UPDATED, environment, current_build_id=[before, build_id])


def show_current(session: Session, environment: EnvironmentRow, places: Places) -> None:
    """Let link and tag follow `environment.current_build_id`. Raises `StorageFull` where no link can be made."""
    session.flush()
    build = session.get(BuildRow, environment.current_build_id) if environment.current_build_id else None
    link = places.link(environment.namespace.name, environment.name)
    directory = find_artifact(session, build.id, ArtifactType.DIRECTORY) if build else None
    if build is None or directory is None or directory.state != ArtifactState.READY or environment.deleted_on:
        link.unlink(missing_ok=True)
    else:
        point(link, prefix_of(build, places))
    if build is not None:
        _tag_latest(session, build)


def point(link: Path, target: Path) -> None:
    """Let the symlink `link` point to `target`: the old one or the new one is there at every moment."""
    with suppress(OSError):
        if link.readlink() == target:
            return
    temporary = link.with_name(f".{secrets.token_hex(8)}.conda-store")
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageFull(f"The link {link} to the current environment cannot be made: {error.strerror}.") from error


def _tag_latest(session: Session, build: BuildRow) -> None:
    own = session.scalar(select(TagRow).where(TagRow.build_id == build.id, TagRow.tag == str(build.id)))
    if own is not None:
        set_tag(session, own.repository, LATEST, own.digest, build.id)
        return
    image = find_artifact(session, build.id, ArtifactType.DOCKER_MANIFEST)
    if image is None or image.state not in _ON_ITS_WAY:
        for tag in _latest_of_others(session, build):
            session.delete(tag)


def _latest_of_others(session: Session, build: BuildRow) -> list[TagRow]:
    others = select(BuildRow.id).where(BuildRow.environment_id == build.environment_id, BuildRow.id != build.id)
    return list(session.scalars(select(TagRow).where(TagRow.tag == LATEST, TagRow.build_id.in_(others))))


def set_tag(session: Session, repository: str, tag: str, digest: str, build_id: int) -> None:
    """Let a tag name an image."""
    row = session.scalar(select(TagRow).where(TagRow.repository == repository, TagRow.tag == tag))
    if row is None:
        session.add(TagRow(repository=repository, tag=tag, digest=digest, build_id=build_id))
    else:
        row.digest, row.build_id = digest, build_id
    session.flush()
