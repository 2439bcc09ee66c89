"""An image in the registry: which repository may serve which digests, and under which tags."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import and_, delete, select
from sqlalchemy.orm import Session

from conda_store.builds.current import set_tag
from conda_store.builds.recording import insert_new
from conda_store.builds.subject import Subject
from conda_store.db.orm import BuildRow, ManifestRow, TagRow
from conda_store.errors import CondaStoreError
from conda_store.registry.manifests import INDEXES, MANIFESTS, Descriptor, ManifestInvalid, children, parse_object
from conda_store.registry.names import build_tags, repository
from conda_store.registry.referrers import Referrer
from conda_store.storage.base import NotStored, Storage, blob_key


class ImageNotPublished(CondaStoreError):
    """The registry serves no image of the build (any more)."""

    status = 409
    code = "image_not_published"


@dataclass(frozen=True)
class PublishedImage:
    """The descriptor of a manifest or index, all that it reaches, and the sum of their sizes in bytes."""

    top: Descriptor
    contents: tuple[Descriptor, ...]

    @property
    def size(self) -> int:
        """Bytes that a client without any of it pulls."""
        return sum(descriptor.size for descriptor in self.contents)


def reachable(storage: Storage, top: Descriptor) -> PublishedImage:
    """Everything that a manifest or index in the storage needs to be complete, itself included."""
    found: dict[str, Descriptor] = {}
    waiting = [top]
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest in found:
            continue
        found[descriptor.digest] = descriptor
        if descriptor.media_type in INDEXES | MANIFESTS:
            data = storage.get(blob_key(descriptor.digest))
            waiting += children(parse_object(data, f"the manifest {descriptor.digest}"))
    return PublishedImage(top, tuple(found.values()))


def publish_image(session: Session, subject: Subject, image: PublishedImage) -> None:
    """Let the registry serve an image; call it when the transaction holds the build, as `READY` is written.

    Raises `ImageNotPublished` for an environment that was deleted: another one may have its name by now.
    """
    environment = session.get_one(BuildRow, subject.build_id).environment
    if environment.deleted_on is not None:
        raise ImageNotPublished(f"{subject.namespace}/{subject.environment} was deleted while its image was made.")
    name = repository(subject.namespace, subject.environment)
    insert_new(session, ManifestRow, _rows(name, image.contents))
    is_current = environment.current_build_id == subject.build_id
    for tag in build_tags(subject.build_id, subject.short_key, subject.build_key, current=is_current):
        set_tag(session, name, tag, image.top.digest, subject.build_id)


def published_image(session: Session, subject: Subject) -> Descriptor:
    """The manifest or index that the registry serves as the image of a build. Raises `ImageNotPublished`."""
    name = repository(subject.namespace, subject.environment)
    same = (ManifestRow.repository == TagRow.repository, ManifestRow.digest == TagRow.digest)
    query = select(ManifestRow).join(TagRow, and_(*same)).where(TagRow.repository == name)
    row = session.scalar(query.where(TagRow.build_id == subject.build_id, TagRow.tag == str(subject.build_id)))
    if row is None:
        raise ImageNotPublished(f"Build {subject.build_id} has no image in the registry that anything could refer to.")
    return Descriptor(row.media_type, row.digest, row.size)


def publish_referrers(session: Session, subject: Subject, image: Descriptor, referrers: Iterable[Referrer]) -> None:
    """Let the registry list and serve what refers to an image, unless it serves the image no longer."""
    if published_image(session, subject) != image:
        raise ImageNotPublished(f"The image {image.digest} was replaced meanwhile.")
    name = repository(subject.namespace, subject.environment)
    for referrer in referrers:
        says = {"subject": image.digest, "artifact_type": referrer.artifact_type}
        insert_new(session, ManifestRow, [row | says for row in _rows(name, [referrer.manifest])])
        insert_new(session, ManifestRow, _rows(name, referrer.blobs))


def withdraw_image(session: Session, storage: Storage, build: BuildRow) -> None:
    """Serve the image of one build no longer, nor what only it needed and what refers to it."""
    session.execute(delete(TagRow).where(TagRow.build_id == build.id))
    name = repository(build.environment.namespace.name, build.environment.name)
    of_it = ManifestRow.repository == name
    contents = {row.digest: row for row in session.scalars(select(ManifestRow).where(of_it))}
    staying = set(session.scalars(select(TagRow.digest).where(TagRow.repository == name)))
    tops = [row for row in contents.values() if row.digest in staying or row.subject in staying]
    kept = {digest for top in tops for digest in _needed(storage, top)}
    for digest, row in contents.items():
        if digest not in kept:
            session.delete(row)


def _needed(storage: Storage, top: ManifestRow) -> set[str]:
    """The digests of all that an image needs, as far as it can be read: one that is made again names the rest again."""
    try:
        image = reachable(storage, Descriptor(top.media_type, top.digest, top.size))
    except (NotStored, ManifestInvalid):
        return {top.digest}
    return {one.digest for one in image.contents}


def withdraw_all_images(session: Session, name: str) -> None:
    """Serve nothing any longer under a repository name."""
    session.execute(delete(TagRow).where(TagRow.repository == name))
    session.execute(delete(ManifestRow).where(ManifestRow.repository == name))


def _rows(name: str, contents: Iterable[Descriptor]) -> list[dict[str, object]]:
    return [
        {
            "repository": name,
            "digest": descriptor.digest,
            "media_type": descriptor.media_type if descriptor.media_type in INDEXES | MANIFESTS else "",
            "size": descriptor.size,
        }
        for descriptor in contents
    ]
