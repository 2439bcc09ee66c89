"""Channels: one spelling for one place, and nothing outside the allowed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_store.errors import BadInput, CondaStoreError, PolicyRefused, SpecificationInvalid
from conda_store.packages.channel_urls import is_below, normal_url, strip_credentials
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.submission import read_specification
from conda_store.policy_options import check_channels
from conda_store.specification import Specification

ALIAS = "https://conda.anaconda.org"
POLICY = ChannelPolicy()
STRICT = ChannelPolicy(
    allowed_channels=("conda-forge", "conda-forge/label/*", "https://*.lab.org/conda/*", "https://lab.org:8443/team"),
    allowed_pip_urls=("https://git.lab.org/team",),
    allowed_redirects=("https://storage.example.org/conda",),
)


def source(channel: str) -> str:
    return f"name: a\nchannels: ['{channel}']\ndependencies: [python]\n"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("conda-forge", f"{ALIAS}/conda-forge"),
        ("conda-forge/", f"{ALIAS}/conda-forge"),
        ("conda-forge/linux-64", f"{ALIAS}/conda-forge"),
        ("conda-forge/label/dev", f"{ALIAS}/conda-forge/label/dev"),
        ("HTTPS://Conda.Anaconda.ORG:443/conda-forge//", f"{ALIAS}/conda-forge"),
        ("https://conda.anaconda.org./conda-forge/noarch/", f"{ALIAS}/conda-forge"),
        ("https://h.org:8080/a%20b/%63", "https://h.org:8080/a%20b/c"),
        ("http://127.0.0.1:8000/c", "http://127.0.0.1:8000/c"),
        ("http://[::1]:8000/c", "http://[::1]:8000/c"),
        ("file:///srv/channel/linux-64", "file:///srv/channel"),
        ("file://localhost/srv/channel", "file:///srv/channel"),
    ],
)
def test_one_spelling(written: str, url: str) -> None:
    assert POLICY.channel_url(written) == url
    assert POLICY.channel_url(url) == url


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "/", ".", "..", "../c", "/srv/c", "~/c", "C:\\c", "C:/c", "a b", "a//b", "a/../b", "a/./b", "-a"),
        *("https://", "https:///c", "https:c", "//h.org/c", "https://h.org/a/../b", "https://h.org/a//b"),
        *("https://h.org/%2e%2e/b", "https://h.org/%252e%252e/b", "https://h.org/a%2fb", "https://h.org/a%5Cb"),
        *("https://h.org\\@evil.org/c", "https://h.org/c?x=1", "https://h.org/c#x", "https://h.org:port/c"),
        *("https://h.org:99999/c", "https://[::1/c", "https://h\u00f6.org/c", "https://h.org/\u202ec", "javascript:x"),
        *("https://u@h.org/c", "https://u:p@h.org/c", "https://@h.org/c", "https://h.org/t/tok/c", "https://h.org/t/x"),
        *("file://server/share", "ftp://h.org/c", "https://h.org/%00", "https://h.org/\n/a", "noarch", "t/tok/c", "*"),
    ],
)
def test_other_spellings_are_refused(written: str) -> None:
    with pytest.raises(BadInput):
        POLICY.channel_url(written)


@pytest.mark.parametrize(
    ("policy", "written", "allowed"),
    [
        (POLICY, "bioconda", True),
        (POLICY, "conda-forge/label/dev", True),
        (POLICY, f"{ALIAS}/bioconda", True),
        (POLICY, ALIAS, False),
        (POLICY, "https://h.org/conda-forge", False),
        (POLICY, f"{ALIAS}:8443/conda-forge", False),
        (POLICY, "http://conda.anaconda.org/conda-forge", False),
        (POLICY, "https://conda.anaconda.org.evil.org/conda-forge", False),
        (POLICY, "file:///srv/channel", False),
        (POLICY, "defaults", False),
        (ChannelPolicy(allowed_channels=("defaults",)), "defaults", True),
        (STRICT, "conda-forge", True),
        (STRICT, "conda-forge-evil", False),
        (STRICT, "conda-forge/sub", False),
        (STRICT, "conda-forge/label/dev", True),
        (STRICT, "bioconda", False),
        (STRICT, "https://a.lab.org/conda/x/y", True),
        (STRICT, "https://a.lab.org/conda", False),
        (STRICT, "https://evil.org/.lab.org/conda/x", False),
        (STRICT, "https://lab.org:8443/team/", True),
        (STRICT, "https://lab.org/team", False),
        (ChannelPolicy(allowed_channels=("file:///srv/*",)), "file:///srv/a", True),
        (ChannelPolicy(alias="https://mirror.lab.org/conda/"), "conda-forge", True),
        (ChannelPolicy(alias="https://mirror.lab.org/conda/"), f"{ALIAS}/conda-forge", False),
    ],
)
def test_allowed(policy: ChannelPolicy, written: str, allowed: bool) -> None:
    assert (policy.channel_fault(written) is None) == allowed
    if allowed:
        read_specification(source(written), policy)
    else:
        with pytest.raises(SpecificationInvalid):
            read_specification(source(written), policy)


def test_a_refusal_suggests_and_lists() -> None:
    assert "Did you mean 'conda-forge'?" in str(STRICT.channel_fault("conda-frge"))
    assert "Allowed are 'conda-forge', 'conda-forge/label/*'" in str(STRICT.channel_fault("zzz"))


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("default_channels", {"default_channels": ("https://ana:canary@conda.example.org/a",)}),
        ("default_channels", {"default_channels": ("/srv/channel",)}),
        ("allowed_channels", {"allowed_channels": ("https://conda.example.org/t/canary/*",)}),
        ("channel_alias", {"alias": "conda.example.org"}),
    ],
)
def test_a_server_does_not_start_with_channels_that_nobody_could_use(option: str, values: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=rf"c\.CondaStore\.{option}: ") as refused:
        check_channels(ChannelPolicy(**values))
    assert "canary" not in str(refused.value)


def test_patterns_and_defaults_are_channels_of_a_configuration() -> None:
    allowed = ("*", "conda-*", "https://*.example.org/*", "http://127.0.0.1:*/a", "file:///srv/*", "defaults")
    check_channels(ChannelPolicy(default_channels=("defaults", "bioconda"), allowed_channels=allowed))


def test_channels_in_order() -> None:
    assert POLICY.channels_for(Specification("a")) == [f"{ALIAS}/conda-forge"]
    both = Specification("a", ("bioconda", f"{ALIAS}/conda-forge/"), ("pytorch::torch", "conda-forge::x", "y"))
    assert POLICY.channels_for(both, ["conda-forge", "extra"]) == [
        f"{ALIAS}/{name}" for name in ("bioconda", "conda-forge", "extra", "pytorch")
    ]
    assert len(POLICY.channels_for(Specification("a", ("defaults",)))) == 2


def test_a_solver_sees_full_urls() -> None:
    mirror = ChannelPolicy(alias="https://mirror.lab.org/conda")
    assert mirror.resolved("conda-forge::numpy >=1") == "https://mirror.lab.org/conda/conda-forge::numpy >=1"
    assert mirror.resolved("conda-forge/linux-64::numpy") == "https://mirror.lab.org/conda/conda-forge::numpy"
    assert mirror.resolved("numpy >=1") == "numpy >=1"


def test_channels_of_the_command_line(tmp_path: Path) -> None:
    directory = tmp_path / "my channel #1"
    directory.mkdir()
    policy = POLICY.with_channels([directory, "bioconda", "http://127.0.0.1:8000/c/"])
    url = directory.as_uri()
    assert policy.channels_for(Specification("a")) == [url, f"{ALIAS}/bioconda", "http://127.0.0.1:8000/c"]
    assert POLICY.with_channels([str(directory)]).default_channels == (url,)
    assert POLICY.with_channels([]) is POLICY
    for allowed in (url, "conda-forge", "http://127.0.0.1:8000/c"):
        assert policy.channel_fault(allowed) is None
    assert policy.channel_fault((tmp_path / "other").as_uri())
    policy.check_url(f"{url}/noarch/a-1-0.conda", kind="package")


SHA = "ab" * 32


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (f"{ALIAS}/conda-forge/linux-64/a-1.0-0.conda", "package"),
        (f"{ALIAS}/conda-forge/noarch/a-1.0-0.tar.bz2#sha256={SHA}", "package"),
        (f"{ALIAS}/conda-forge/noarch/a-1.0-0.tar.bz2#{'ab' * 16}", "package"),
        ("https://Conda.Anaconda.org:443/conda-forge/linux-64/_a-1!2.0+x-0.conda", "package"),
        ("https://storage.example.org/conda/x?signature=1", "redirect"),
        (f"{ALIAS}/conda-forge/linux-64/repodata.json.zst", "redirect"),
        ("https://git.lab.org/team/a-1.0-py3-none-any.whl", "pip"),
    ],
)
def test_urls_below_an_allowed_channel(url: str, kind: str) -> None:
    STRICT.check_url(url, kind=kind)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (f"{ALIAS}/conda-forge-evil/linux-64/a-1-0.conda", "package"),
        (f"{ALIAS}/bioconda/linux-64/a-1-0.conda", "package"),
        (f"{ALIAS}/conda-forge/linux-64/../../evil/linux-64/a-1-0.conda", "package"),
        (f"{ALIAS}/conda-forge/%2e%2e/evil/linux-64/a-1-0.conda", "package"),
        (f"{ALIAS}/conda-forge/x/linux-64/a-1-0.conda", "package"),
        (f"{ALIAS}/conda-forge/mars-64/a-1-0.conda", "package"),
        (f"{ALIAS}/conda-forge/linux-64/a-1-0.exe", "package"),
        (f"{ALIAS}/conda-forge/linux-64/a-1-0.conda?x", "package"),
        (f"{ALIAS}/conda-forge/linux-64/a-1-0.conda#x", "package"),
        (f"{ALIAS}\\@evil.org/conda-forge/linux-64/a-1-0.conda", "package"),
        ("https://ana:hunter2@conda.anaconda.org/conda-forge/linux-64/a-1-0.conda", "package"),
        ("https://conda.anaconda.org@evil.org/conda-forge/linux-64/a-1-0.conda", "package"),
        ("http://conda.anaconda.org/conda-forge/linux-64/a-1-0.conda", "package"),
        ("https://conda.anaconda.org:8443/conda-forge/linux-64/a-1-0.conda", "package"),
        ("file:///conda-forge/linux-64/a-1-0.conda", "package"),
        ("linux-64/a-1-0.conda", "package"),
        ("", "package"),
        ("https://storage.example.org/conda-evil/x", "redirect"),
        ("https://storage.example.org/conda/../x", "redirect"),
        ("file:///etc/passwd", "redirect"),
        (f"{ALIAS}/bioconda/linux-64/repodata.json", "redirect"),
        ("https://git.lab.org/teams/a.whl", "pip"),
        ("https://git.lab.org/team", "pip"),
        ("ssh://git.lab.org/team/a", "pip"),
    ],
)
def test_urls_outside(url: str, kind: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        STRICT.check_url(url, kind=kind)
    assert kind in refused.value.message
    assert "hunter2" not in refused.value.message


def test_pip_urls_obey_the_policy() -> None:
    good = "name: a\ndependencies: [{pip: ['git+https://git.lab.org/team/a.git@v1#egg=a', 'b @ https://git.lab.org/team/b.whl']}]"
    assert len(read_specification(good, STRICT).specification.pip) == 2
    for url in ("https://evil.org/team/b.whl", "file:///tmp/b.whl", "git+https://git.lab.org/team@evil.org/a.git"):
        with pytest.raises(SpecificationInvalid) as refused:
            read_specification(f"name: a\ndependencies: [{{pip: ['b @ {url}']}}]", STRICT)
        assert refused.value.problems[0].path == "dependencies[0].pip[0]"


def test_credentials_are_stripped() -> None:
    assert strip_credentials("https://u:p@h.org/t/x/c/linux-64?q=1") == "https://h.org/c/linux-64"
    assert strip_credentials("t/x/c") == "c"
    assert strip_credentials("conda-forge") == "conda-forge"


@given(st.one_of(st.text(max_size=40), st.text("htps:/.@%2e5c\\#?[]t-a1*~ ", max_size=30).map("https://".__add__)))
@settings(deadline=None, max_examples=1000)
def test_any_text_is_a_channel_or_is_refused(text: str) -> None:
    strip_credentials(text)
    try:
        url = POLICY.channel_url(text)
    except CondaStoreError:
        assert POLICY.channel_fault(text)
        return
    assert POLICY.channel_url(url) == url == normal_url(url)
    assert ".." not in url.split("/")
    assert "@" not in url.split("/")[2]
    assert not POLICY.allows(url) or is_below(url, ALIAS)


def test_wheels_of_a_lockfile_come_from_anywhere_unless_hosts_are_named():
    url = "https://files.example.org/packages/a-1-py3-none-any.whl"
    ChannelPolicy().check_url(url, kind="wheel")
    named = ChannelPolicy(allowed_wheel_urls=("https://files.example.org/packages",))
    named.check_url(url, kind="wheel")
    for foreign in ("https://evil.example.org/packages/a-1-py3-none-any.whl", "https://files.example.org/a.whl"):
        with pytest.raises(PolicyRefused, match="wheel URL"):
            named.check_url(foreign, kind="wheel")
