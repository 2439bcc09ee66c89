"""The pip section: locking real requirements against an index, and wheels as files that have a place in a prefix."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from conda_store.builds.workshop import Workshop
from conda_store.errors import (
    BadInput,
    CondaStoreError,
    DigestMismatch,
    FetchFailed,
    PackageRefused,
    PolicyRefused,
    SolveFailed,
    SpecificationInvalid,
)
from conda_store.packages.archives import UnpackLimits
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.contents import PLACEHOLDER, Contents, PlacedFile, Python, contents_of_files
from conda_store.packages.locked import LockedWheel
from conda_store.packages.pip import lock_wheels
from conda_store.packages.pip_index import check_on_index, check_scheme
from conda_store.packages.pip_provided import ProvidedDistribution, provided_distributions
from conda_store.packages.uv_process import index_credentials
from conda_store.packages.wheel_layout import MTIME
from conda_store.packages.wheels import WheelStore
from tests.engine import run_build

PYTHON = Python("0" * 64, "3.11.7", "lib/python3.11/site-packages")
FLASK = ProvidedDistribution("flask", "3.1.0", ("werkzeug>=3.1", "jinja2>99"), ())
JINJA = ProvidedDistribution("jinja2", "3.1.5", ("MarkupSafe>=2",))
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

Lock = Callable[..., tuple[LockedWheel, ...]]
Files = Sequence[tuple[str | zipfile.ZipInfo, str | bytes]]


@pytest.fixture(scope="session")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Lock:
    """`lock_wheels` for linux-64 and python 3.11 with a cache that the tests share."""
    cache = tmp_path_factory.mktemp("uv-cache")

    def call(*requirements: str, **options: object) -> tuple[LockedWheel, ...]:
        settings = {"platform": "linux-64", "python_version": "3.11.7", "cache_directory": cache} | options
        return lock_wheels(requirements, **settings)  # type: ignore[arg-type]

    return call


def make_wheel(
    directory: Path,
    files: Files = (),
    *,
    name: str = "tiny",
    version: str = "1.0",
    metadata: str = METADATA,
    compression: int = zipfile.ZIP_DEFLATED,
) -> LockedWheel:
    """A wheel with `files`, locked by its digest; `metadata` may lie."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    root = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{root}/METADATA", metadata.format(name=name, version=version))
        archive.writestr(f"{root}/WHEEL", WHEEL)
        archive.writestr(f"{root}/RECORD", "")
        for target, content in files:
            archive.writestr(target, content)
    return locked(path, name, version)


def locked(path: Path, name: str = "tiny", version: str = "1.0") -> LockedWheel:
    data = path.read_bytes()
    return LockedWheel(name, version, path.resolve().as_uri(), hashlib.sha256(data).hexdigest(), len(data))


def one(store: WheelStore, wheel: LockedWheel, python: Python = PYTHON, platform: str = "linux-64") -> Contents:
    return store.ensure([wheel], python, platform)[wheel.sha256]


def by_target(contents: Contents) -> dict[str, PlacedFile]:
    return {file.target: file for file in contents.files}


def finished(store: WheelStore) -> list[Path]:
    return sorted(store.root.glob("??/*"))


# Locking


def test_flask_brings_its_dependencies_as_wheels_with_digests(lock: Lock) -> None:
    wheels = {wheel.name: wheel for wheel in lock("flask")}
    assert {"flask", "werkzeug", "jinja2", "click", "markupsafe", "itsdangerous", "blinker"} <= wheels.keys()
    assert all(len(wheel.sha256) == 64 and wheel.url.endswith(".whl") for wheel in wheels.values())
    assert "cp311-manylinux" in wheels["markupsafe"].file_name


@pytest.mark.parametrize(
    ("platform", "tag"),
    [
        ("linux-aarch64", "_aarch64"),
        ("osx-arm64", "macosx_11_0_arm64"),
        ("osx-64", "macosx"),
        ("win-64", "win_amd64"),
    ],
)
def test_another_platform_gets_its_own_wheels(lock: Lock, platform: str, tag: str) -> None:
    (wheel,) = lock("markupsafe", platform=platform, python_version="3.12")
    assert "cp312" in wheel.file_name
    assert tag in wheel.file_name


