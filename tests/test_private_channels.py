"""Private channels: opened by what configuration or namespace have, which nobody finds anywhere afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from traitlets import TraitError

from conda_store.builds.workshop import Workshop
from conda_store.errors import FetchFailed, PolicyRefused
from conda_store.executors.local import LocalExecutor
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.credentials import Credential, Credentials
from conda_store.policy_options import ChannelCredentials
from tests.credential_traces import text_of
from tests.engine import run_build
from tests.invented import InventedChannel, text_file
from tests.private_channel import WatchedServer, basic, watched
from tests.server import Server, running

CANARY = f"canary{secrets.token_hex(12)}"


@pytest.fixture
def channel(tmp_path: Path) -> InventedChannel:
    made = InventedChannel(tmp_path / "channel")
    made.add("a", [text_file("share/a")], depends=["b"])
    made.add("b", [text_file("share/b")])
    return made


KINDS = [
    ({"kind": "basic", "user": "ana", "secret": CANARY}, basic("ana", CANARY)),
    ({"kind": "bearer", "secret": CANARY}, f"Bearer {CANARY}"),
    ({"kind": "token", "secret": CANARY}, f"/t/{CANARY}"),
]


def opened(tmp_path: Path, url: str, said: dict[str, Any] | None, **policy: Any) -> Workshop:
    workshop = Workshop(tmp_path / "store", ChannelPolicy(default_channels=(url,), **policy))
    workshop.gate.credentials = Credentials((Credential.read(url, said),) if said else ())
    return workshop


@pytest.mark.parametrize(("said", "wanted"), KINDS, ids=["basic", "bearer", "token"])
def test_every_kind_opens_index_and_packages(
    tmp_path: Path, channel: InventedChannel, said: dict[str, Any], wanted: str
) -> None:
    with watched(channel.directory, wanted) as server:
        lock = tmp_path / "conda-lock.yml"
        run_build(opened(tmp_path, server.url, said), "dependencies: [a]\n", prefix=tmp_path / "prefix", lock=lock)
        assert (tmp_path / "prefix/share/b").exists() and f"{server.url}/" in lock.read_text()
        paths = (tmp_path / "store", lock, tmp_path / "prefix")
        assert CANARY not in "".join(text_of(path) for path in paths)


@pytest.mark.parametrize("said", [None, {"kind": "bearer", "secret": "wrong-one"}])
def test_without_the_right_ones_the_channel_is_closed_and_says_so(
    tmp_path: Path, channel: InventedChannel, said: dict[str, Any] | None
) -> None:
    with watched(channel.directory, f"Bearer {CANARY}") as server:
        with pytest.raises(FetchFailed, match="refuses access") as failed:
            run_build(opened(tmp_path, server.url, said), "dependencies: [a]\n", prefix=tmp_path / "prefix")
        assert "wrong-one" not in str(failed.value) and server.url in str(failed.value)


@pytest.mark.parametrize(("said", "wanted"), KINDS, ids=["basic", "bearer", "token"])
def test_a_redirect_takes_nothing_to_another_host(
    tmp_path: Path, channel: InventedChannel, said: dict[str, Any], wanted: str
) -> None:
    with watched(channel.directory) as storage, watched(channel.directory, wanted, redirect=storage.root) as server:
        workshop = opened(tmp_path, server.url, said, allowed_redirects=(storage.root,))
        run_build(workshop, "dependencies: [a]\n", prefix=tmp_path / "prefix")
        assert (tmp_path / "prefix/share/a").exists() and storage.requests
        assert not [one for one in storage.requests if one[1] or CANARY in one[0]]


def test_a_redirect_out_of_the_policy_is_never_followed(tmp_path: Path, channel: InventedChannel) -> None:
    with watched(channel.directory) as other, watched(channel.directory, redirect=other.root) as server:
        with pytest.raises(PolicyRefused, match="redirect"):
            run_build(opened(tmp_path, server.url, None), "dependencies: [a]\n", prefix=tmp_path / "prefix")
        assert server.requests and other.requests == []


@pytest.fixture
def private(channel: InventedChannel) -> Iterator[WatchedServer]:
    with watched(channel.directory, basic("ana", CANARY)) as server:
        yield server


def started(tmp_path: Path, private: WatchedServer, base_image: str, **options: Any) -> Any:
    return running(
        tmp_path / "server",
        executor_class=LocalExecutor,
        default_channels=[private.url],
        allowed_channels=[private.url],
        ImageBuilder__base_image=base_image,
        **options,
    )


@pytest.mark.parametrize("channels", [["canary"], {"https://c.example.org": "canary"}, "canary", 5])
def test_what_is_no_dictionary_of_credentials_is_refused_and_not_shown(channels: Any) -> None:
    with pytest.raises(TraitError, match="not a dictionary of dictionaries") as refused:
        ChannelCredentials(channels=channels)
    assert "canary" not in str(refused.value)


def test_a_solve_that_somebody_waits_for_uses_those_of_the_configuration(
    tmp_path: Path, private: WatchedServer, base_image: str
) -> None:
    said = {private.url: {"kind": "basic", "user": "ana", "secret": CANARY}}
    with started(tmp_path, private, base_image, ChannelCredentials__channels=said) as server:
        answer = server.api.get("specification/", params={"channel": private.url, "conda": "a"})
        assert answer.status_code == 200, answer.text
        assert {one["name"] for one in answer.json()["solve"]} == {"a", "b"} and CANARY not in answer.text


def test_what_a_file_would_install_is_found_with_those_of_its_namespace_alone(
    tmp_path: Path, private: WatchedServer, base_image: str
) -> None:
    said = {private.url: {"kind": "basic", "user": "ana", "secret": "not this one"}}
    with started(tmp_path, private, base_image, ChannelCredentials__channels=said) as server:
        server.api.post("namespace/ours/")
        own = {"channel": private.url, "kind": "basic", "user": "ana", "secret": CANARY}
        assert server.api.put("namespace/ours/channel-credential/", json=own).status_code == 200
        body = {"specification": "name: x\ndependencies: [a]\n"}
        found = server.api.post("specification/solve/", json={**body, "namespace": "ours"})
        assert found.status_code == 200, found.text
        assert {one["name"] for one in found.json()["data"]["solve"]} == {"a", "b"} and CANARY not in found.text
        refused = server.api.post("specification/solve/", json={**body, "namespace": "default"})
        assert refused.status_code == 503 and "refuses access" in refused.text and CANARY not in refused.text


def test_credentials_are_listed_without_them_and_can_be_taken_away(
    tmp_path: Path, private: WatchedServer, base_image: str
) -> None:
    with started(tmp_path, private, base_image) as server:
        server.api.post("namespace/ours/")
        path = "namespace/ours/channel-credential/"
        body = {"channel": f"{private.url}/", "kind": "bearer", "secret": CANARY}
        assert server.api.put(path, json=body).status_code == 200
        (listed,) = server.api.get(path).json()["data"]
        assert listed["channel"] == private.url and set(listed) == {"channel", "changed_on"}
        for wrong in ({**body, "kind": "basic"}, {**body, "channel": "file:///x"}, {**body, "secret": ""}):
            answer = server.api.put(path, json=wrong)
            assert answer.status_code == 400 and CANARY not in answer.text
        server.api.delete("namespace/ours/")
        server.api.post("namespace/ours/")
        assert server.api.get(path).json()["data"] == []
        assert server.api.put(path, json=body).status_code == 200
        assert delete(server, path, private.url).status_code == 200
        assert delete(server, path, private.url).status_code == 404
        assert server.api.get(path).json()["data"] == []


def delete(server: Server, path: str, channel: str) -> httpx.Response:
    return server.api.request("DELETE", path, json={"channel": channel})
