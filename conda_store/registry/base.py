"""Base images: on what every image stands. A name becomes layers in the store, pulled once and verified by digest.

How an image is read is `sources.py`, `docker_archive.py` and `remote.py`; how it comes into the store `importing.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conda_store.errors import BadInput, BaseImageMissing, CondaStoreError, DigestMismatch, FetchFailed
from conda_store.registry.docker_archive import MANIFEST_FILE, DockerArchiveSource
from conda_store.registry.importing import Imported, Importer
from conda_store.registry.manifests import (
    Descriptor,
    ManifestInvalid,
    canonical_json,
    media_type_of,
    parse_descriptor,
    parse_descriptors,
    parse_object,
)
from conda_store.registry.platforms import oci_platform
from conda_store.registry.references import Reference, safe
from conda_store.registry.remote import RegistrySource, Unreachable
from conda_store.registry.settings import DEFAULT_BASE_IMAGE
from conda_store.registry.sources import DirectoryMembers, Document, ImageSource, LayoutSource, TarMembers, is_layout
from conda_store.storage.base import NotStored, Storage, blob_key, digest_of

SCRATCH = "scratch"
MAX_BYTES = 10 * 1024**3

_ADVICE = "The base image is set by c.ImageBuilder.base_image, on the command line by --base-image."
# Part of the key of what is remembered; a new number forgets all of it.
_FORMAT = 1


@dataclass(frozen=True)
class BaseImage:
    """An image for one platform (a conda subdir), ready to be built upon.

    `digest` is that of its manifest, "" for `scratch`, which has no layers. The blobs of `layers`, bottom
    first, are in the store, gzip or zstd with OCI media types; `diff_ids` are the digests of the unpacked
    layers. `config` is the `config` object of image-spec 1.1, config.md: Env, User, Entrypoint, Labels …
    `reference` is its name in a registry, "" for one that lies on disk: a path means nothing elsewhere.
    """

    name: str
    platform: str
    digest: str = ""
    layers: tuple[Descriptor, ...] = ()
    diff_ids: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    reference: str = ""


class BaseImages:
    """Resolves the base images of a deployment.

    A source is a registry reference, `oci:<directory>[:tag|@digest]`, `archive:<tar file>[:tag|@digest]` (an
    OCI archive or what `docker save` writes, plain or gzip) or `scratch`; `sources` is one for all platforms
    or one for each. A tag is asked for once and then stands for the digest it had, until `refresh`; when the
    registry cannot be reached then, the old digest serves and `report` gets a warning. `credentials` are
    (user, password) by registry host, `insecure` the hosts that may speak plain HTTP, `max_bytes` the limit
    of all layers together.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        sources: Mapping[str, str] | str = DEFAULT_BASE_IMAGE,
        credentials: Mapping[str, tuple[str, str]] | None = None,
        insecure: Collection[str] = (),
        max_bytes: int = MAX_BYTES,
        refresh: bool = False,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self._storage = storage
        self._sources = sources if isinstance(sources, str) else dict(sources)
        self._credentials = dict(credentials or {})
        self._insecure = frozenset(insecure)
        self._max_bytes = max_bytes
        self._refresh = refresh
        self._report = report or (lambda message: None)

    def resolve(self, platform: str) -> BaseImage:
        """The base image for a conda subdir, its layers in the store.

        Raises `BaseImageMissing`, `FetchFailed`, `DigestMismatch` (all name image, platform and setting),
        `StorageFull`.
        """
        text = self._source_for(platform)
        with _named(text, platform):
            oci_platform(platform)
            if text == SCRATCH:
                return BaseImage(SCRATCH, platform)
            kind, colon, rest = text.partition(":")
            if colon and kind in ("oci", "archive"):
                return self._from_disk(kind, rest, text, platform)
            return self._from_registry(Reference.parse(text), platform)

    def _source_for(self, platform: str) -> str:
        if isinstance(self._sources, str):
            return self._sources.strip()
        if platform not in self._sources:
            known = ", ".join(sorted(self._sources)) or "no platform"
            raise BaseImageMissing(f"There is no base image for {platform}, only for {known}. {_ADVICE}")
        return self._sources[platform].strip()

    def _from_disk(self, kind: str, rest: str, text: str, platform: str) -> BaseImage:
        path, ref = _split_path(rest)
        with _open_on_disk(kind, path, self._max_bytes) as source:
            return self._bring(source, source.root(), platform, ref, text)

    def _from_registry(self, reference: Reference, platform: str) -> BaseImage:
        source = RegistrySource(reference, credentials=self._credentials, insecure=self._insecure)
        with source:
            root = self._root(reference, source)
            return replace(self._bring(source, root, platform, None, str(reference)), reference=str(reference))

    def _root(self, reference: Reference, source: ImageSource) -> Document:
        """What the reference stands for: by digest from the store, by tag as remembered, else from the registry."""
        known = self._remembered(reference)
        if known is not None and (reference.digest is not None or not self._refresh):
            return known
        try:
            root = source.root()
        except Unreachable as error:
            if known is None:
                raise
            self._report(f"Base image {reference}: {error.message} Using {known.descriptor.digest}, pulled before.")
            return known
        self._storage.put_blob(root.data)
        self._storage.put(_key("references", str(reference)), canonical_json(root.descriptor.as_dict()))
        return root

    def _remembered(self, reference: Reference) -> Document | None:
        try:
            if reference.digest is not None:
                digest = reference.digest
            else:
                record = parse_object(self._storage.get(_key("references", str(reference))), "the record of a tag")
                digest = parse_descriptor(record, "the record of a tag").digest
            data = self._storage.get(blob_key(digest))
            media_type = media_type_of(parse_object(data, "the manifest"))
        except (NotStored, ManifestInvalid):
            return None
        known = Descriptor(media_type, digest, len(data))
        return Document(known, data) if digest_of(data) == digest else None

    def _bring(self, source: ImageSource, root: Document, platform: str, ref: str | None, name: str) -> BaseImage:
        importer = Importer(self._storage, source, self._max_bytes)
        manifest = importer.choose(root, platform, ref)
        image = self._recorded(manifest.digest)
        if image is None:
            image = importer.fetch(manifest)
            record = {"layers": [layer.as_dict() for layer in image.layers], "config": dict(image.config)}
            self._storage.put(_key("images", manifest.digest), canonical_json(record))
        settings = image.config.get("config")
        return BaseImage(
            name=name,
            platform=platform,
            digest=image.digest,
            layers=image.layers,
            diff_ids=image.diff_ids,
            config=settings if isinstance(settings, dict) else {},
        )

    def _recorded(self, digest: str) -> Imported | None:
        """What was imported before, if all its layers are still there."""
        try:
            record = parse_object(self._storage.get(_key("images", digest)), "the record of an image")
            layers = parse_descriptors(record.get("layers"), "layers")
            config = record["config"]
        except (NotStored, ManifestInvalid, KeyError):
            return None
        if not all(self._storage.use_blob(layer.digest, layer.size) for layer in layers):
            return None
        return Imported(digest, layers, config)


