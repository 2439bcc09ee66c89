"""Namespaces full of things that tests may spoil, written straight into the database: hundreds in a second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from conda_store.auth.tokens import fingerprint
from conda_store.db.orm import (
    ArtifactRow,
    Base,
    BuildRow,
    EnvironmentRow,
    EventRow,
    ManifestRow,
    NamespaceRow,
    RoleMappingRow,
    SpecificationRow,
    TagRow,
    TokenRow,
)
from conda_store.registry.manifests import OCI_MANIFEST, Descriptor
from tests.server import Server
from tests.test_tokens import image_of

NAME = "course"
FRIENDS, STRANGERS = "friends", "strangers"
#: Numbers of builds and tokens that there are not.
NO_NUMBER = 2**31 - 1
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SPEC = {"name": NAME, "channels": ["conda-forge"], "dependencies": ["numpy"]}
_EVERYTHING = {"*/*": ["admin"]}


@dataclass(frozen=True)
class Things:
    """One namespace `lab-<number>`: shared with FRIENDS; in it an environment of two completed builds and a queued one,
    with every artifact and an image; and a token of its own."""

    number: int
    image: Descriptor

    @property
    def values(self) -> dict[str, str]:
        """What stands in paths and bodies for the names in braces."""
        namespace = f"lab-{self.number}"
        build = self.number * 3
        return {
            "namespace": namespace,
            "name": NAME,
            "build": str(build),
            "other": str(build + 1),
            "queued": str(build + 2),
            "token": str(self.number),
            "repository": f"{namespace}/{NAME}",
            "digest": self.image.digest,
            "file": "style.css",
            "document": "permissions",
        }


def absent_values() -> dict[str, str]:
    """The same for what does not exist."""
    digest = "sha256:" + "0" * 64
    number = str(NO_NUMBER)
    numbers = {"build": number, "other": number, "queued": number, "token": number}
    places = {
        "namespace": "nowhere",
        "name": "nothing",
        "repository": "nowhere/nothing",
        "file": "nothing.css",
        "document": "nothing",
    }
    return {**numbers, **places, "digest": digest}


def fill(server: Server, owners: dict[int, str]) -> list[Things]:
    """A namespace for each number from 1; `owners` says whose its token is."""
    image = image_of(server, "matrix")
    artifacts = list(_artifacts(server))
    things = [Things(number, image) for number in sorted(owners)]
    with server.app.database.write() as session:
        shared = [{"id": n, "name": name, "created_on": _NOW} for n, name in enumerate((FRIENDS, STRANGERS), 10**6)]
        _rows(session, NamespaceRow, [*shared, *(_namespace(one) for one in things)])
        _rows(session, RoleMappingRow, [_mapping(one) for one in things])
        spec = {"id": 10**6, "name": NAME, "sha256": "0" * 64, "spec": _SPEC, "source": "", "created_on": _NOW}
        _rows(session, SpecificationRow, [spec])
        _rows(session, EnvironmentRow, [_environment(one) for one in things])
        _rows(session, BuildRow, [row for one in things for row in _builds(one)])
        session.execute(update(EnvironmentRow).values(current_build_id=EnvironmentRow.id * 3))
        completed = [int(one.values[which]) for one in things for which in ("build", "other")]
        _rows(session, ArtifactRow, [{**row, "build_id": build} for build in completed for row in artifacts])
        _rows(session, EventRow, [_event(build) for build in completed])
        _rows(session, ManifestRow, [row for one in things for row in _contents(one, server)])
        _rows(session, TagRow, [_tag(one) for one in things])
        _rows(session, TokenRow, [_token(one.number, owners[one.number]) for one in things])
    return things


def expired_token(server: Server, owner: str) -> str:
    """A token with all rights of its owner whose time is over."""
    secret = "cst_expired"  # noqa: S105
    row = _token(10**6, owner) | {"secret_sha256": fingerprint(secret), "expires_on": _NOW + timedelta(days=1)}
    with server.app.database.write() as session:
        _rows(session, TokenRow, [row])
    return secret


def _rows(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    session.execute(insert(table), rows)


def _namespace(one: Things) -> dict[str, Any]:
    return {"id": one.number, "name": one.values["namespace"], "created_on": _NOW}


def _mapping(one: Things) -> dict[str, Any]:
    return {"namespace_id": one.number, "entity": f"{FRIENDS}/*", "role": "viewer"}


def _environment(one: Things) -> dict[str, Any]:
    return {"id": one.number, "namespace_id": one.number, "name": NAME, "created_on": _NOW}


def _builds(one: Things) -> Iterator[dict[str, Any]]:
    shared = {"environment_id": one.number, "specification_id": 10**6, "scheduled_on": _NOW}
    for which in ("build", "other"):
        yield {**shared, "id": int(one.values[which]), "status": "COMPLETED", "ended_on": _NOW}
    yield {**shared, "id": int(one.values["queued"]), "status": "QUEUED", "ended_on": None}


def _event(build: int) -> dict[str, Any]:
    data = {"status": "COMPLETED", "status_info": None}
    return {"build_id": build, "number": 1, "attempt": 1, "time": _NOW, "kind": "status", "data": data}


def _artifacts(server: Server) -> Iterator[dict[str, Any]]:
    listing = json.dumps({"etag": '"matrix"', "parts": [[server.storage.put_blob(b"archive"), 7]]}).encode()
    files = {"LOCKFILE": b"{}", "SBOM": b"{}", "LOGS": b"done\n", "CONDA_PACK": listing}
    for kind, data in {**files, "CONSTRUCTOR_INSTALLER": listing}.items():
        key = f"artifacts/matrix/{kind.lower()}"
        server.storage.put(key, data)
        yield {"artifact_type": kind, "state": "READY", "key": key, "size": len(data)}


def _contents(one: Things, server: Server) -> Iterator[dict[str, Any]]:
    """The manifest, which is as good a blob as any other."""
    shared = {"repository": one.values["repository"]}
    yield {**shared, "digest": one.image.digest, "media_type": OCI_MANIFEST, "size": one.image.size}


def _tag(one: Things) -> dict[str, Any]:
    digest, build = one.image.digest, int(one.values["build"])
    return {"repository": one.values["repository"], "tag": "latest", "digest": digest, "build_id": build}


def _token(number: int, owner: str) -> dict[str, Any]:
    shared = {"primary_namespace": "default", "grants": _EVERYTHING, "created_on": _NOW}
    return {**shared, "id": number, "secret_sha256": f"{number}", "owner": owner}