def test_what_conda_provides_is_neither_locked_nor_replaced(lock: Lock) -> None:
    names = {wheel.name for wheel in lock("flask", "flask-login", provided=[FLASK, JINJA])}
    assert "flask-login" in names
    assert names.isdisjoint({"flask", "jinja2"})
    assert {"werkzeug", "markupsafe"} <= names, "what conda's packages lack comes from the index"


def test_extras_of_a_provided_distribution_are_still_brought(lock: Lock) -> None:
    provided = ProvidedDistribution("flask", "3.1.0", ('asgiref>=3.2 ; extra == "async"',), ("async",))
    assert "asgiref" in {wheel.name for wheel in lock("flask[async]", provided=[provided])}


@pytest.mark.parametrize(
    "requirement", ["flask<3", "Flask==3.1.3", "flask @ https://example.org/flask-3.1.3-py3-none-any.whl"]
)
def test_a_requirement_against_conda_names_both_sides(lock: Lock, requirement: str) -> None:
    with pytest.raises(
        SolveFailed, match=r"pip's requirement '[Ff]lask.*conda package [Ff]lask 3\.1\.0 .* change one of them"
    ):
        lock(requirement, provided=[FLASK, JINJA])


def test_a_dependency_against_conda_names_both_sides(lock: Lock) -> None:
    with pytest.raises(SolveFailed) as failure:
        lock("flask-appbuilder==4.1.0", provided=[FLASK, JINJA])
    assert "'flask-appbuilder==4.1.0' needs flask>=2,<3, but conda package flask 3.1.0" in failure.value.message


@pytest.mark.parametrize(
    ("requirements", "kind", "words"),
    [
        (["flaask"], SolveFailed, "no package named 'flaask' .* mean 'flask'"),
        (["docopt==0.6.2"], SolveFailed, "'docopt' has only a source distribution"),
        (["tensorflow==1.15"], SolveFailed, r"'tensorflow' has no wheel for python 3\.11\.7 on linux-64"),
        (["requests==2.32.0", "urllib3<1"], SolveFailed, "requests==2.32.0 depends on urllib3"),
        (["flask-login==99"], SolveFailed, "no version of flask-login==99"),
        (["foo bar"], BadInput, "'foo bar' is not a pip requirement"),
        (["flask\n--index-url http://evil.example"], BadInput, "is not a pip requirement"),
        (["flask @ git+https://u:hunter2@example.org/flask"], PolicyRefused, "is not a wheel"),
    ],
)
def test_a_failure_says_what_is_wrong(
    lock: Lock, requirements: list[str], kind: type[CondaStoreError], words: str
) -> None:
    with pytest.raises(kind, match=words) as failure:
        lock(*requirements, provided=[FLASK])
    assert "\x1b" not in failure.value.message
    assert "hunter2" not in failure.value.message


def test_an_unknown_platform_is_refused_by_name(lock: Lock) -> None:
    with pytest.raises(BadInput, match="linux-s390x"):
        lock("flask", platform="linux-s390x")


def test_sdists_are_refused_clearly(lock: Lock) -> None:
    with pytest.raises(PolicyRefused, match="wheels only"):
        lock("docopt", allow_sdists=True)