def _split_path(text: str) -> tuple[Path, str | None]:
    """The longest part of `path[:tag|@digest]` that exists; colons may be part of a path."""
    ends = [len(text), *(place for place in reversed(range(len(text))) if text[place] in ":@")]
    for end in ends:
        path = Path(text[:end])
        # A name that is too long or not permitted is as good as absent here.
        with suppress(OSError):
            if end and path.exists():
                return path, text[end + 1 :] or None
    raise BaseImageMissing(f"there is no file or directory {text!r}.")


def _open_on_disk(kind: str, path: Path, max_bytes: int) -> ImageSource:
    if kind == "oci":
        members = DirectoryMembers(path)
        if not is_layout(members):
            raise BaseImageMissing(f"{path} is not an OCI layout (it has no file oci-layout or no index.json).")
        return LayoutSource(members)
    archive = TarMembers(path, max_bytes)
    if is_layout(archive):
        return LayoutSource(archive)
    if MANIFEST_FILE in archive.names():
        return DockerArchiveSource(archive)
    archive.close()
    raise BaseImageMissing(f"{path} is neither an OCI archive nor one that docker save made.")


def _key(kind: str, name: str) -> str:
    return f"bases/{kind}/{_FORMAT}-{hashlib.sha256(name.encode()).hexdigest()}.json"


@contextmanager
def _named(text: str, platform: str) -> Iterator[None]:
    """Errors inside name the base image, the platform and the setting."""
    try:
        yield
    except (BaseImageMissing, FetchFailed, DigestMismatch) as error:
        raise type(error)(_sentence(text, platform, error)) from error
    except BadInput as error:
        raise BaseImageMissing(_sentence(text, platform, error)) from error


def _sentence(text: str, platform: str, error: CondaStoreError) -> str:
    return f"Base image {safe(text)} for {platform}: {error.message} {_ADVICE}"
