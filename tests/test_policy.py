"""Policy on three levels: what is refused before anything is asked for, what after the solve, and who may loosen it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conda_store.builds.job import run_job
from conda_store.builds.policies import Level, policy_of
from conda_store.builds.quotas import full_namespaces
from conda_store.builds.states import Status
from conda_store.builds.workshop import Workshop
from conda_store.db.orm import BuildRow, SettingRow
from conda_store.errors import CondaStoreError
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.denied import by_license
from conda_store.packages.policy import Rule
from tests.engine import run_build
from tests.invented import InventedChannel, text_file, workshop_for
from tests.jobs import Bench
from tests.private_channel import watched
from tests.server import Server, running

ASKS = "name: {name}\nchannels: [conda-forge]\ndependencies: [python=3.11, {package}]\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("policy"), build_artifacts=["YAML"]) as server:
        yield server


def post(server: Server, namespace: str, text: str, name: str = "one") -> tuple[int, str]:
    body = {"specification": text, "namespace": namespace, "environment_name": name}
    answer = server.api.post("specification/", json=body)
    return answer.status_code, answer.text if answer.status_code != 200 else ""


def change(server: Server, path: str, **values: Any) -> None:
    answer = server.api.put(f"setting/{path}", json=values)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("setting", "text", "words"),
    [
        ({"conda_denied_packages": ["numpy"]}, "dependencies: [numpy=1.26]", "denies 'numpy' (conda_denied_packages)"),
        ({"conda_denied_packages": ["num* <2"]}, "dependencies: [numpy==1.26.4]", "denies 'num* <2'"),
        ({"pypi_denied_packages": ["Left_Pad"]}, "dependencies: [python, {pip: [left-pad]}]", "denies 'Left_Pad'"),
        ({"pip_policy": {"allowed": False}}, "dependencies: [python, {pip: [flask]}]", "takes no pip packages"),
        ({"conda_required_packages": ["ipykernel"]}, "dependencies: [python]", "requires 'ipykernel'"),
        ({"allowed_platforms": ["linux-64"]}, "dependencies: [python]\nplatforms: [osx-arm64]", "platform 'osx-arm64'"),
        ({"conda_allowed_channels": ["conda-forge"]}, "channels: [bioconda]\ndependencies: [x]", "is not allowed in"),
        ({"conda_allowed_channels": ["conda-forge"]}, "dependencies: ['bioconda::x']", "conda_allowed_channels"),
    ],
)
def test_a_refusal_names_the_rule_and_its_level(
    server: Server, setting: dict[str, Any], text: str, words: str, request: pytest.FixtureRequest
) -> None:
    namespace = f"refusing-{abs(hash(request.node.name))}"
    server.submit("first", namespace, "name: {name}\ndependencies: [python]\n")
    change(server, f"{namespace}/", **setting)
    status, message = post(server, namespace, text)
    assert status == 400 and words in message and namespace in message, message
    assert post(server, "elsewhere", text)[0] == 200


def test_what_is_allowed_still_is(server: Server) -> None:
    server.submit("first", "allowing")
    rules = {"conda_denied_packages": ["numpy <2"], "conda_required_packages": ["ipykernel"]}
    change(server, "allowing/", **rules, conda_included_packages=["ipykernel >=6"])
    assert post(server, "allowing", "dependencies: [numpy]") == (200, "")
    assert post(server, "allowing", "dependencies: [numpy==2.0]") == (200, "")


def test_a_lockfile_passes_by_no_rule(server: Server) -> None:
    server.submit("first", "locked")
    change(server, "locked/", conda_denied_packages=["openssl <3"])
    entry = {"name": "openssl", "version": "1.1.1", "manager": "conda", "platform": "linux-64", "dependencies": {}}
    url = "https://conda.anaconda.org/conda-forge/linux-64/openssl-1.1.1-0.conda"
    entry |= {"url": url, "hash": {"md5": "a" * 32, "sha256": "a" * 64}, "category": "main", "optional": False}
    text = json.dumps({"version": 1, "metadata": {"channels": [], "platforms": ["linux-64"]}, "package": [entry]})
    status, message = post(server, "locked", text)
    assert status == 400 and "denies 'openssl <3'" in message and "locked" in message


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"conda_denied_packages": ["a b c d"]}, "names no packages"),
        ({"pypi_included_packages": ["-r x"]}, "names no pip package"),
        ({"pip_policy": {"wheels_only": False}}, "wheels_only"),
        ({"virtual_packages": {"linux-64": {"__cuda": "new"}}}, "__cuda cannot be"),
        ({"virtual_packages": {"beos": {}}}, "beos"),
        ({"quota_bytes": -1}, "quota_bytes"),
        ({"conda_allowed_channels": ["https://u:p@h.org/c"]}, "credentials"),
        ({"conda_allowed_channels": ["https://u:p@h.org/*"]}, "credentials"),
        ({"conda_channel_alias": "https://u:p@h.org/c"}, "credentials"),
        ({"conda_channel_alias": "h.org"}, "conda_channel_alias"),
        ({"pip_policy": {"direct_urls": ["https://u:p@h.org/c"]}}, "credentials"),
    ],
)
def test_rules_that_nothing_could_follow_are_refused(server: Server, values: dict[str, Any], words: str) -> None:
    answer = server.api.put("setting/", json=values)
    assert answer.status_code == 400 and words in answer.text, answer.text


def test_quotas_of_environments_and_bytes(server: Server) -> None:
    build_id = server.submit("first", "small")
    server.complete(build_id)
    change(server, "small/", quota_environments=1)
    status, message = post(server, "small", "dependencies: [python]", "second")
    assert status == 429 and "quota_environments" in message and "the namespace 'small'" in message
    assert post(server, "small", "dependencies: [python]", "first")[0] == 200
    change(server, "small/", quota_environments=None, quota_bytes=1000)
    status, message = post(server, "small", "dependencies: [python]", "first")
    assert status == 429 and "quota_bytes" in message
    assert server.api.put("setting/small/first/", json={"quota_bytes": 5}).status_code == 400


def test_builds_beyond_the_quota_wait(server: Server) -> None:
    builds = [server.submit(f"e{number}", "waiting") for number in range(2)]
    change(server, "waiting/", quota_running_builds=1)
    with server.app.database.read() as session:
        place = session.get_one(BuildRow, builds[0]).environment.namespace_id
        assert full_namespaces(session, [place], [], {}) == set()
        # A worker was given the first one, and may not have begun yet.
        assert full_namespaces(session, [place], builds[:1], {}) == {place}
    lease = server.begin(builds[0])
    with server.app.database.read() as session:
        assert full_namespaces(session, [place], [], {}) == {place}
        assert full_namespaces(session, [place + 1000], [], {"quota_running_builds": 1}) == set()
    server.fail_with(lease, "enough")
    with server.app.database.read() as session:
        assert full_namespaces(session, [place], [], {}) == set()


def test_who_does_not_administer_everything_cannot_loosen(tmp_path: Path) -> None:
    rules = {"conda_allowed_channels": ["conda-forge"], "conda_denied_packages": ["numpy"]}
    with running(tmp_path, EnvironmentPolicy__settings=rules) as server:
        server.api.post("namespace/own/")
        token = server.api.post("token/", json={"role_bindings": {"own/*": ["admin"]}}).json()["data"]["token"]
        loose = {"conda_allowed_channels": ["bioconda"], "conda_denied_packages": []}
        mine = {"Authorization": f"Bearer {token}"}
        assert server.api.put("setting/own/", json=loose, headers=mine).status_code == 200
        assert "the deployment" in post(server, "own", "channels: [bioconda]\ndependencies: [x]")[1]
        assert "denies 'numpy'" in post(server, "own", "dependencies: [numpy]\nchannels: [conda-forge]")[1]
        assert server.api.get("setting/own/", params={"own": "true"}).json()["data"] == loose
        change(server, "own/", **loose)
        assert post(server, "own", "channels: [bioconda]\ndependencies: [numpy]") == (200, "")


DEPLOYMENT = Level("the deployment", {"conda_allowed_channels": ["conda-forge", "bioconda"], "quota_bytes": 100})


def test_a_lower_level_narrows_and_does_not_widen() -> None:
    below = {"conda_allowed_channels": ["bioconda", "evil"], "conda_denied_packages": ["x"], "quota_bytes": 1000}
    policy = policy_of([DEPLOYMENT, Level("the namespace 'a'", below)], ChannelPolicy(default_channels=("bioconda",)))
    assert policy.channels.channel_fault("bioconda") is None
    assert "the deployment" in str(policy.channels.channel_fault("evil"))
    assert "the namespace 'a'" in str(policy.channels.channel_fault("conda-forge"))
    assert policy.quotas["quota_bytes"].most == 100
    assert policy.packages.denied == (Rule("the namespace 'a'", "x"),)


def test_an_administrator_of_everything_may_widen() -> None:
    below = {"conda_allowed_channels": ["evil"], "quota_bytes": 1000}
    levels = [DEPLOYMENT, Level("the namespace 'a'", below, frozenset(below))]
    policy = policy_of(levels, ChannelPolicy())
    assert policy.channels.channel_fault("evil") is None
    assert policy.channels.channel_fault("bioconda")
    assert policy.quotas["quota_bytes"].most == 1000
    inner = Level("the environment 'a/b'", {"conda_default_channels": ["https://h.org/c"]})
    narrowed = policy_of([*levels, inner], ChannelPolicy()).channels
    assert narrowed.default_channels == ("https://h.org/c",) and narrowed.channel_fault("https://h.org/c")


@pytest.mark.parametrize(
    ("text", "pattern", "refused"),
    [
        ("GPL-3.0-only", "GPL-*", True),
        ("LGPL-3.0-only", "GPL-*", False),
        ("MIT OR GPL-3.0-only", "GPL-*", False),
        ("MIT AND GPL-3.0-only", "gpl-*", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-*", True),
        ("(MIT OR GPL-3.0-only) AND AGPL-3.0-only", "AGPL-*", True),
        ("Proprietary, see file", "Prop*", True),
        (None, "*", False),
    ],
)
def test_licences(text: str | None, pattern: str, refused: bool) -> None:
    assert (by_license(text, [Rule("here", pattern)]) is not None) == refused


def test_a_server_that_is_not_allowed_is_never_asked(server: Server, channel: InventedChannel) -> None:
    with watched(channel.directory) as never:
        entry = {"name": "a", "version": "1.0", "manager": "conda", "platform": "linux-64", "dependencies": {}}
        entry |= {"hash": {"md5": "a" * 32, "sha256": "a" * 64}, "category": "main", "optional": False}
        packages = [entry | {"url": f"{never.url}/linux-64/a-1.0-0.conda"}]
        wheel = {"manager": "pip", "url": f"{never.root}/a-1.0-py3-none-any.whl"}
        for text in (
            f"channels: ['{never.url}']\ndependencies: [app]",
            f"dependencies: ['{never.url}::app']",
            f"dependencies: ['app[channel={never.url}]']",
            f"dependencies: ['{never.url}/linux-64/app-1.0-0.conda']",
            f"channels: ['file://{channel.directory}']\ndependencies: [app]",
            f"dependencies: [python, {{pip: ['app @ {never.root}/app-1.0-py3-none-any.whl']}}]",
            f"dependencies: [python, {{pip: ['git+{never.root}/app.git']}}]",
            f"dependencies: [python, {{pip: ['--index-url {never.root}', app]}}]",
            f"dependencies: [python, {{pip: ['app --extra-index-url={never.root}']}}]",
            f"dependencies: [python, {{pip: ['--find-links {never.root}', app]}}]",
            f"dependencies: [python, {{pip: ['-r {never.root}/requirements.txt']}}]",
            f"dependencies: [python, {{pip: ['-e git+{never.root}/app.git']}}]",
            json.dumps({"version": 1, "metadata": {"channels": [], "platforms": ["linux-64"]}, "package": packages}),
        ):
            status, message = post(server, "default", text)
            assert status == 400, (text, message)
        for asked in (f"--index-url {never.root}", f"app @ {never.root}/app-1.0-py3-none-any.whl"):
            answer = server.api.get("specification/", params={"conda": "python", "pip": asked})
            assert answer.status_code == 400, answer.text
        # An index may have a wheel like this one: that is asked when it is built, and before the wheel is.
        lock = {"version": 1, "metadata": {"channels": [], "platforms": ["linux-64"]}, "package": [entry | wheel]}
        with pytest.raises(CondaStoreError, match="https"):
            run_build(workshop_for(channel.directory / "store", channel), json.dumps(lock))
        assert never.requests == []


@pytest.fixture
def channel(tmp_path: Path) -> InventedChannel:
    made = InventedChannel(tmp_path / "channel")
    made.add("app", [text_file("share/app")], depends=["middle"])
    made.add("middle", [text_file("share/middle")], depends=["bad >=1"])
    made.add("bad", [text_file("share/bad")], version="1.5", license="GPL-3.0-only", stated={"license": "MIT"})
    made.add("agent", [text_file("share/agent")])
    return made


@pytest.fixture
def bench(tmp_path: Path, workshop: Workshop, channel: InventedChannel, base_image: str) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench", workshop.directory, channel.directory, base_image, ("packages", "repodata"))
    yield made
    made.database.close()


def built(bench: Bench, source: str, **rules: Any) -> int:
    build_id = bench.submit(source)
    namespace_id = bench.build(build_id).environment.namespace_id
    with bench.database.write() as session:
        for name, value in {"build_artifacts": ["YAML"], **rules}.items():
            session.add(SettingRow(namespace_id=namespace_id, environment_id=0, name=name, value=value))
    run_job(bench.settings, build_id)
    return build_id


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"conda_denied_packages": ["bad <2"]}, "denies 'bad <2' (conda_denied_packages)"),
        # The channel's index says MIT; the package itself knows better.
        ({"denied_licenses": ["GPL-3.0-*"]}, "under 'GPL-3.0-only'"),
    ],
)
def test_what_comes_along_is_refused_with_its_way(bench: Bench, rules: dict[str, Any], words: str) -> None:
    build = bench.build(built(bench, "dependencies: [app]\n", **rules))
    assert build.status == Status.FAILED and build.status_info is not None
    assert words in build.status_info and "app → middle → bad" in build.status_info
    assert "namespace 'default'" in build.status_info
    assert bench.prefixes() == []


def test_what_is_included_is_installed_and_told(bench: Bench) -> None:
    build_id = built(bench, "dependencies: [middle]\n", conda_included_packages=["agent"])
    assert bench.build(build_id).status == Status.COMPLETED, bench.log(build_id)
    assert (bench.link() / "share/agent").exists() and "Added by the settings" in bench.log(build_id)


def test_a_build_that_would_not_fit_fails(bench: Bench) -> None:
    build = bench.build(built(bench, "dependencies: [app]\n", quota_bytes=1))
    assert build.status == Status.FAILED and "quota_bytes" in str(build.status_info)
    assert bench.prefixes() == []
