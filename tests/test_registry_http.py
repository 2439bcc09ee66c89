"""The registry over HTTP with an image that the engine made.

The distribution-spec 1.1 request by request is `test_registry_specification.py`, ranges are `test_registry_ranges.py`.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.web import RequestHandler

from conda_store.builds.workshop import Workshop
from conda_store.db import Database
from conda_store.db.orm import ManifestRow, TagRow
from conda_store.handlers.registry import registry_routes
from conda_store.registry.errors import Unauthorized
from conda_store.registry.manifests import OCI_INDEX, Descriptor, canonical_json
from conda_store.registry.serve import unknown_name
from conda_store.storage.base import blob_key
from tests.engine import run_build
from tests.registry_house import Anybody, House, admit, code, registry_of

NAME = "default/science"
PRIVATE = "ana--40lab.org/private"
UNKNOWN = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def image(workshop: Workshop, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Descriptor:
    """A real image of one small package."""
    layout = tmp_path_factory.mktemp("layout") / "oci"
    source = "name: science\ndependencies: [pytz]\n"
    result = run_build(workshop, source, oci=layout, base_images=base_image)
    return result.images[0].descriptor


@pytest.fixture(scope="module")
def index(workshop: Workshop, image: Descriptor) -> Descriptor:
    """An index over that image."""
    document = canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image.as_dict()]})
    return Descriptor(OCI_INDEX, workshop.storage.put_blob(document), len(document))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('database') / 'store.sqlite'}")
    database.create_or_upgrade()
    yield database
    database.close()


@pytest.fixture(scope="module")
def house(workshop: Workshop, database: Database, image: Descriptor, index: Descriptor) -> Iterator[House]:
    storage = workshop.storage
    admit(database, storage, NAME, image, ["latest", "1", "k-1", "B-1"])
    admit(database, storage, "default/several", index, ["latest"])
    secret = storage.put_blob(b"only for Ana")
    with database.write() as session:
        session.add(ManifestRow(repository=PRIVATE, digest=secret, media_type="", size=12))
        session.add(TagRow(repository=PRIVATE, tag="latest", digest=secret))
        session.add(TagRow(repository="conda-store-dynamic/x-1", tag="latest", digest=secret))
    with registry_of(database, storage) as house:
        yield house


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=house.url, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def manifest(workshop: Workshop, image: Descriptor) -> dict[str, Any]:
    return dict(json.loads(workshop.storage.get(blob_key(image.digest))))


def test_every_blob_of_the_image_is_there(client: httpx.Client, manifest: dict[str, Any]) -> None:
    for wanted in [manifest["config"], *manifest["layers"]]:
        head = client.head(f"{NAME}/blobs/{wanted['digest']}")
        answer = client.get(f"{NAME}/blobs/{wanted['digest'].replace(':', '%3A')}")
        assert (head.status_code, answer.status_code) == (200, 200)
        for headers in (head.headers, answer.headers):
            assert int(headers["content-length"]) == wanted["size"]
            assert headers["accept-ranges"] == "bytes"
            assert headers["docker-content-digest"] == wanted["digest"]
            assert headers["content-type"] == "application/octet-stream"
        assert f"sha256:{hashlib.sha256(answer.content).hexdigest()}" == wanted["digest"]
        assert head.content == b""


def test_a_blob_larger_than_a_chunk_comes_in_parts(client: httpx.Client, manifest: dict[str, Any]) -> None:
    layer = max(manifest["layers"], key=lambda layer: layer["size"])
    assert layer["size"] > 3 * 512 * 1024
    path, middle = f"{NAME}/blobs/{layer['digest']}", layer["size"] // 2
    with client.stream("GET", path) as answer:
        beginning = b""
        for chunk in answer.iter_raw():
            beginning += chunk
            if len(beginning) > middle:
                break
    # The client left; it comes back for the rest, as docker does.
    rest = client.get(path, headers={"Range": f"bytes={len(beginning)}-"}).content
    assert f"sha256:{hashlib.sha256(beginning + rest).hexdigest()}" == layer["digest"]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("conda-store-dynamic/python.lt/manifests/latest", (400, "NAME_INVALID")),
        ("conda-store-dynamic/python/manifests/latest", (404, "NAME_UNKNOWN")),
        ("conda-store-dynamic/x-1/tags/list", (404, "NAME_UNKNOWN")),
    ],
)
def test_a_request_for_packages_that_finds_nothing_has_its_code(
    client: httpx.Client, path: str, wanted: tuple[int, str]
) -> None:
    assert code(client.get(path)) == wanted
    head = client.head(path)
    assert (head.status_code, head.content) == (wanted[0], b"")


def test_names_that_look_like_paths_are_names(database: Database, workshop: Workshop, image: Descriptor) -> None:
    names = ["manifests/manifests", "blobs/uploads", "tags/list", "x/blobs", "x/referrers", "v2/v2", "x/tags"]
    for name in names:
        admit(database, workshop.storage, name, image, ["list", "latest"])
    with registry_of(database, workshop.storage) as house:
        for name in names:
            assert httpx.get(f"{house.url}{name}/manifests/list").status_code == 200
            assert httpx.get(f"{house.url}{name}/blobs/{image.digest}").status_code == 200
            assert httpx.get(f"{house.url}{name}/tags/list").json() == {"name": name, "tags": ["latest", "list"]}
            assert httpx.get(f"{house.url}{name}/referrers/{image.digest}").status_code == 200


def test_a_blob_of_another_repository_is_unknown(client: httpx.Client, workshop: Workshop) -> None:
    secret = workshop.storage.put_blob(b"only for Ana")
    assert client.get(f"{PRIVATE}/blobs/{secret}").content == b"only for Ana"
    assert code(client.get(f"{NAME}/blobs/{secret}")) == (404, "BLOB_UNKNOWN")
    assert code(client.get(f"{NAME}/manifests/{secret}")) == (404, "MANIFEST_UNKNOWN")
    stored_without_a_row = workshop.storage.put_blob(b"reached by no manifest")
    assert code(client.get(f"{PRIVATE}/blobs/{stored_without_a_row}")) == (404, "BLOB_UNKNOWN")


def test_the_catalogue_has_no_requests_for_packages(client: httpx.Client) -> None:
    found = client.get("_catalog").json()["repositories"]
    assert {PRIVATE, NAME, "default/several"} <= set(found) and found == sorted(found)
    assert not [name for name in found if name.startswith("conda-store-dynamic")]


def test_a_new_tag_and_a_moved_one_are_seen_at_once(
    client: httpx.Client, database: Database, workshop: Workshop, image: Descriptor, index: Descriptor
) -> None:
    admit(database, workshop.storage, "default/moving", index, ["latest"])
    assert client.head("default/moving/manifests/latest").headers["docker-content-digest"] == index.digest
    with database.write() as session:
        session.query(TagRow).filter_by(repository="default/moving").update({"digest": image.digest})
    assert client.head("default/moving/manifests/latest").headers["docker-content-digest"] == image.digest


def test_what_the_storage_lost_is_unknown(client: httpx.Client, database: Database, workshop: Workshop) -> None:
    digest = workshop.storage.put_blob(b"soon gone")
    with database.write() as session:
        for digest_, size in ((digest, 9), (UNKNOWN, 5)):
            session.add(ManifestRow(repository="default/lossy", digest=digest_, media_type="", size=size))
        session.add(ManifestRow(repository="default/lossy", digest=UNKNOWN[:-1] + "1", media_type=OCI_INDEX, size=5))
    assert client.get(f"default/lossy/blobs/{digest}").content == b"soon gone"
    workshop.storage.delete(blob_key(digest))
    for lost in (digest, UNKNOWN):
        assert code(client.get(f"default/lossy/blobs/{lost}")) == (404, "BLOB_UNKNOWN")
    assert code(client.get(f"default/lossy/manifests/{UNKNOWN[:-1]}1")) == (404, "MANIFEST_UNKNOWN")


class OnlyScience(Anybody):
    """Ana may pull what is in default/, and her password is "right"."""

    async def __call__(self, handler: RequestHandler) -> OnlyScience:
        given = handler.request.headers.get("Authorization")
        if given != "Bearer right":
            raise Unauthorized("This token has expired.", "invalid_token" if given else "")
        return self

    def check(self, repository: str | None) -> None:
        if repository and not self.may_pull(repository):
            raise unknown_name(repository)

    def may_pull(self, repository: str) -> bool:
        return repository.startswith("default/")


@pytest.fixture(scope="module")
def guarded(workshop: Workshop, house: House, database: Database) -> Iterator[httpx.Client]:
    with (
        registry_of(database, workshop.storage, OnlyScience()) as guarded,
        httpx.Client(base_url=guarded.url, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("", None),
        ("_catalog", None),
        (f"{NAME}/manifests/latest", NAME),
        (f"{NAME}/blobs/{UNKNOWN}", NAME),
        ("no/thing/tags/list", "no/thing"),
        (f"no/thing/referrers/{UNKNOWN}", "no/thing"),
    ],
)
@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_credentials_it_says_where_to_get_some(
    guarded: httpx.Client, path: str, scope: str | None, token: str | None
) -> None:
    answer = guarded.get(path, headers={"Authorization": f"Bearer {token}"} if token else {})
    assert code(answer) == (401, "UNAUTHORIZED")
    realm = f'Bearer realm="http://{guarded.base_url.netloc.decode()}/v2/token",service="conda-store"'
    scoped = f',scope="repository:{scope}:pull"' if scope else ""
    assert answer.headers["www-authenticate"] == realm + scoped + (',error="invalid_token"' if token else "")


def test_what_one_may_not_see_answers_as_what_does_not_exist(guarded: httpx.Client, workshop: Workshop) -> None:
    headers = {"Authorization": "Bearer right"}
    assert guarded.get(f"{NAME}/manifests/latest", headers=headers).status_code == 200
    secret = workshop.storage.put_blob(b"only for Ana")
    for path in ("manifests/latest", f"blobs/{secret}", "tags/list", f"referrers/{secret}", "manifests/nothing"):
        hidden = guarded.get(f"{PRIVATE}/{path}", headers=headers)
        missing = guarded.get(f"ana--40lab.org/nothin/{path}", headers=headers)
        assert code(hidden) == code(missing) == (404, "NAME_UNKNOWN")
        assert hidden.text.replace(PRIVATE, "") == missing.text.replace("ana--40lab.org/nothin", "")
        assert set(hidden.headers) == set(missing.headers)
    assert PRIVATE not in guarded.get("_catalog", headers=headers).json()["repositories"]
    assert NAME in guarded.get("_catalog", headers=headers).json()["repositories"]


def test_a_failure_of_our_own_has_no_traceback(workshop: Workshop, tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.sqlite'}")
    try:
        with registry_of(empty, workshop.storage) as house:
            answer = httpx.get(f"{house.url}{NAME}/manifests/latest")
            assert answer.status_code >= 500 and "Traceback" not in answer.text
            assert answer.json()["errors"][0]["code"] == "UNKNOWN"
    finally:
        empty.close()


def test_every_verb_of_every_route_has_a_permission(house: House) -> None:
    for rule in registry_routes(house.serve, Anybody()):
        for method in RequestHandler.SUPPORTED_METHODS:
            assert getattr(rule.handler_class, method.lower()).permission, (rule.regex.pattern, method)


def test_a_tls_hello_is_hung_up_on_at_once(house: House) -> None:
    host, port = house.host.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        # Tornado alone would wait for the end of the line, longer than this socket does. What is left unread makes the
        # end a reset.
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_a_request_that_is_no_http_ends(house: House) -> None:
    host, port = house.host.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"GET /v2/%ff/manifests/latest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 4")