def test_an_index_that_is_down_is_a_fetch_failure_without_its_password(
    lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(FetchFailed, match=r"http://127\.0\.0\.1:9/simple") as failure:
        lock("flask", index_urls=["http://me:hunter2@127.0.0.1:9/simple"])
    assert "hunter2" not in failure.value.message


def test_a_direct_url_passes_the_check_and_is_locked(lock: Lock, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, [("tiny.py", "x = 1\n")])
    assert lock(f"tiny @ {wheel.url}") == (wheel,)

    def forbid(url: str) -> None:
        raise PolicyRefused(f"{url} is forbidden")

    with pytest.raises(PolicyRefused, match="forbidden"):
        lock(f"tiny @ {wheel.url}", check_url=forbid)


def test_distributions_are_found_among_conda_packages(tmp_path: Path) -> None:
    texts = {
        "lib/python3.11/site-packages/Flask-3.1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: Flask\n"
        "Version: 3.1.0\nRequires-Dist: jinja2\nProvides-Extra: async\n",
        "lib/python3.11/site-packages/old_one.egg-info": "Metadata-Version: 1.1\nName: old.one\nVersion: 1.0.0\n",
        "lib/python3.11/site-packages/odd.dist-info/METADATA": "Name: odd\nVersion: not a version\n",
        "share/doc/METADATA": "Name: no\nVersion: 1\n",
    }
    files = [PlacedFile(target, None, 0o644, 0, len(text), text=text) for target, text in texts.items()]
    package = contents_of_files(files, key="0", name="x", version="1", kind="conda", directory=tmp_path)
    assert provided_distributions([package]) == (
        ProvidedDistribution("flask", "3.1.0", ("jinja2",), ("async",)),
        ProvidedDistribution("old-one", "1.0.0"),
    )
    assert provided_distributions([replace(package, kind="wheel")]) == ()


# The wheels of a lockfile that somebody sent


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., None]:
    """`check_on_index` for linux-64 and python 3.11."""

    def call(*wheels: LockedWheel, **options: object) -> None:
        settings = {"platform": "linux-64", "python_version": "3.11.7", "cache_directory": tmp_path} | options
        check_on_index(wheels, **settings)  # type: ignore[arg-type]

    return call


def only_below(prefix: str) -> Callable[[str], object]:
    return partial(ChannelPolicy(allowed_pip_urls=(prefix,)).check_url, kind="pip")


def test_the_wheels_of_ones_own_lock_are_on_the_index(lock: Lock, check: Callable[..., None]) -> None:
    check(*lock("flask"))
    check(*lock("markupsafe", platform="osx-arm64"), platform="osx-arm64")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "0" * 64}, "with sha256 0{64} is not what the package index offers"),
        ({"url": "https://evil.example/cowsay-6.1-py3-none-any.whl"}, "is not what the package index offers"),
        ({"url": "http://127.0.0.1:9/cowsay-6.1-py3-none-any.whl"}, "is not at an https URL"),
        ({"url": "file:///etc/cowsay-6.1-py3-none-any.whl"}, "is not at an https URL"),
        ({"version": "99", "url": "https://evil.example/cowsay-99-py3-none-any.whl"}, "no version of cowsay"),
        ({"name": "cowsayy0", "url": "https://evil.example/cowsayy0-6.1-py3-none-any.whl"}, "no package named"),
    ],
)
def test_a_wheel_that_is_not_the_indexs_own_is_refused_by_name(
    lock: Lock, check: Callable[..., None], change: dict[str, str], words: str
) -> None:
    (cowsay,) = lock("cowsay==6.1")
    wrong = replace(cowsay, **change)  # type: ignore[arg-type]
    with pytest.raises(PolicyRefused, match=words) as failure:
        check(*lock("flask"), wrong)
    assert failure.value.message.startswith(f"{wrong}: the wheel at '{wrong.url}'")
    assert failure.value.message.endswith("Lock the environment again, or let an administrator allow the URL.")


def test_another_real_wheel_is_refused_under_a_wrong_name(lock: Lock, check: Callable[..., None]) -> None:
    (old,), (new,) = lock("cowsay==6.0"), lock("cowsay==6.1")
    with pytest.raises(PolicyRefused, match=r"cowsay==6\.1: .* is not what the package index offers"):
        check(replace(new, sha256=old.sha256))
    with pytest.raises(PackageRefused, match=r"cowsay==6\.1: the lock gives it the file 'cowsay-6\.0"):
        check(replace(new, url=old.url, sha256=old.sha256))


