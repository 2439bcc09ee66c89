"""When what refers to an image is made: at the first question, once, for whoever may pull; and when it goes again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from conda_store.builds import states
from conda_store.builds.artifact_states import move_artifact
from conda_store.builds.publishing import ImageNotPublished, publish_referrers, published_image
from conda_store.builds.states import ArtifactState, ArtifactType
from conda_store.builds.subject import JobSettings, read_subject
from conda_store.builds.workshop import Workshop
from conda_store.db import Database
from conda_store.db.orm import BuildRow, ManifestRow, TagRow
from conda_store.managers.image_waiting import ImageWaiting
from conda_store.managers.watching import Watcher
from conda_store.packages.channels import ChannelPolicy
from conda_store.registry.names import DYNAMIC
from conda_store.registry.referrers import Document, store_referrer
from tests.jobs import schedule
from tests.referrer_documents import (
    LOCKFILE,
    SMALL,
    SPDX,
    beside,
    building,
    built,
    documents,
    manifest_of,
    referrers,
    registry,
)
from tests.server import NeverExecutor, Server, running
from tests.test_registry_processes import SHARED, serving
from tests.test_rest_streams import follow

TOKEN = "only-ana-knows"  # noqa: S105
EMPTY_CONFIG = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.fixture(scope="module")
def server(workshop: Workshop, sample_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(beside(workshop, tmp_path_factory.mktemp("made")), **building(sample_channel)) as made:
        yield made


def newest(server: Server, name: str) -> int:
    """The number of the current build of `default/<name>`."""
    found: int = server.api.get(f"environment/default/{name}/").json()["data"]["current_build_id"]
    return found


def told(server: Server, build_id: int) -> list[str]:
    """The states through which what refers to the image of a build has gone."""
    events = [one["data"] for one in follow(server, build_id) if one["event"] == "artifact"]
    return [one["state"] for one in events if one["artifact_type"] == ArtifactType.REFERRERS]


def test_they_are_made_when_first_asked_for_and_once(server: Server) -> None:
    digest = built(server, "once")
    build_id = newest(server, "once")
    assert told(server, build_id) == []
    with ThreadPoolExecutor(10) as pool:
        asked = list(pool.map(lambda _: referrers(server, "default/once", digest), range(20)))
    assert list(asked[0]) == [SPDX, LOCKFILE] and all(one == asked[0] for one in asked)
    assert told(server, build_id) == ["WAITING", "MAKING", "READY"]
    # A list whose kinds clients know does not have them.
    shown = server.api.get(f"build/{build_id}/").json()["data"]["build_artifacts"]
    assert "REFERRERS" not in {one["artifact_type"] for one in shown}


def test_they_go_with_the_last_build_that_has_the_image(server: Server) -> None:
    image = built(server, "going")
    first = newest(server, "going")
    found = referrers(server, "default/going", image)
    assert built(server, "going") == image
    second = newest(server, "going")
    other = built(server, "going", "name: {name}\ndependencies: [python]\n")
    others = documents(server, "default/going", other)
    descriptors = [*found.values(), *(layer for one in found.values() for layer in _layers(server, one))]
    assert server.api.delete(f"build/{first}/").status_code == 200
    assert referrers(server, "default/going", image) == found
    assert {_status(server, one["digest"]) for one in descriptors} == {200}
    assert server.api.delete(f"build/{second}/").status_code == 200
    assert referrers(server, "default/going", image) == {}
    assert {_status(server, one["digest"]) for one in descriptors} == {404}
    # Those of another image stay, down to the blob that all artifacts share.
    assert documents(server, "default/going", other) == others
    assert _status(server, EMPTY_CONFIG) == 200
    assert server.api.delete("environment/default/going/").status_code == 200
    assert registry(server, f"default/going/referrers/{other}").status_code == 404
    assert _rows(server, "default/going") == []


def _layers(server: Server, descriptor: dict[str, Any]) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = manifest_of(server, "default/going", descriptor)["layers"]
    return layers


def _status(server: Server, digest: str) -> int:
    return registry(server, f"default/going/blobs/{digest}").status_code


def _rows(server: Server, repository: str) -> list[str]:
    with server.app.database.read() as session:
        return list(session.scalars(select(ManifestRow.digest).where(ManifestRow.repository == repository)))


def test_why_they_cannot_be_made_is_told_and_the_next_request_tries_again(server: Server) -> None:
    digest = built(server, "broken")
    key = f"artifacts/{newest(server, 'broken')}/lock.json"
    record = server.storage.get(key)
    server.storage.delete(key)
    for _ in range(2):
        answer = registry(server, f"default/broken/referrers/{digest}")
        # After a 404 clients look for a tag instead, and say that there is nothing.
        assert answer.status_code == 503
        (error,) = answer.json()["errors"]
        assert error["code"] == "UNKNOWN" and "could not be made" in error["message"], answer.text
    server.storage.put(key, record)
    assert list(referrers(server, "default/broken", digest)) == [SPDX, LOCKFILE]


def test_nothing_refers_to_an_image_that_went_meanwhile(server: Server) -> None:
    digest = built(server, "gone")
    build_id = newest(server, "gone")
    with server.app.database.write() as session:
        session.query(TagRow).filter_by(build_id=build_id).delete()
        states.request_artifact(session, build_id, ArtifactType.REFERRERS)
    assert told(server, build_id)[-1] == "FAILED"
    assert referrers(server, "default/gone", digest) == {}


def test_nothing_is_published_about_an_image_that_was_replaced_meanwhile(server: Server, tmp_path: Path) -> None:
    first, second = built(server, "moved"), built(server, "moved", "name: {name}\ndependencies: [python]\n")
    build_id = newest(server, "moved")
    with server.app.database.write() as session:
        subject = read_subject(session, build_id, JobSettings("", tmp_path, tmp_path, tmp_path))
        image = published_image(session, subject)
        assert image.digest == second
        referrer = store_referrer(server.storage, image, Document("text/plain", "notes.txt", "Notes", b"all well"))
        publish_referrers(session, subject, image, [referrer])
        session.query(TagRow).filter_by(build_id=build_id).update({"digest": first})
        with pytest.raises(ImageNotPublished, match="replaced"):
            publish_referrers(session, subject, image, [referrer])
        session.rollback()


def test_who_cannot_wait_hears_that_it_goes_on(tmp_path: Path) -> None:
    with running(tmp_path / "s", OnDemandImages__hold_seconds=0.0) as server:
        build_id = server.submit("slow")
        digest = server.storage.put_blob(b"{}")
        server.complete(build_id)
        with server.app.database.write() as session:
            content = {"repository": "default/slow", "digest": digest, "media_type": "", "size": 2}
            session.add(ManifestRow(**content))
            session.add(TagRow(repository="default/slow", tag=str(build_id), digest=digest, build_id=build_id))
            states.request_artifact(session, build_id, ArtifactType.REFERRERS)
        answer = registry(server, f"default/slow/referrers/{digest}")
        assert answer.status_code == 503 and "still being made" in answer.json()["errors"][0]["message"]
        assert isinstance(server.app.executor, NeverExecutor)
        assert server.app.executor.wanted == [(build_id, ArtifactType.REFERRERS)]


def test_who_may_not_pull_an_image_gets_nothing_that_refers_to_it(
    workshop: Workshop, sample_channel: Path, tmp_path: Path
) -> None:
    with running(beside(workshop, tmp_path), **building(sample_channel), DummyAuthenticator__token=TOKEN) as server:
        mine = {"Authorization": f"Bearer {TOKEN}"}
        server.api.headers.update(mine)
        for namespace in ("default", "private"):
            follow(server, server.submit("one", namespace, SMALL))
        digest = registry(server, "private/one/manifests/latest", headers=mine).headers["Docker-Content-Digest"]
        assert digest == registry(server, "default/one/manifests/latest").headers["Docker-Content-Digest"]
        refused = registry(server, f"private/one/referrers/{digest}")
        assert refused.status_code == 401 and "WWW-Authenticate" in refused.headers
        private = registry(server, f"private/one/referrers/{digest}", headers=mine).json()["manifests"]
        # The same image under another name: what was made for the one is not served for the other.
        assert registry(server, f"default/one/manifests/{private[0]['digest']}").status_code == 404
        for descriptor in private:
            path = f"manifests/{descriptor['digest']}"
            (layer,) = registry(server, f"private/one/{path}", headers=mine).json()["layers"]
            for one in (path, f"blobs/{layer['digest']}"):
                assert registry(server, f"private/one/{one}").status_code == 401
                assert registry(server, f"private/one/{one}", headers=mine).status_code == 200
        assert list(referrers(server, "default/one", digest).values()) == private


def test_a_process_that_builds_nothing_has_them_made(workshop: Workshop, sample_channel: Path, tmp_path: Path) -> None:
    channel = f"['{sample_channel.as_uri()}']"
    options = [f"--CondaStore.default_channels={channel}", "--ImageBuilder.base_image=scratch"]
    with serving(beside(workshop, tmp_path), *SHARED, *options, "--OnDemandImages.anonymous=True") as server:
        name = f"{server.registry}/v2/{DYNAMIC}/six"
        digest = httpx.get(f"{name}/manifests/latest", timeout=120).headers["Docker-Content-Digest"]
        # The kernel gives each connection to one of the processes: three of four go to those that build nothing.
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: httpx.get(f"{name}/referrers/{digest}", timeout=120), range(24)))
        assert {answer.status_code for answer in answers} == {200}
        (one,) = {answer.content for answer in answers}
        assert len(answers[0].json()["manifests"]) == 2, one


@pytest.fixture
def rows(database_url: str) -> Iterator[Database]:
    """Each kind of database."""
    database = Database(database_url)
    database.create_or_upgrade()
    yield database
    database.close()


def test_the_build_that_is_asked_for_them(rows: Database, tmp_path: Path) -> None:
    executor = NeverExecutor()
    executor.start(JobSettings(str(rows), tmp_path, tmp_path, tmp_path))
    with ThreadPoolExecutor(1) as pool:
        waiting = ImageWaiting(rows, executor, Watcher(rows, pool))
        ids = [_completed(rows, "sha256:1") for _ in range(3)]
        assert waiting.ask_for_referrers("default/one", "sha256:2") is None
        assert waiting.ask_for_referrers("default/two", "sha256:1") is None
        assert waiting.ask_for_referrers("default/one", "sha256:1") == ids[2]
        with rows.write() as session:
            states.request_artifact(session, ids[1], ArtifactType.REFERRERS)
        assert waiting.ask_for_referrers("default/one", "sha256:1") == ids[1]
        with rows.write() as session:
            session.get_one(BuildRow, ids[2]).deleted_on = datetime.now(UTC)
            build = session.get_one(BuildRow, ids[1])
            move_artifact(session, build, ArtifactType.REFERRERS, ArtifactState.FAILED, reason="why")
        assert waiting.ask_for_referrers("default/one", "sha256:1") == ids[1]
        assert waiting.find_referrers(ids[2]) is True
        with rows.write() as session:
            session.add(ManifestRow(repository="default/one", digest="d", media_type="", size=1, subject="sha256:1"))
        assert waiting.ask_for_referrers("default/one", "sha256:1") is None


def _completed(database: Database, digest: str) -> int:
    """A build of `default/one` that is COMPLETED, with its image."""
    with database.write() as session:
        build_id = schedule(session, "dependencies: [python]\n", "one", "default", ChannelPolicy())
    with database.write() as session:
        lease = states.claim(session, build_id, 60)
        assert lease is not None
        states.complete(session, lease)
        states.release(session, lease)
        session.add(TagRow(repository="default/one", tag=str(build_id), digest=digest, build_id=build_id))
    return build_id
