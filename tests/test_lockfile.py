"""Lockfiles: what is written is conda-lock's format and comes back the same; what others write is read with care."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_store.builds.lockfile import is_lockfile, lockfile_text, parse_lockfile
from conda_store.errors import PolicyRefused, SpecificationInvalid
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.locked import CondaPackage, Lock, LockedWheel, PlatformLock
from conda_store.packages.solver import Solver
from conda_store.specification import Specification
from conda_store.yaml_marks import YamlLimits

with warnings.catch_warnings():
    # The conda inside conda-lock uses what is deprecated; nobody here can change that.
    warnings.simplefilter("ignore")
    from conda_lock.lockfile import parse_conda_lock_file, write_conda_lock_file
    from conda_lock.lockfile.v1.models import Lockfile

CHANNEL = "https://conda.anaconda.org/conda-forge"
PLATFORMS = ("linux-64", "linux-aarch64", "osx-arm64")


def conda(name: str, version: str, build: str, subdir: str, depends: tuple[str, ...] = ()) -> CondaPackage:
    file_name = f"{name}-{version}-{build}.conda"
    return CondaPackage(
        name=name,
        version=version,
        build=build,
        subdir=subdir,
        url=f"{CHANNEL}/{subdir}/{file_name}",
        sha256=sha256(f"{subdir}/{file_name}".encode()).hexdigest(),
        md5=md5(f"{subdir}/{file_name}".encode()).hexdigest(),
        depends=depends,
    )


def wheel(name: str, version: str, depends: tuple[str, ...] = ()) -> LockedWheel:
    file_name = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return LockedWheel(
        name, version, f"https://files.example.org/{file_name}", sha256(file_name.encode()).hexdigest(), depends=depends
    )


def platform_lock(platform: str) -> PlatformLock:
    packages = (
        conda("python", "3.11.7", "h1_0", platform, ("__glibc >=2.17", "tzdata")),
        conda("numpy", "1.10", "py311_0", platform, ("python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311")),
        conda("tzdata", "2024a", "0", "noarch"),
        conda("_libgcc_mutex", "0.1", "conda_forge", platform),
    )
    return PlatformLock(platform, packages, (wheel("my-tool", "1.0", ("numpy >=1",)),))


LOCK = Lock((CHANNEL,), {platform: platform_lock(platform) for platform in PLATFORMS})
SPECIFICATION = Specification(
    "data",
    ("conda-forge",),
    ("numpy", "python 3.11.*"),
    ("my-tool",),
    (("GREETING", "grüß \x7f 😀"),),
    PLATFORMS,
    "An\nexample",
)


def read(source: bytes | str, **options: Any) -> tuple[Lock, Specification]:
    return parse_lockfile(source, **{"policy": ChannelPolicy(), "check_wheel_url": lambda url: None, **options})


def test_lock_and_specification_come_back():
    lock, specification = read(lockfile_text(LOCK, SPECIFICATION))
    assert (lock, specification) == (LOCK, SPECIFICATION)
    assert specification.sha256 == SPECIFICATION.sha256
    numpy = next(package for package in lock.platforms["linux-64"].conda if package.name == "numpy")
    assert numpy.depends == ("python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311")


words = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?", fullmatch=True)
versions = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True)
builds = st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True)
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=20)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    found = {}
    for platform in draw(st.sets(st.sampled_from(PLATFORMS), min_size=1)):
        names = draw(st.sets(words, max_size=4))
        packages = [
            conda(name, draw(versions), draw(builds), draw(st.sampled_from([platform, "noarch"]))) for name in names
        ]
        wheels = [wheel(name, draw(versions)) for name in draw(st.sets(words, max_size=2))]
        found[platform] = PlatformLock(platform, tuple(packages), tuple(wheels))
    return Lock((CHANNEL,), found)


specifications = st.builds(
    Specification,
    name=words,
    channels=st.lists(words, max_size=2).map(tuple),
    dependencies=st.lists(words, max_size=3).map(tuple),
    pip=st.lists(words, max_size=3).map(tuple),
    variables=st.dictionaries(st.from_regex(r"[A-Z_]{1,5}", fullmatch=True), plain, max_size=2).map(
        lambda variables: tuple(variables.items())
    ),
    platforms=st.sets(st.sampled_from(PLATFORMS)).map(tuple),
    description=plain,
)


@given(locks(), specifications)
@settings(deadline=None, max_examples=60)
def test_every_lock_comes_back(lock, specification):
    text = lockfile_text(lock, specification)
    assert read(text) == (lock, specification)
    assert is_lockfile(text)
    assert lockfile_text(*read(text)) == text


def test_text_depends_on_arguments_only():
    turned = Lock(
        LOCK.channels,
        {
            name: PlatformLock(name, LOCK.platforms[name].conda[::-1], LOCK.platforms[name].wheels)
            for name in reversed(PLATFORMS)
        },
    )
    assert lockfile_text(turned, SPECIFICATION) == lockfile_text(LOCK, SPECIFICATION)


def test_conda_lock_reads_every_platform(tmp_path):
    path = tmp_path / "conda-lock.yml"
    path.write_text(lockfile_text(LOCK, SPECIFICATION))
    found = parse_conda_lock_file(path)
    assert found.metadata.platforms == list(PLATFORMS)
    assert set(found.metadata.content_hash.values()) == {SPECIFICATION.sha256}
    for platform in PLATFORMS:
        entries = {(entry.manager, entry.name): entry for entry in found.package if entry.platform == platform}
        assert {name for manager, name in entries if manager == "conda"} == {
            "python",
            "numpy",
            "tzdata",
            "_libgcc_mutex",
        }
        assert entries["pip", "my-tool"].hash.sha256 == LOCK.platforms[platform].wheels[0].sha256
        assert entries["conda", "numpy"].dependencies["python"] == ">=3.11,<3.12.0a0"


def test_conda_lock_writes_the_same_document():
    document = yaml.safe_load(lockfile_text(LOCK, SPECIFICATION))
    model = Lockfile.model_validate(document)
    assert model.dict_for_output() == document


def test_no_credentials_in_a_lockfile():
    package = conda("a", "1", "0", "linux-64")
    secret = Lock(
        ("https://ana:geheim@conda.example.org/t/tk-1/x",),
        {"linux-64": PlatformLock("linux-64", (package,))},
    )
    dependencies = ("https://ana:geheim@conda.example.org/x::b", "https://conda.example.org/t/tk-1/x::c")
    text = lockfile_text(secret, Specification("a", ("https://ana:geheim@conda.example.org/x",), dependencies))
    assert "geheim" not in text
    assert "tk-1" not in text
    assert read(text)[0].channels == ("https://conda.example.org/x",)


def document() -> dict[str, Any]:
    """A lockfile as conda-lock writes it: no specification, channels by name."""
    value: dict[str, Any] = yaml.safe_load(lockfile_text(LOCK, SPECIFICATION))
    del value["metadata"]["custom_metadata"]
    value["metadata"]["channels"] = [{"url": "conda-forge", "used_env_vars": []}]
    for entry in value["package"]:
        entry.pop("build", None)
    return value


def test_lockfile_of_another_tool():
    lock, specification = read(yaml.safe_dump(document()), default_name="theirs")
    assert lock == LOCK
    assert specification.name == "theirs"
    assert specification.dependencies == ("_libgcc_mutex", "numpy")  # only a wheel requires numpy
    assert specification.pip == ("my-tool",)
    with pytest.raises(SpecificationInvalid, match="names no environment"):
        read(yaml.safe_dump(document()))


def test_lockfile_that_conda_lock_itself_writes(tmp_path):
    path = tmp_path / "conda-lock.yml"
    path.write_text(lockfile_text(LOCK, SPECIFICATION))
    write_conda_lock_file(parse_conda_lock_file(path), path, metadata_choices=set())
    assert read(path.read_bytes()) == (LOCK, SPECIFICATION)


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_is_read_too(indent):
    text = json.dumps(yaml.safe_load(lockfile_text(LOCK, SPECIFICATION)), indent=indent)
    assert is_lockfile(text)
    assert read(text) == (LOCK, SPECIFICATION)


def test_other_categories_are_left_out_and_repeated_entries_are_one():
    value = document()
    value["package"] += [{**value["package"][0], "category": "dev", "url": "file:///etc/passwd"}, value["package"][0]]
    assert read(yaml.safe_dump(value), default_name="x")[0] == LOCK


def test_platforms_restrict():
    lock, _ = read(lockfile_text(LOCK, SPECIFICATION), platforms=["osx-arm64"])
    assert dict(lock.platforms) == {"osx-arm64": LOCK.platforms["osx-arm64"]}
    with pytest.raises(SpecificationInvalid, match="not for win-64; it is for: linux-64, linux-aarch64, osx-arm64"):
        read(lockfile_text(LOCK, SPECIFICATION), platforms=["win-64"])


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_both_package_formats(suffix):
    value = document()
    value["package"][0]["url"] = value["package"][0]["url"].replace(".conda", suffix)
    lock, _ = read(yaml.safe_dump(value), default_name="x")
    assert any(package.url.endswith(suffix) for package in lock.platforms["linux-64"].conda)


def entry(change: Callable[[dict[str, Any]], object], manager: str = "conda") -> str:
    """A lockfile whose entry for numpy (or the wheel) was changed."""
    value = document()
    for item in value["package"]:
        if item["manager"] == manager and item["name"] in ("numpy", "my-tool"):
            change(item)
    return yaml.safe_dump(value)


def url(text: str) -> Callable[[dict[str, Any]], object]:
    return lambda item: item.update(url=text)


BROKEN = {
    "not YAML": ("package: [", "Not valid YAML"),
    "empty": ("", "empty"),
    "a list": ("- a\n- b\n", "is a mapping with 'version'"),
    "plain text": ("hello", "is a mapping with 'version'"),
    "UTF-16": ("version: 1".encode("utf-16"), "UTF-16"),
    "no version": ("metadata: {}\npackage: []\n", "'version' is missing"),
    "unknown version": ("version: 7\nmetadata: {}\npackage: []\n", "Version '7'"),
    "pixi.lock": ("version: 6\nenvironments: {}\npackages: []\n", "pixi workspace export conda-environment"),
    "no package list": ("version: 1\nmetadata: {}\n", "The list 'package' is missing"),
    "package is a mapping": ("version: 1\nmetadata: {}\npackage: {}\n", "The list 'package' is missing"),
    "item is a text": ("version: 1\nmetadata: {}\npackage: [numpy]\n", "must be a mapping"),
    "doubled key": ("version: 1\nversion: 1\nmetadata: {}\npackage: []\n", "stands here twice"),
    "python tag": ("version: 1\nmetadata: !!python/object:os.system {}\npackage: []\n", "is not allowed"),
    "no sha256": (entry(lambda item: item["hash"].pop("sha256")), "'numpy' has no sha256"),
    "no md5": (entry(lambda item: item["hash"].pop("md5")), "'numpy' has no md5"),
    "no hash": (entry(lambda item: item.pop("hash")), "'numpy' has no sha256"),
    "hash is a text": (entry(lambda item: item.update(hash="abc")), "'numpy' has no sha256"),
    "short hash": (entry(lambda item: item["hash"].update(sha256="abc")), "'abc' is not a sha256 of 'numpy'"),
    "hash no hex": (entry(lambda item: item["hash"].update(md5="g" * 32)), "is not a md5 of 'numpy'"),
    "no url": (entry(lambda item: item.pop("url")), "'numpy' has no url"),
    "no name": (entry(lambda item: item.pop("name")), "has no name"),
    "version is a list": (entry(lambda item: item.update(version=[1])), "'numpy' has no version"),
    "unknown manager": (entry(lambda item: item.update(manager="apt")), "manager 'apt'"),
    "unknown platform": (entry(lambda item: item.update(platform="linux-65")), "linux-65"),
    "foreign URL": (entry(url("https://evil.example.org/x/linux-64/numpy-1.10-py311_0.conda")), "evil.example.org"),
    "file URL": (entry(url("file:///srv/x/linux-64/numpy-1.10-py311_0.conda")), "file:///srv/x"),
    "credentials": (
        entry(url("https://ana:geheim@conda.anaconda.org/conda-forge/noarch/numpy-1.10-0.conda")),
        "credentials",
    ),
    "path tricks": (entry(url(f"{CHANNEL}/../other/noarch/numpy-1.10-0.conda")), "'..'"),
    "no package's URL": (entry(url(f"{CHANNEL}/noarch/numpy.zip")), "is not the URL of a conda package"),
    "another name": (entry(url(f"{CHANNEL}/noarch/scipy-1.10-0.conda")), "'scipy-1.10-0.conda' is not numpy 1.10"),
    "another version": (entry(url(f"{CHANNEL}/noarch/numpy-1.1-0.conda")), "'numpy-1.1-0.conda' is not numpy 1.10"),
    "another build": (entry(lambda item: item.update(build="py399_0")), "is not numpy 1.10 py399_0"),
    "another platform": (entry(url(f"{CHANNEL}/win-64/numpy-1.10-0.conda")), "a package for win-64"),
    "sdist": (entry(url("https://files.example.org/my-tool-1.0.tar.gz"), "pip"), "is not a wheel"),
    "wheel of another": (
        entry(url("https://files.example.org/other-1.0-py3-none-any.whl"), "pip"),
        "is not my-tool 1.0",
    ),
    "wheel from git": (entry(url("git+https://git.example.org/x@abc"), "pip"), "git.example.org"),
    "local wheel": (entry(url("file:///srv/my_tool-1.0-py3-none-any.whl"), "pip"), "only http and https"),
    "wheel without sha256": (entry(lambda item: item.update(hash={"md5": "0" * 32}), "pip"), "'my-tool' has no sha256"),
}


@pytest.mark.parametrize(("source", "said"), BROKEN.values(), ids=BROKEN)
def test_broken_lockfile(source, said):
    with pytest.raises(SpecificationInvalid) as caught:
        read(source, default_name="x")
    assert caught.value.message.startswith("The lockfile has ")
    assert said in caught.value.message
    assert "geheim" not in caught.value.message


def test_problems_name_line_and_path():
    with pytest.raises(SpecificationInvalid) as caught:
        read(entry(lambda item: item["hash"].update(md5="x")), default_name="x")
    assert [problem.path for problem in caught.value.problems] == [f"package[{n}].hash.md5" for n in (3, 4, 5)]
    lines = entry(lambda item: item["hash"].update(md5="x")).splitlines()
    assert all("md5: x" in lines[(problem.line or 0) - 1] for problem in caught.value.problems)


def test_one_package_in_two_versions_is_refused():
    value = document()
    other = {**value["package"][3], "version": "2.0", "url": value["package"][3]["url"].replace("1.10", "2.0")}
    value["package"].append(other)
    with pytest.raises(SpecificationInvalid, match="'numpy' stands twice for linux-64"):
        read(yaml.safe_dump(value), default_name="x")


def test_wheels_need_a_policy_that_knows_their_host():
    text = lockfile_text(LOCK, SPECIFICATION)
    with pytest.raises(SpecificationInvalid, match=r"files\.example\.org"):
        parse_lockfile(text, policy=ChannelPolicy())
    allowed = ChannelPolicy(allowed_pip_urls=("https://files.example.org",))
    assert parse_lockfile(text, policy=allowed) == (LOCK, SPECIFICATION)

    def refuse(wheel_url: str) -> None:
        raise PolicyRefused(f"no {wheel_url}")

    with pytest.raises(SpecificationInvalid, match="no https://files"):
        parse_lockfile(text, policy=ChannelPolicy(), check_wheel_url=refuse)


@pytest.mark.parametrize(
    "damaged",
    [
        "{",
        "[]",
        "{}",
        '{"name": 1}',
        '{"name": "a", "channels": "x"}',
        '{"name": "a", "dependencies": [{"npm": []}]}',
        '{"name": "a", "variables": {"A": 1}}',
        '{"name": "a/b"}',
        "[" * 5000,
    ],
)
def test_damaged_specification_inside(damaged):
    value = document()
    value["metadata"]["custom_metadata"] = {"conda-store-specification": damaged}
    with pytest.raises(SpecificationInvalid) as caught:
        read(yaml.safe_dump(value))
    assert caught.value.problems[0].path == "metadata.custom_metadata.conda-store-specification"


def test_bombs_are_refused_before_they_are_built():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for source in (f"version: 1\n{bomb}", "version: 1\npackage: " + "[" * 100_000):
        with pytest.raises(SpecificationInvalid, match="The lockfile has a problem"):
            read(source)
    with pytest.raises(SpecificationInvalid, match="at most 100 are read"):
        read("version: 1\n" + "#" * 100, limits=YamlLimits(max_bytes=100))


def test_a_thousand_problems_are_not_all_told():
    value = document()
    value["package"] = [{"name": f"p{number}"} for number in range(1000)]
    with pytest.raises(SpecificationInvalid) as caught:
        read(yaml.safe_dump(value), default_name="x")
    assert len(caught.value.problems) == 51
    assert "and 950 more problems" in caught.value.message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"\xef\xbb\xbfversion: 1\nmetadata:\n  x: 1\npackage: []\n", True),
        ("# comment\nversion: 6\nenvironments:\n", True),
        ('{"version": 1, "metadata": {}, "package": []}', True),
        ("name: a\ndependencies:\n- package\n", False),
        ("name: a\nvariables:\n  version: 1\n  package: x\n", False),
        ("name: version\n", False),
        (b"\xff\xfe", False),
        ("", False),
    ],
)
def test_detection(source, expected):
    assert is_lockfile(source) is expected


def test_lock_of_real_packages(sample_channel: Path, tmp_path: Path):
    solver = Solver(tmp_path / "repodata")
    channel = sample_channel.as_uri()
    platforms = ("linux-64", "linux-aarch64")
    lock = Lock((channel,), {name: solver.solve(["python", "numpy", "flask"], [channel], name) for name in platforms})
    path = tmp_path / "conda-lock.yml"
    path.write_text(lockfile_text(lock, SPECIFICATION))
    assert {entry.platform for entry in parse_conda_lock_file(path).package} == set(platforms)
    policy = ChannelPolicy().with_channels([channel])
    assert parse_lockfile(path.read_bytes(), policy=policy) == (lock, SPECIFICATION)