def test_a_wheel_that_an_administrator_allowed_is_not_asked_for(
    lock: Lock, check: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (cowsay,) = lock("cowsay==6.1")
    ours = replace(cowsay, url=f"http://wheels.example/ours/{cowsay.file_name}", sha256="0" * 64)
    offline = {"index_urls": ["http://127.0.0.1:9/simple"]}
    check(ours, check_url=only_below("http://wheels.example/ours"), **offline)
    with pytest.raises(PolicyRefused, match="is not at an https URL"):
        check(ours, check_url=only_below("http://wheels.example/theirs"), **offline)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(FetchFailed, match=r"package index .* cannot be reached"):
        check(ours, cowsay, check_url=only_below("http://wheels.example/ours"), **offline)


def test_an_index_that_is_down_vouches_for_nothing(
    lock: Lock, check: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(FetchFailed, match=r"http://127\.0\.0\.1:9/simple") as failure:
        check(*lock("flask"), index_urls=["http://me:hunter2@127.0.0.1:9/simple"])
    assert "hunter2" not in failure.value.message


def test_a_url_is_judged_by_its_scheme_without_a_request() -> None:
    allow = only_below("http://wheels.example/ours")
    check_scheme("https://anywhere.example/tiny-1.0-py3-none-any.whl")
    check_scheme("http://wheels.example/ours/tiny-1.0-py3-none-any.whl", allow)
    for url in ("http://wheels.example/tiny-1.0-py3-none-any.whl", "file:///tiny-1.0-py3-none-any.whl"):
        with pytest.raises(PolicyRefused, match=f"'{url}' is not at an https URL"):
            check_scheme(url, allow)


def test_a_lockfile_builds_again_but_not_with_wheels_from_elsewhere(workshop: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "conda-lock.yml"
    run_build(workshop, "name: moo\ndependencies: [python, pip, {pip: [cowsay==6.1]}]\n", lock=path)
    text = path.read_text()
    run_build(workshop, text, prefix=tmp_path / "prefix")
    assert (tmp_path / "prefix/bin/cowsay").exists()
    (url,) = [line.split()[1] for line in text.splitlines() if line.endswith(".whl")]
    elsewhere = f"https://evil.example/{url.rpartition('/')[2]}"
    with pytest.raises(PolicyRefused, match=f"cowsay==6.1: the wheel at '{elsewhere}'"):
        run_build(workshop, text.replace(url, elsewhere), prefix=tmp_path / "other")
    with pytest.raises(SpecificationInvalid, match=r"line .* is not at an https URL"):
        run_build(workshop, text.replace(url, url.replace("https:", "http:")), prefix=tmp_path / "other")
    assert not (tmp_path / "other").exists()


# Laying out


def test_real_wheels_have_their_files_where_python_looks(lock: Lock, tmp_path: Path) -> None:
    store = WheelStore(tmp_path)
    wheels = lock("flask", "jupyterlab_widgets")
    found = {c.name: c for c in store.ensure(wheels, PYTHON, "linux-64").values()}
    flask = by_target(found["flask"])
    script = flask["bin/flask"]
    assert script.read().startswith(f"#!{PLACEHOLDER}/bin/python3.11\n".encode())
    assert (script.placeholder, script.file_mode, script.mode) == (PLACEHOLDER, "text", 0o755)
    assert f"{PYTHON.site_packages}/flask/app.py" in flask
    assert any(path.startswith("share/jupyter/labextensions/") for path in found["jupyterlab-widgets"].paths)
    assert any(path.endswith(".so") for path in found["markupsafe"].paths)
    for file in (file for contents in found.values() for file in contents.files):
        status = Path(str(file.source)).lstat()
        assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (file.mode & 0o555, MTIME)
        assert hashlib.sha256(file.read()).hexdigest() == file.sha256
        assert (status.st_size, status.st_nlink) == (file.size, 1)


def test_nothing_tells_of_uv_or_this_machine(lock: Lock, tmp_path: Path) -> None:
    (wheel,) = [wheel for wheel in lock("flask") if wheel.name == "flask"]
    contents = one(WheelStore(tmp_path), wheel)
    names = {path.rpartition("/")[2] for path in contents.paths}
    assert names.isdisjoint({"direct_url.json", "uv_cache.json", "REQUESTED", ".lock"})
    files = {path.rpartition("/")[2]: file for path, file in by_target(contents).items() if ".dist-info/" in path}
    assert files["INSTALLER"].read() == b"conda-store\n"
    rows = files["RECORD"].read().decode().splitlines()
    assert rows == sorted(rows)
    assert len(rows) == len(contents.files)
    assert "../../../bin/flask,," in rows
    secrets = (str(tmp_path).encode(), sys.executable.encode())
    assert not any(secret in file.read() for file in contents.files for secret in secrets)


def test_a_foreign_platform_and_python_version(lock: Lock, tmp_path: Path) -> None:
    python = Python("0" * 64, "3.12.4", "lib/python3.12/site-packages")
    wheels = lock("numpy==2.1.0", "greenlet", platform="linux-aarch64", python_version="3.12.4")
    found = {c.name: c for c in WheelStore(tmp_path).ensure(wheels, python, "linux-aarch64").values()}
    assert by_target(found["numpy"])["bin/f2py"].read().startswith(f"#!{PLACEHOLDER}/bin/python3.12\n".encode())
    assert any("aarch64-linux-gnu.so" in path for path in found["numpy"].paths)
    assert "include/site/python3.12/greenlet/greenlet.h" in found["greenlet"].paths
    assert not any("python3.11" in path for contents in found.values() for path in contents.paths)


def test_data_files_stay_where_the_wheel_says(tmp_path: Path) -> None:
    files = [
        ("tiny.py", ""),
        ("tiny-1.0.data/data/lib/python3.11/site-packages/kept.txt", "as it is"),
        ("tiny-1.0.data/data/etc/tiny.conf", ""),
        ("tiny-1.0.data/scripts/own", "#!/bin/sh\necho\n"),
        ("tiny-1.0.data/scripts/with-python", "#!python\nprint(1)\n"),
        ("__pycache__/tiny.cpython-311.pyc", b"stale"),
    ]
    python = Python("0" * 64, "3.12.0", "lib/python3.12/site-packages")
    found = by_target(one(WheelStore(tmp_path / "store"), make_wheel(tmp_path, files), python))
    assert "lib/python3.11/site-packages/kept.txt" in found
    assert "etc/tiny.conf" in found
    assert found["bin/own"].read() == b"#!/bin/sh\necho\n"
    assert found["bin/own"].placeholder is None
    assert found["bin/with-python"].read() == f"#!{PLACEHOLDER}/bin/python3.12\nprint(1)\n".encode()
    assert not any("__pycache__" in path for path in found)


def test_a_local_version(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, [("tiny.py", "")], version="1.0+cpu.2")
    assert one(WheelStore(tmp_path / "store"), wheel).version == "1.0+cpu.2"


def test_the_second_time_nothing_is_fetched_or_walked(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "index", [("tiny.py", "x = 1\n")])
    made: list[LockedWheel] = []
    first = WheelStore(tmp_path / "store").ensure([wheel], PYTHON, "linux-64", progress=made.append)
    Path(tmp_path / "index" / wheel.file_name).unlink()
    second = WheelStore(tmp_path / "store").ensure([wheel], PYTHON, "linux-64", progress=made.append)
    assert made == [wheel]
    assert second[wheel.sha256].files == first[wheel.sha256].files
    assert second[wheel.sha256].size == sum(file.size for file in first[wheel.sha256].files)


# Determinism

PROGRAM = """
import hashlib, json, os, sys
from pathlib import Path
from conda_store.packages.contents import Python
from conda_store.packages.locked import LockedWheel
from conda_store.packages.wheels import WheelStore
store, umask, *wheels = sys.argv[1:]
os.umask(int(umask, 8))
wheels = [LockedWheel(*json.loads(wheel)) for wheel in wheels]
found = WheelStore(Path(store)).ensure(wheels, Python("0" * 64, "3.11.7", "lib/python3.11/site-packages"), "linux-64")
for contents in found.values():
    for file in contents.files:
        status = os.lstat(file.source)
        print(contents.key, file._replace(source=None), status.st_mode, status.st_mtime_ns,
              hashlib.sha256(file.read()).hexdigest())
"""


def start(
    store: Path, wheels: Sequence[LockedWheel], umask: str = "022", python: str = sys.executable, **env: str
) -> subprocess.Popen[str]:
    """A process of its own that lays `wheels` out and prints every file."""
    texts = [json.dumps([wheel.name, wheel.version, wheel.url, wheel.sha256]) for wheel in wheels]
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent.parent), *sys.path]))
    return subprocess.Popen(
        [python, "-c", PROGRAM, str(store), umask, *texts],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path} | env,
    )


