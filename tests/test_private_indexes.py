"""Package indexes that need credentials, and what neither a file nor an index can make uv ask."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.builds.workshop import Workshop
from conda_store.errors import CondaStoreError, FetchFailed, PolicyRefused, SpecificationInvalid
from conda_store.managers.policies import check_rules
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.credentials import Credential, Credentials
from conda_store.settings import SettingInvalid, checked
from tests.credential_traces import text_of
from tests.engine import run_build
from tests.invented import InventedChannel, add_python
from tests.private_channel import basic
from tests.private_index import PrivateIndex, serving

SECRET = f"canary{secrets.token_hex(12)}"
KINDS = {
    "basic": ({"kind": "basic", "user": "ana", "secret": SECRET}, basic("ana", SECRET)),
    "bearer": ({"kind": "bearer", "secret": SECRET}, f"Bearer {SECRET}"),
    "token": ({"kind": "token", "secret": SECRET}, f"/t/{SECRET}"),
}
TINY = "name: test\ndependencies: [python, {pip: [tiny]}]\n"


@pytest.fixture
def channel(tmp_path: Path) -> InventedChannel:
    made = InventedChannel(tmp_path / "channel")
    add_python(made)
    return made


@pytest.fixture
def never(tmp_path: Path) -> Iterator[PrivateIndex]:
    """An index that nothing allows: it has all there is, and must not be asked."""
    with serving(tmp_path / "never") as index:
        index.add("tiny")
        yield index
        assert index.requests == []


def workshop(tmp_path: Path, channel: InventedChannel, *indexes: str, name: str = "store", **policy: Any) -> Workshop:
    allowed = ChannelPolicy(index_urls=indexes, **policy)
    return Workshop(tmp_path / name, allowed.with_channels([channel.directory]))


def opened(made: Workshop, url: str, kind: str = "basic") -> Workshop:
    made.gate.credentials = Credentials((Credential.read(url, KINDS[kind][0]),))
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_json", [False, True], ids=["html", "json"])
def test_every_kind_opens_pages_and_wheels(tmp_path: Path, channel: InventedChannel, kind: str, is_json: bool) -> None:
    with serving(tmp_path / "index", wanted=KINDS[kind][1], is_json=is_json) as index:
        index.add("tiny")
        made = opened(workshop(tmp_path, channel, index.url), index.url, kind)
        lock = tmp_path / "conda-lock.yml"
        run_build(made, TINY, prefix=tmp_path / "prefix", lock=lock)
        assert list((tmp_path / "prefix").rglob("site-packages/tiny.py"))
        assert f"{index.root}/files/tiny-1.0-py3-none-any.whl" in lock.read_text()
        assert ".invalid" not in lock.read_text()
        run_build(opened(workshop(tmp_path, channel, index.url, name="again"), index.url, kind), lock.read_text())
        pair = base64.b64encode(f"ana:{SECRET}".encode()).decode()
        everything = text_of(tmp_path / "store", tmp_path / "again", lock, tmp_path / "prefix")
        assert SECRET not in everything and pair not in everything


def test_links_from_the_root_of_the_host_are_followed(tmp_path: Path, channel: InventedChannel) -> None:
    with serving(tmp_path / "index", wanted=KINDS["bearer"][1], links="/files/") as index:
        index.add("tiny")
        made = opened(workshop(tmp_path, channel, index.url), index.url, "bearer")
        run_build(made, TINY, prefix=tmp_path / "prefix")
        assert any(path.endswith(".whl") for path, _ in index.requests)


def test_the_index_of_the_machine_takes_credentials_too(
    tmp_path: Path, channel: InventedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "index", wanted=KINDS["bearer"][1]) as index:
        index.add("tiny")
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        made = opened(workshop(tmp_path, channel), index.url, "bearer")
        run_build(made, TINY, prefix=tmp_path / "prefix")
        assert list((tmp_path / "prefix").rglob("site-packages/tiny.py"))


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("has_wrong", [False, True])
def test_a_closed_index_says_so_and_no_other_is_asked(
    tmp_path: Path, channel: InventedChannel, never: PrivateIndex, status: int, has_wrong: bool
) -> None:
    with serving(tmp_path / "index", wanted="Bearer right", refusal=status) as index:
        index.add("tiny")
        made = workshop(tmp_path, channel, never.url, index.url)
        made = opened(made, index.url) if has_wrong else made
        with pytest.raises(FetchFailed, match="refuses access") as failed:
            run_build(made, TINY)
        assert SECRET not in str(failed.value) and index.url in str(failed.value)


def test_what_one_knows_is_not_in_the_cache_for_others(tmp_path: Path, channel: InventedChannel) -> None:
    with serving(tmp_path / "index", wanted=KINDS["basic"][1]) as index:
        index.add("tiny")
        run_build(opened(workshop(tmp_path, channel, index.url), index.url), TINY)
        with pytest.raises(FetchFailed, match="refuses access"):
            run_build(workshop(tmp_path, channel, index.url), TINY)


def test_an_index_that_does_not_answer_ends(
    tmp_path: Path, channel: InventedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with serving(tmp_path / "index", held=threading.Event()) as index:
        index.add("tiny")
        with pytest.raises(FetchFailed, match="cannot be reached") as failed:
            run_build(opened(workshop(tmp_path, channel, index.url), index.url), TINY)
        assert SECRET not in str(failed.value) and ".invalid" not in str(failed.value)


def test_what_is_not_there_is_told_without_credentials(tmp_path: Path, channel: InventedChannel) -> None:
    with serving(tmp_path / "index", wanted=KINDS["basic"][1]) as index:
        made = opened(workshop(tmp_path, channel, index.url), index.url)
        with pytest.raises(CondaStoreError, match="no package named 'tiny'") as failed:
            run_build(made, TINY)
        assert SECRET not in str(failed.value)


def test_a_redirect_takes_nothing_to_another_host(tmp_path: Path, channel: InventedChannel) -> None:
    wanted = KINDS["basic"][1]
    with (
        serving(tmp_path / "storage") as storage,
        serving(tmp_path / "index", wanted=wanted, redirect=storage.root) as index,
    ):
        index.add("tiny")
        storage.add("tiny")
        made = workshop(tmp_path, channel, index.url, allowed_redirects=(storage.root,))
        run_build(opened(made, index.url), TINY, prefix=tmp_path / "prefix")
        assert storage.requests and not any(given for _, given in storage.requests)


@pytest.mark.parametrize("way", ["redirect", "link"])
def test_an_index_leads_nowhere_else(tmp_path: Path, channel: InventedChannel, never: PrivateIndex, way: str) -> None:
    options = {"redirect": never.root} if way == "redirect" else {"links": f"{never.root}/files/"}
    with serving(tmp_path / "index", **options) as index:
        index.add("tiny")
        with pytest.raises(PolicyRefused, match=r"not below an allowed"):
            run_build(workshop(tmp_path, channel, index.url), TINY, prefix=tmp_path / "prefix")
        assert index.requests


def test_a_section_chooses_among_allowed_indexes(tmp_path: Path, channel: InventedChannel) -> None:
    with serving(tmp_path / "a") as a, serving(tmp_path / "b", wanted=KINDS["basic"][1]) as b:
        a.add("other")
        b.add("tiny")
        made = opened(workshop(tmp_path, channel, a.url, b.url), b.url)
        run_build(made, f"dependencies: [python, {{pip: ['--index-url {b.url}/', tiny]}}]\n")
        assert a.requests == []
        run_build(made, f"dependencies: [python, {{pip: ['--extra-index-url={b.url}', tiny, other]}}]\n")
        assert a.requests
        with pytest.raises(SpecificationInvalid, match="more than one --index-url"):
            run_build(made, f"dependencies: [python, {{pip: ['--index-url {b.url}', '-i {a.url}', tiny]}}]\n")


ENTRIES = [
    "--index-url {root}/simple",
    "-i {root}/simple",
    "--extra-index-url={root}/simple",
    "--extra-index-url {root}/simple other",
    "--find-links {root}/files",
    "-f {root}/files",
    "-r {root}/requirements.txt",
    "-c {root}/constraints.txt",
    "-e git+{root}/tiny.git",
    "git+{root}/tiny.git",
    "{root}/files/tiny-1.0-py3-none-any.whl",
    "tiny @ {root}/files/tiny-1.0-py3-none-any.whl",
    "tiny[x] @ {root}/files/tiny-1.0-py3-none-any.whl ; python_version > '3'",
    "tiny --index-url {root}/simple",
    "--trusted-host {root}",
    "tiny --config-settings x={root}",
]


@pytest.mark.parametrize("has_indexes", [False, True])
@pytest.mark.parametrize("entry", ENTRIES)
def test_no_entry_leads_to_what_is_not_allowed(
    tmp_path: Path, channel: InventedChannel, never: PrivateIndex, entry: str, has_indexes: bool
) -> None:
    indexes = ("https://index.example/simple",) if has_indexes else ()
    source = json.dumps({"dependencies": ["python", {"pip": ["tiny", entry.format(root=never.root)]}]})
    with pytest.raises(SpecificationInvalid):
        run_build(workshop(tmp_path, channel, *indexes), source)


@pytest.mark.parametrize("has_indexes", [False, True])
def test_a_lockfile_leads_to_nothing_that_is_not_allowed(
    tmp_path: Path, channel: InventedChannel, never: PrivateIndex, has_indexes: bool
) -> None:
    with serving(tmp_path / "index") as index:
        index.add("tiny")
        made = workshop(tmp_path, channel, *([index.url] if has_indexes else []))
        lock = tmp_path / "conda-lock.yml"
        run_build(workshop(tmp_path, channel, index.url, name="other"), TINY, lock=lock)
        before = len(index.requests)
        with pytest.raises(CondaStoreError, match=r"not below an allowed|not at an https URL"):
            run_build(made, lock.read_text().replace(index.root, never.root), prefix=tmp_path / "prefix")
        assert len(index.requests) == before


def test_a_lower_level_names_no_index_of_its_own() -> None:
    above = ChannelPolicy(index_urls=("https://a.example/simple", "https://b.example/simple"), level="the deployment")
    inside = partial(ChannelPolicy, level="the namespace 'x'", within=above)
    assert inside(index_urls=("https://b.example/simple/",)).indexes_for([]) == ("https://b.example/simple",)
    for urls in (("https://c.example/simple",), ("https://b.example",)):
        with pytest.raises(PolicyRefused, match=r"not allowed in the deployment \(pip_policy"):
            inside(index_urls=urls).indexes_for([])
        with pytest.raises(PolicyRefused, match=r"not below an allowed"):
            inside(index_urls=("https://c.example/simple",)).check_url("https://c.example/x.whl", kind="wheel")
    with pytest.raises(PolicyRefused, match="not allowed in the deployment"):
        ChannelPolicy(index_urls=("https://c.example/simple",), within=ChannelPolicy()).indexes_for([])
    with pytest.raises(SettingInvalid):
        checked({"pip_policy": {"index_urls": []}})


@pytest.mark.parametrize("url", ["ftp://a.example/simple", "https://ana:x@a.example/simple", "file:///simple"])
def test_an_index_in_a_setting_is_a_plain_url(url: str) -> None:
    with pytest.raises(SettingInvalid, match="index_urls") as refused:
        check_rules({"pip_policy": {"index_urls": [url]}}, environment=False)
    assert "ana:x" not in str(refused.value)


def test_the_gate_serves_uv_alone(tmp_path: Path, channel: InventedChannel, never: PrivateIndex) -> None:
    made = workshop(tmp_path, channel, never.url)
    with httpx.Client(proxy=made.indexes.proxy.replace("uv:", "uv:x")) as stranger:
        assert stranger.get(made.indexes.hidden(never.url)).status_code == 403
    with httpx.Client(proxy=made.indexes.proxy) as client:
        assert client.get(f"{never.url}/tiny/").status_code == 403
        with pytest.raises(httpx.ProxyError, match="403"):
            client.get("https://index.example/")
