"""What is deleted is no longer served: its image's tags, and the layers that nothing else under its name needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.builds import states
from conda_store.builds.publishing import ImageNotPublished, PublishedImage, publish_image
from conda_store.builds.states import ArtifactType
from conda_store.builds.subject import read_subject
from conda_store.executors.local import LocalExecutor
from conda_store.registry.manifests import OCI_MANIFEST, Descriptor
from tests.server import Server, running
from tests.test_rest_streams import follow


def build(server: Server, *packages: str) -> int:
    """One build of the environment `one`, with its image."""
    build_id = server.submit("one", text=f"name: {{name}}\ndependencies: [{', '.join(packages)}]\n")
    follow(server, build_id)
    assert server.api.get(f"build/{build_id}/").json()["data"]["status"] == "COMPLETED"
    return build_id


def registry(server: Server, path: str) -> httpx.Response:
    return httpx.get(f"{server.root}/v2/default/one/{path}")


def layers(server: Server, tag: int | str) -> set[str]:
    manifest: dict[str, Any] = registry(server, f"manifests/{tag}").json()
    return {layer["digest"] for layer in manifest["layers"]}


def test_a_deleted_image_is_gone_and_what_others_need_stays(tmp_path: Path, sample_channel: Path) -> None:
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [sample_channel.as_uri()],
        "ImageBuilder__base_image": "scratch",
    }
    with running(tmp_path / "s", **options, build_artifacts=["DOCKER_MANIFEST"]) as server:
        first, second = build(server, "python"), build(server, "python", "six")
        older, newer = layers(server, first), layers(server, second)
        assert layers(server, "latest") == newer and older & newer
        assert server.api.delete(f"build/{second}/").status_code == 200
        assert layers(server, "latest") == older
        assert registry(server, f"manifests/{second}").status_code == 404
        assert {registry(server, f"blobs/{digest}").status_code for digest in newer - older} == {404}
        assert {registry(server, f"blobs/{digest}").status_code for digest in older} == {200}
        assert all(str(second) not in tag.split("-") for tag in registry(server, "tags/list").json()["tags"])

        assert server.api.delete("environment/default/one/").status_code == 200
        assert registry(server, "manifests/latest").status_code == 404
        assert {registry(server, f"blobs/{digest}").status_code for digest in older} == {404}
        assert httpx.get(f"{server.root}/v2/_catalog").json() == {"repositories": []}
        third = build(server, "python")
        tags = registry(server, "tags/list").json()["tags"]
        assert str(third) in tags and not {str(first), str(second)} & set(tags)


def test_a_build_whose_artifacts_are_being_made_is_not_deleted(tmp_path: Path) -> None:
    with running(tmp_path / "s") as server:
        build_id = server.submit()
        lease = server.begin(build_id)
        with server.app.database.write() as session:
            states.complete(session, lease, size=1)
        refused = server.api.delete(f"build/{build_id}/")
        assert refused.status_code == 400 and "being made" in refused.json()["message"]
        server.leave(lease, ArtifactType.YAML, b"name: one\n")
        with server.app.database.write() as session:
            states.release(session, lease)
        assert server.api.delete(f"build/{build_id}/").status_code == 200
        assert server.api.get(f"build/{build_id}/").status_code == 404


def test_an_image_that_is_ready_too_late_is_not_served(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        build_id = server.submit("one")
        lease = server.begin(build_id)
        with server.app.database.write() as session:
            states.complete(session, lease, size=1)
            subject = read_subject(session, build_id, server.app.service.jobs)
        assert server.api.delete("environment/default/one/").status_code == 200
        server.submit("one")
        image = Descriptor(OCI_MANIFEST, server.storage.put_blob(b"{}"), 2)
        with pytest.raises(ImageNotPublished, match="was deleted"), server.app.database.write() as session:
            publish_image(session, subject, PublishedImage(image, (image,)))
        assert registry(server, "tags/list").status_code == 404