def output(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return text


def test_the_same_bytes_whatever_store_umask_time_zone_seed_and_interpreter(lock: Lock, tmp_path: Path) -> None:
    wheels = [wheel for wheel in lock("flask") if wheel.name in ("flask", "markupsafe")]
    wheels.append(make_wheel(tmp_path, [("tiny-1.0.data/scripts/run", "#!python\nprint(1)\n")]))
    long = tmp_path / ("long" * 20) / ("path" * 20)
    venv.create(long, symlinks=True)
    plain = output(start(tmp_path / "a", wheels, TZ="UTC", PYTHONHASHSEED="1"))
    other = output(
        start(
            long / "store",
            wheels[::-1],
            umask="077",
            python=str(long / "bin" / "python"),
            TZ="Asia/Kathmandu",
            PYTHONHASHSEED="2",
        )
    )
    assert "bin/flask" in plain
    assert sorted(plain.splitlines()) == sorted(other.splitlines())


# Many processes, and their end


class CountingHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a directory under `/index`, counts requests, and redirects where told."""

    def __init__(self, *args: object, index: Index, **options: object) -> None:
        self.requests, self.arrived, self.held = index.requests, index.arrived, index.held
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path.startswith("/away/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/away/"))
            self.end_headers()
        elif self.path.startswith("/private/") and self.headers["Authorization"] != "Basic bWU6aHVudGVyMg==":
            self.send_error(401)
        elif self.path.startswith("/held/"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"PK")
            self.wfile.flush()
            self.arrived.set()
            self.held.wait(60)
        else:
            self.path = "/" + self.path.rpartition("/")[2]
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Index:
    """A small package index on loopback."""

    def __init__(self, directory: Path) -> None:
        self.requests: list[str] = []
        self.arrived = threading.Event()
        self.held = threading.Event()
        handler = partial(CountingHandler, directory=str(directory), index=self)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def wheel(self, wheel: LockedWheel, folder: str = "index", scheme: str = "http") -> LockedWheel:
        return replace(wheel, url=f"{self.url(scheme)}/{folder}/{wheel.file_name}")

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    server = Index(tmp_path / "index")
    yield server
    server.held.set()
    server.server.shutdown()
    server.server.server_close()
    server.thread.join()


def test_two_processes_at_once_fetch_once(index: Index, tmp_path: Path) -> None:
    wheel = index.wheel(make_wheel(tmp_path / "index", [(f"tiny/m{n}.py", "x = 1\n" * 99) for n in range(300)]))
    processes = [start(tmp_path / "store", [wheel]) for _ in range(2)]
    first, second = map(output, processes)
    assert first == second
    assert len(index.requests) == 1


def test_killed_in_the_middle_leaves_nothing_that_a_reader_could_see(index: Index, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "index", [("tiny.py", "x = 1\n")])
    process = start(tmp_path / "store", [index.wheel(wheel, "held")])
    scratch = tmp_path / "store" / "tmp"
    assert index.arrived.wait(60), "nothing was fetched"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(scratch.iterdir()), "the killed process left something to sweep"
    store = WheelStore(tmp_path / "store")
    assert finished(store) == []
    assert list(scratch.iterdir()) == []
    assert one(store, index.wheel(wheel)).paths
    assert len(finished(store)) == 1


# The index


def test_a_redirect_is_checked_before_it_is_followed(index: Index, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "index", [("tiny.py", "")])
    direct = index.wheel(wheel)
    away = replace(wheel, url=f"{index.url()}/away/{direct.url}")
    seen: list[str] = []
    assert one(WheelStore(tmp_path / "a", check_url=seen.append), away).name == "tiny"
    assert seen == [away.url, direct.url]

    def only_away(url: str) -> None:
        if "/away/" not in url:
            raise PolicyRefused(f"{url} is forbidden")

    asked = len(index.requests)
    with pytest.raises(PolicyRefused, match="/index/"):
        one(WheelStore(tmp_path / "b", check_url=only_away), away)
    assert index.requests[asked:] == [f"/away/{direct.url}"]


def test_a_redirect_to_a_local_file_is_not_followed(index: Index, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "index")
    with pytest.raises(FetchFailed, match=r"tiny==1.0: a redirect to file:"):
        one(WheelStore(tmp_path / "a"), replace(wheel, url=f"{index.url()}/away/{wheel.url}"))


def test_a_private_index_gets_its_password_and_no_message_does(index: Index, tmp_path: Path) -> None:
    wheel = index.wheel(make_wheel(tmp_path / "index", [("tiny.py", "")]), "private")
    with pytest.raises(FetchFailed, match=r"tiny==1.0: .* answers 401") as failure:
        one(WheelStore(tmp_path / "a", index_urls=["http://me:hunter2@127.0.0.1:1/simple"]), wheel)
    assert "hunter2" not in failure.value.message
    private = index.url().replace("//", "//me:hunter2@")
    assert one(WheelStore(tmp_path / "a", index_urls=[f"{private}/simple"]), wheel).name == "tiny"
    assert index_credentials("https://example.org/x.whl", [f"{private}/simple"]) is None


def test_a_wheel_that_is_gone_or_another_is_named(index: Index, tmp_path: Path) -> None:
    store = WheelStore(tmp_path / "a")
    wheel = make_wheel(tmp_path / "index")
    with pytest.raises(FetchFailed, match="answers 404"):
        one(store, replace(wheel, url=f"{index.url()}/index/tiny-1.0-1gone-py3-none-any.whl"))
    with pytest.raises(FetchFailed, match="cannot be read"):
        one(store, replace(wheel, url=f"file:///nowhere/{wheel.file_name}"))
    with pytest.raises(DigestMismatch, match=r"tiny==1.0: the index sent"):
        one(store, replace(wheel, sha256="0" * 64))
    with pytest.raises(PackageRefused, match="larger than 10 bytes"):
        one(WheelStore(tmp_path / "b", max_wheel_bytes=10), wheel)
    assert finished(store) == []


# Hostile wheels


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def points(*lines: str) -> tuple[str, str]:
    return "tiny-1.0.dist-info/entry_points.txt", "\n".join(["[console_scripts]", *lines])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("../evil.py", "")], "leads out of the prefix"),
        ([("tiny/../../evil.py", "")], "leads out of the prefix"),
        ([("/tmp/evil.py", "")], "is absolute"),
        ([("tiny\\..\\..\\evil.py", "")], "backslash"),
        ([("tiny/./x.py", "")], "normal form"),
        ([(entry("tiny/link", 0o120777), "/etc/passwd")], "symlink or a device"),
        ([(entry("tiny/pipe", 0o010644), "")], "symlink or a device"),
        ([("tiny", ""), ("tiny/x.py", "")], "both as a file and as a directory"),
        ([("tiny-1.0.data/data/../../evil", "")], "leads out of the prefix"),
        ([("tiny-1.0.data/data//etc/evil", "")], "normal form|absolute"),
        ([("tiny-1.0.data/data/conda-meta/history", "")], "environment's own records"),
        ([("tiny-1.0.data/scripts/a\nb", "#!python\n")], "control characters"),
        ([points("../../evil = tiny:main")], "entry point"),
        ([points("/tmp/evil = tiny:main")], "entry point"),
        ([points("a\rb/c = tiny:main")], "entry point"),
        ([points(".. = tiny:main")], "entry point"),
        ([points("ok = tiny:main", "[other]", "../evil = tiny:main")], "leads out of the prefix"),
        ([("Tiny-1.0.DIST-INFO/METADATA", "")], "metadata of another package"),
        ([("other-1.0.dist-info/METADATA", "")], "metadata of another package"),
        ([("other-1.0.data/scripts/x", "")], "metadata of another package"),
        ([("big.py", b"\0" * (3 << 20))], "decompression bomb"),
        ([(f"m{n}.py", "") for n in range(60)], "decompression bomb"),
    ],
)
def test_a_hostile_wheel_is_refused_by_name(tmp_path: Path, files: Files, words: str) -> None:
    wheel = make_wheel(tmp_path / "outside" / "index", files)
    limits = UnpackLimits(free_bytes=1 << 20, ratio=10, entries=50)
    before = sorted(tmp_path.rglob("*"))
    store = WheelStore(tmp_path / "store", limits=limits)
    with pytest.raises(PackageRefused, match=f"tiny==1.0: .*{words}"):
        one(store, wheel)
    assert finished(store) == []
    assert sorted(path for path in tmp_path.rglob("*") if store.root not in (path, *path.parents)) == before
    assert not Path("/tmp/evil.py").exists()


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        wheel = make_wheel(tmp_path, [("tiny.py", "a"), ("tiny.py", "b")])
    with pytest.raises(PackageRefused, match=r"'tiny.py' twice"):
        one(WheelStore(tmp_path / "store"), wheel)


@pytest.mark.parametrize(
    "metadata",
    ["Name: other\nVersion: 1.0\n", "Name: tiny\nVersion: 2.0\n", "Name: tiny\n", "Name: tiny\nVersion: x\n"],
)
def test_metadata_of_another_package_is_refused(tmp_path: Path, metadata: str) -> None:
    wheel = make_wheel(tmp_path, metadata="Metadata-Version: 2.1\n" + metadata)
    with pytest.raises(PackageRefused, match=r"tiny==1.0: the wheel says that it is"):
        one(WheelStore(tmp_path / "store"), wheel)


def test_a_size_that_lies_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, [("big.py", b"\0" * 5_000_000)])
    path = tmp_path / wheel.file_name
    path.write_bytes(path.read_bytes().replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(PackageRefused, match=r"'big\.py' in the wheel has not the size"):
        one(WheelStore(tmp_path / "store"), locked(path))


def test_a_local_header_with_another_name_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, [("tiny_x.py", "")])
    path = tmp_path / wheel.file_name
    path.write_bytes(path.read_bytes().replace(b"tiny_x.py", b"../../xpy", 1))
    with pytest.raises(PackageRefused, match="differs from the directory"):
        one(WheelStore(tmp_path / "store"), locked(path))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    path.write_bytes(content)
    with pytest.raises(PackageRefused, match=r"tiny==1.0: the wheel"):
        one(WheelStore(tmp_path / "store"), locked(path))


@pytest.mark.parametrize(
    "file_name",
    [
        "tiny-2.0-py3-none-any.whl",
        "other-1.0-py3-none-any.whl",
        "tiny-1.0.tar.gz",
        "tiny-1.0-py3-none-any.x%2F..%2F..%2F..%2Fevil.whl",
        "tiny-1.0-cp39-cp39-win_amd64.whl",
    ],
)
def test_a_lock_that_names_another_file_is_refused(tmp_path: Path, file_name: str) -> None:
    wheel = make_wheel(tmp_path / "index")
    with pytest.raises(PackageRefused, match=r"tiny==1.0: "):
        one(WheelStore(tmp_path / "store"), replace(wheel, url=f"file://{tmp_path}/index/{file_name}"))


def test_a_lock_that_gives_a_known_digest_another_name_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "index", [("tiny.py", "")])
    store = WheelStore(tmp_path / "store")
    one(store, wheel)
    lie = replace(wheel, name="numpy", version="2.0", url="https://example.org/numpy-2.0-py3-none-any.whl")
    with pytest.raises(PackageRefused, match=r"numpy==2.0: .* is tiny==1.0"):
        one(store, lie)
