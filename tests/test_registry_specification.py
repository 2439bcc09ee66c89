"""Pulling and discovery, request by request as the OCI distribution-spec 1.1 lists them, at a real server.

`end-…` are the names of its endpoints. Ranges and conditions of blobs are `test_registry_ranges.py`, tokens
`test_tokens.py`, and what callers may not see `test_registry_http.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from conda_store.registry.manifests import OCI_INDEX, OCI_MANIFEST
from tests.invented_images import sha256
from tests.registry_house import code
from tests.registry_mistakes import MISTAKES, SHA512, UNKNOWN
from tests.specified_images import (
    CONFIG,
    IMAGE,
    INDEX,
    LAYER,
    NAME,
    SEVERAL,
    TAGS,
    UNTAGGED,
    Registry,
    specified_registry,
)

MANIFEST, BLOB = sha256(IMAGE), sha256(CONFIG)
BYTES = "application/octet-stream"
# What docker 20.10 sends.
DOCKER = (
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with specified_registry(tmp_path_factory.mktemp("specified")) as registry:
        yield registry


# Endpoint, path, the bytes, their type.
CONTENT = [
    ("end-2", f"{NAME}/blobs/{BLOB}", CONFIG, BYTES),
    ("end-2", f"{NAME}/blobs/{sha256(LAYER)}", LAYER, BYTES),
    ("end-2, a manifest is a blob too", f"{NAME}/blobs/{MANIFEST}", IMAGE, BYTES),
    ("end-2, without a tag", f"{UNTAGGED}/blobs/{sha256(LAYER)}", LAYER, BYTES),
    ("end-2, quoted", f"{NAME}/blobs/{BLOB.replace(':', '%3A')}", CONFIG, BYTES),
    ("end-2, a query", f"{NAME}/blobs/{BLOB}?ns=docker.io", CONFIG, BYTES),
    *(("end-3, tag", f"{NAME}/manifests/{tag}", IMAGE, OCI_MANIFEST) for tag in TAGS),
    ("end-3, digest", f"{NAME}/manifests/{MANIFEST}", IMAGE, OCI_MANIFEST),
    ("end-3, quoted digest", f"{NAME}/manifests/{MANIFEST.replace(':', '%3a')}", IMAGE, OCI_MANIFEST),
    ("end-3, index by tag", f"{SEVERAL}/manifests/latest", INDEX, OCI_INDEX),
    ("end-3, index by digest", f"{SEVERAL}/manifests/{sha256(INDEX)}", INDEX, OCI_INDEX),
    ("end-3, of an index", f"{SEVERAL}/manifests/{MANIFEST}", IMAGE, OCI_MANIFEST),
    ("end-3, quoted name", "def%61ult/sc%69ence/manifests/latest", IMAGE, OCI_MANIFEST),
    ("end-3, quoted slash", "default%2Fscience/manifests/latest", IMAGE, OCI_MANIFEST),
    ("end-3, as containerd asks", f"{NAME}/manifests/latest?ns=localhost%3A5000", IMAGE, OCI_MANIFEST),
]


@pytest.mark.parametrize(("endpoint", "path", "data", "kind"), CONTENT, ids=lambda value: str(value)[:60])
def test_content_is_served_byte_by_byte(registry: Registry, endpoint: str, path: str, data: bytes, kind: str) -> None:
    for method in ("GET", "HEAD"):
        answer = registry.ask(method, path)
        assert (answer.status_code, answer.content) == (200, data if method == "GET" else b"")
        assert answer.headers["content-type"] == kind
        assert answer.headers["content-length"] == str(len(data))
        assert answer.headers["docker-content-digest"] == sha256(data)
        assert answer.headers["etag"] == f'"{sha256(data)}"'
        assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
        assert answer.headers.get("accept-ranges") == ("bytes" if kind == BYTES else None)


@pytest.mark.parametrize("accept", [OCI_MANIFEST, OCI_INDEX, DOCKER, "*/*", "application/json", "text/html", None])
def test_a_manifest_is_what_it_is_whatever_is_accepted(registry: Registry, accept: str | None) -> None:
    # One digest and no conversion: a client that cannot read it says so itself.
    answer = registry.ask("GET", f"{NAME}/manifests/latest", {"Accept": accept} if accept else None)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, OCI_MANIFEST, IMAGE)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_manifest_that_the_client_has_is_not_sent_again(registry: Registry, method: str) -> None:
    etag = f'"{MANIFEST}"'
    for known, status in ((etag, 304), (f'"x", W/{etag}', 304), ("*", 304), ('"x"', 200)):
        answer = registry.ask(method, f"{NAME}/manifests/latest", {"If-None-Match": known})
        assert (answer.status_code, answer.headers["etag"]) == (status, etag)
        assert answer.headers["docker-content-digest"] == MANIFEST
        assert status == 200 or answer.content == b""


# Endpoint, path, the JSON of the answer, and its `Link`.
EMPTY = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
TAG_PAGES: list[tuple[str, list[str], str | None]] = [
    ("", TAGS, None),
    ("?", TAGS, None),
    ("?n=", TAGS, None),
    ("?n=8", TAGS, None),
    ("?n=9", TAGS, None),
    ("?n=2147483648", TAGS, None),
    ("?n=99999999999999999999999999", TAGS, None),
    ("?n=" + "9" * 5000, TAGS, None),
    ("?n=7", TAGS[:7], "n=7&last=latest"),
    ("?n=1", TAGS[:1], "n=1&last=1"),
    ("?n=0002", TAGS[:2], "n=2&last=583dd551-1"),
    ("?n=0", [], None),
    ("?n=0&last=B-1", [], None),
    ("?n=2&last=B-1", TAGS[3:5], "n=2&last=_x"),
    ("?last=B-1&n=2", TAGS[3:5], "n=2&last=_x"),
    ("?n=2&last=k-1", TAGS[6:], None),
    ("?last=latest", TAGS[7:], None),
    ("?last=" + "z" * 128, [], None),
    ("?n=5&last=" + "z" * 128, [], None),
    ("?last=zzz&n=1", TAGS[7:], None),
    ("?last=~", [], None),
    ("?last=", TAGS, None),
    # No tag has to have the name, nor need it be one.
    ("?last=C", TAGS[3:], None),
    ("?last=0", TAGS, None),
    ("?last=%C3%A9", [], None),
    ("?last=a%2Fb", TAGS[5:], None),
    ("?last=%00", TAGS, None),
    # What stands there twice counts as it stands there last.
    ("?n=1&n=2", TAGS[:2], "n=2&last=583dd551-1"),
    ("?n=2&n=", TAGS, None),
    ("?last=latest&last=B-1&n=1", TAGS[3:4], "n=1&last=Z.z_z-z"),
    ("?page=2&size=1", TAGS, None),
]


@pytest.mark.parametrize(("query", "tags", "following"), TAG_PAGES, ids=lambda value: str(value)[:40])
def test_tags(registry: Registry, query: str, tags: list[str], following: str | None) -> None:
    check_json(registry, f"{NAME}/tags/list{query}", {"name": NAME, "tags": tags}, following)


def check_json(registry: Registry, path: str, document: Any, following: str | None = None) -> None:
    """GET and HEAD of a list: status, type, length, text and `Link`."""
    kind = OCI_INDEX if document.get("mediaType") else "application/json; charset=UTF-8"
    link = following and f'</v2/{path.partition("?")[0]}?{following}>; rel="next"'
    answer, head = registry.ask("GET", path), registry.ask("HEAD", path)
    assert (answer.json(), head.content) == (document, b"")
    for one in (answer, head):
        assert (one.status_code, one.headers.get("link")) == (200, link)
        assert one.headers["content-type"] == kind
        assert one.headers["content-length"] == str(len(answer.content))


LISTS: list[tuple[str, str, Any]] = [
    ("end-1", "", {}),
    ("end-8a, another", f"{SEVERAL}/tags/list", {"name": SEVERAL, "tags": ["latest"]}),
    ("end-8a, none", f"{UNTAGGED}/tags/list", {"name": UNTAGGED, "tags": []}),
    ("end-8b, none", f"{UNTAGGED}/tags/list?n=3&last=a", {"name": UNTAGGED, "tags": []}),
    ("_catalog", "_catalog", {"repositories": [NAME, SEVERAL]}),
    ("_catalog", "_catalog?n=2", {"repositories": [NAME, SEVERAL]}),
    ("_catalog", "_catalog?n=0", {"repositories": []}),
    ("_catalog", f"_catalog?last={NAME}", {"repositories": [SEVERAL]}),
    ("_catalog", "_catalog?last=~&n=1", {"repositories": []}),
    ("end-12a", f"{NAME}/referrers/{MANIFEST}", EMPTY),
    ("end-12a, of an index", f"{SEVERAL}/referrers/{sha256(INDEX)}", EMPTY),
    ("end-12a, of nothing", f"{NAME}/referrers/{UNKNOWN}", EMPTY),
    ("end-12a, without a tag", f"{UNTAGGED}/referrers/{UNKNOWN}", EMPTY),
    ("end-12b", f"{NAME}/referrers/{MANIFEST}?artifactType=application%2Fspdx%2Bjson", EMPTY),
    ("end-12b, of nothing", f"{NAME}/referrers/{UNKNOWN}?artifactType=a/b&n=5", EMPTY),
]


@pytest.mark.parametrize(("endpoint", "path", "document"), LISTS, ids=lambda value: str(value)[:40])
def test_lists(registry: Registry, endpoint: str, path: str, document: Any) -> None:
    check_json(registry, path, document)
    applied = registry.ask("GET", path).headers.get("oci-filters-applied")
    assert applied == ("artifactType" if "end-12b" in endpoint else None)


def test_it_is_a_registry_without_the_slash_too(registry: Registry) -> None:
    answer = registry.client.get(f"{registry.server.root}/v2")
    assert (answer.status_code, answer.headers["docker-distribution-api-version"]) == (200, "registry/2.0")


@pytest.mark.parametrize(("path", "key"), [(f"{NAME}/tags/list", "tags"), ("_catalog", "repositories")])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_links_lead_through_all_pages(registry: Registry, path: str, key: str, count: int) -> None:
    found, following = [], f"{path}?n={count}"
    while following:
        answer = registry.ask("GET", following)
        page = answer.json()[key]
        assert 0 < len(page) <= count
        found += page
        following = answer.links.get("next", {}).get("url", "").removeprefix("/v2/")
    assert found == registry.ask("GET", path).json()[key]


@pytest.mark.parametrize(("paths", "status", "name"), MISTAKES, ids=lambda value: str(value)[:70])
def test_every_mistake_has_its_code(registry: Registry, paths: list[str], status: int, name: str) -> None:
    for path in paths:
        answer, head = registry.ask("GET", path), registry.ask("HEAD", path)
        assert code(answer) == (status, name), path
        assert (head.status_code, head.content) == (status, b"")
        assert head.headers["content-length"] == answer.headers["content-length"] == str(len(answer.content))
        # What a person reads is short, and has nothing in it that a terminal would obey.
        (message,) = (error["message"] for error in answer.json()["errors"])
        assert len(message) < 500 and message.isprintable()


PATHS = [
    f"{NAME}/manifests/latest",
    f"{NAME}/manifests/{MANIFEST}",
    f"{NAME}/blobs/{BLOB}",
    f"{NAME}/blobs/uploads/",
    f"{NAME}/blobs/uploads/?digest={UNKNOWN}",
    f"{NAME}/blobs/uploads/?mount={BLOB}&from={SEVERAL}",
    f"{NAME}/blobs/uploads/1b0a3f2c",
    f"{NAME}/blobs/uploads/1b0a3f2c?digest={UNKNOWN}",
    f"{NAME}/tags/list",
    f"{NAME}/referrers/{MANIFEST}",
    "new/environment/manifests/1",
    "new/environment/blobs/uploads/",
    "No/NAME/blobs/uploads/",
    f"{NAME}/blobs/{SHA512}",
    f"{NAME}/manifests/.no-tag",
    "_catalog",
    "elsewhere",
    "",
]
# end-4a to end-7, end-9 to end-11, end-13 and end-14, and what nobody specified.
METHODS = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_pushed_or_deleted(registry: Registry, path: str) -> None:
    for method in [*METHODS, "GET", "HEAD"] if "uploads" in path else METHODS:
        body = b"{}" if method in ("POST", "PUT", "PATCH") and "mount" not in path else b""
        answer = registry.ask(method, path, {"Content-Type": OCI_MANIFEST}, body)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD"), method
        assert method == "HEAD" or code(answer) == (405, "UNSUPPORTED")
    assert registry.ask("GET", f"{NAME}/manifests/latest").content == IMAGE


@pytest.mark.parametrize("path", PATHS[:8])
def test_a_large_push_is_refused_alike(registry: Registry, path: str) -> None:
    body = b"x" * (registry.server.app.max_body_bytes + 1)
    answer = registry.ask("PUT", path, {"Content-Type": BYTES}, body)
    assert code(answer) == (405, "UNSUPPORTED")
    # What is left of the body is not read for long: nobody shall ask again on this connection.
    assert answer.headers["connection"] == "close"


def test_a_host_that_is_not_ours_is_refused_in_the_words_of_a_registry(registry: Registry) -> None:
    for path in ("", f"{NAME}/manifests/latest", "elsewhere"):
        answer = registry.ask("GET", path, {"Host": "evil.example"})
        assert code(answer) == (403, "DENIED") and "evil.example" in answer.text


def test_a_name_says_how_it_is_spelt(registry: Registry) -> None:
    said = {
        "science": "<namespace>/<environment>",
        "default/a--2db": "'a-b'",
        "default/x--61": "'a'",
        "default/nothing": "There is no repository default/nothing.",
    }
    for name, words in said.items():
        (error,) = registry.ask("GET", f"{name}/manifests/latest").json()["errors"]
        assert words in error["message"]


def test_an_image_is_found_from_its_tag_to_its_last_byte(registry: Registry) -> None:
    tags = registry.ask("GET", f"{SEVERAL}/tags/list").json()["tags"]
    index = json.loads(registry.ask("GET", f"{SEVERAL}/manifests/{tags[-1]}").content)
    (entry,) = index["manifests"]
    manifest = registry.ask("GET", f"{SEVERAL}/manifests/{entry['digest']}")
    assert manifest.headers["content-type"] == entry["mediaType"] and len(manifest.content) == entry["size"]
    for wanted in (manifest.json()["config"], *manifest.json()["layers"]):
        data = registry.ask("GET", f"{SEVERAL}/blobs/{wanted['digest']}").content
        assert (sha256(data), len(data)) == (wanted["digest"], wanted["size"])
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", wanted["digest"])
