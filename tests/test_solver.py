"""The solver on channels of invented packages, and what it says when there is no answer."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conda_store.demo.conda_package import PackageFile, package_index, write_conda_package
from conda_store.errors import CondaStoreError, FetchFailed, SolveFailed, SpecificationInvalid
from conda_store.packages.indexing import index_channel
from conda_store.packages.locked import PlatformLock
from conda_store.packages.solver import Solver
from conda_store.packages.virtual import DEFAULTS, virtual_packages
from conda_store.specification_grammar import PLATFORMS

FIRST = [
    ("python", "3.11.7", []),
    ("python", "3.12.1", []),
    ("numpy", "1.26.4", ["python >=3.11,<3.12"]),
    ("numpy", "2.1.0", ["python >=3.12,<3.13"]),
    ("werkzeug", "2.3", []),
    ("werkzeug", "3.0", []),
    ("flask", "2.0", ["werkzeug <3"]),
    ("flask", "3.0", ["werkzeug >=3"]),
    ("shop", "1", ["flask 2.*"]),
    ("torch", "2", ["__cuda >=12"]),
    ("trainer", "1", ["torch"]),
    ("newlibc", "1", ["__glibc >=2.40"]),
    ("windowing", "1", ["__win"]),
    ("broken", "1", ["nosuch >=2"]),
    ("outdated", "1", ["numpy >=9"]),
    *(("many", f"1.{minor}", []) for minor in range(20)),
]


def write_channel(directory: Path, packages: list[tuple[str, str, list[str]]], subdir: str = "linux-64") -> str:
    for name, version, depends in packages:
        index = package_index(name, version, subdir=subdir, depends=depends)
        write_conda_package(directory, index, [PackageFile(f"share/{name}", version.encode())])
    index_channel(directory)
    return directory.as_uri()


@pytest.fixture(scope="session")
def channels(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two channels, `first` and `second`."""
    root = tmp_path_factory.mktemp("channels")
    first = root / "first"
    constrained = package_index("legacy", "1", subdir="linux-64", constrains=["werkzeug <3"])
    write_conda_package(first, constrained, [PackageFile("share/legacy", b"")])
    write_conda_package(first, package_index("pytz", "2024", subdir="noarch", noarch="generic"), [])
    write_conda_package(first, package_index("maconly", "1", subdir="osx-arm64"), [])
    second = write_channel(root / "second", [("flask", "9.0", []), ("extra", "01.02", ["werkzeug"])])
    return write_channel(first, FIRST), second


@pytest.fixture(scope="session")
def solver(tmp_path_factory: pytest.TempPathFactory) -> Solver:
    return Solver(tmp_path_factory.mktemp("repodata"), timeout_seconds=60)


def names(lock: PlatformLock) -> list[str]:
    return [package.stem for package in lock.conda]


def failure(solver: Solver, dependencies: list[str], channels: tuple[str, ...], platform: str = "linux-64") -> str:
    with pytest.raises(CondaStoreError) as caught:
        solver.solve(dependencies, channels, platform)
    assert not any(sign in caught.value.message for sign in "│├└─"), "the solver's line art"
    return caught.value.message


def test_solution_names_every_package_by_its_hashes(solver, channels):
    lock = solver.solve(["numpy <2", "extra"], channels, "linux-64")
    assert names(lock) == ["extra-01.02-0", "numpy-1.26.4-0", "python-3.11.7-0", "werkzeug-3.0-0"]
    extra, numpy, *_ = lock.conda
    assert extra.url == f"{channels[1]}/linux-64/extra-01.02-0.conda"
    assert numpy.depends == ("python >=3.11,<3.12",)
    assert (len(numpy.sha256), len(numpy.md5), numpy.subdir) == (64, 32, "linux-64")
    assert numpy.size == (Path(channels[0].removeprefix("file://")) / "linux-64" / numpy.file_name).stat().st_size


def test_nothing_wanted_is_an_empty_lock(solver):
    assert solver.solve([], [], "linux-64") == PlatformLock("linux-64", ())


def test_noarch_packages_serve_every_platform(solver, channels):
    assert names(solver.solve(["pytz"], channels, "win-64")) == ["pytz-2024-0"]


def test_constraints_limit_and_choose_nothing(solver, channels):
    lock = solver.solve(["flask"], channels, "linux-64", constraints=["werkzeug <3", "numpy <2"])
    assert names(lock) == ["flask-2.0-0", "werkzeug-2.3-0"]


def test_first_channel_that_has_a_package_provides_it(solver, channels):
    assert names(solver.solve(["flask"], channels, "linux-64"))[0] == "flask-3.0-0"
    assert names(solver.solve(["flask"], channels[::-1], "linux-64"))[0] == "flask-9.0-0"
    message = failure(solver, ["flask >=9"], channels)
    assert f"is met only by the channel {channels[1]}" in message
    assert f"Write '{channels[1]}::flask >=9'" in message


@pytest.mark.parametrize(
    "text", ["second::flask", "{second}::flask", "flask[channel=second]", "second/linux-64::flask"]
)
def test_package_of_a_named_channel(solver, channels, text):
    lock = solver.solve([text.format(second=channels[1])], channels, "linux-64")
    assert lock.conda[0].url == f"{channels[1]}/linux-64/flask-9.0-0.conda"


def test_named_channel_must_be_among_the_channels(solver, channels):
    message = failure(solver, ["third::flask"], channels)
    assert "'third', which is not among the channels" in message
    assert channels[0] in message


def test_named_channel_without_the_package_says_who_has_it(solver, channels):
    assert f"{channels[0]} does" in failure(solver, ["second::numpy"], channels)


ALONE = [
    (["nunpy"], ["No channel has a package 'nunpy' for linux-64", "Did you mean 'numpy'?"]),
    (["nunpy", "flsk", "python"], ["Did you mean 'numpy'?", "Did you mean 'flask'?"]),
    (["maconly"], ["'maconly' exists for osx-arm64, but no channel has it for linux-64"]),
    (["numpy >=9"], ["No 'numpy' for linux-64 matches 'numpy >=9'", "Available: 2.1.0, 1.26.4"]),
    (["numpy ==2.1.0 py99"], ["Builds of version 2.1.0: 0."]),
    (["many =1.99"], ["Nearest: 1.19, 1.18, 1.17", "(newest 1.19)"]),
    (["many ==1.7.5"], ["Nearest: 1.9, 1.8, 1.7, 1.6, 1.5"]),
    (["__cuda"], ["CONDA_OVERRIDE_CUDA"]),
    (["numpy >>1"], ["'numpy >>1' is not a conda requirement"]),
    (["*"], ["'*' is not a conda requirement"]),
]


@pytest.mark.parametrize(("dependencies", "said"), ALONE, ids=lambda value: " ".join(value)[:30])
def test_requirement_that_fails_alone(solver, channels, dependencies, said):
    with pytest.raises(SolveFailed) as caught:
        solver.solve(dependencies, channels[:1], "linux-64")
    for words in said:
        assert words in caught.value.message
    assert {problem.path for problem in caught.value.problems} <= set(dependencies)
    assert caught.value.problems


CONFLICTS = [
    (["flask 2.*", "werkzeug >=3"], "flask 2.0 needs werkzeug <3, but you asked for werkzeug >=3"),
    (["numpy 2.*", "python 3.11.*"], "numpy 2.1.0 needs python >=3.12,<3.13, but you asked for python 3.11.*"),
    (["shop", "werkzeug >=3"], "(flask is needed by shop 1.)"),
    (["shop", "flask >=3"], "shop 1 needs flask 2.*, but you asked for flask >=3"),
    (["legacy", "flask >=3"], "legacy 1 works only with werkzeug <3, but flask 3.0 needs werkzeug >=3"),
    (["broken"], "broken 1 needs nosuch >=2, but no channel has a package 'nosuch' for linux-64"),
    (["outdated"], "outdated 1 needs numpy >=9, but no channel has it in such a version. Available: 2.1.0, 1.26.4"),
    (["torch"], "torch 2 needs __cuda >=12, but __cuda (an NVIDIA driver) is not assumed"),
    (["trainer"], 'CONDA_OVERRIDE_CUDA: "12"'),
    (["newlibc"], 'CONDA_OVERRIDE_GLIBC: "2.40"'),
    (["windowing"], "__win (Windows) is not there on linux-64"),
]


@pytest.mark.parametrize(("dependencies", "said"), CONFLICTS, ids=lambda value: str(value)[:30])
def test_conflict_becomes_a_sentence(solver, channels, dependencies, said):
    message = failure(solver, dependencies, channels[:1])
    sentences, _, detail = message.partition("\n\nThe solver says:\n")
    assert said in sentences
    assert "linux-64" in sentences
    assert "would" in detail


def test_constraint_of_the_deployment_is_named(solver, channels):
    with pytest.raises(
        SolveFailed, match=r"This deployment allows only werkzeug <2, but flask 3\.0 needs werkzeug >=3"
    ):
        solver.solve(["flask"], channels[:1], "linux-64", constraints=["werkzeug <2"])


def test_platform_that_no_channel_has(solver, channels):
    assert "No channel has any package for" in failure(solver, ["nothing-like-it"], channels[1:], "osx-64")
    assert "'beos' is not a platform" in failure(solver, ["flask"], channels, "beos")
    assert "'flask' exists for linux-64, but no channel has it for win-64" in failure(
        solver, ["flask"], channels, "win-64"
    )


def test_no_channel(solver):
    assert "add one to 'channels'" in failure(solver, ["flask"], ())


def test_timeout_says_seconds_and_setting(channels, tmp_path):
    message = failure(Solver(tmp_path, timeout_seconds=0.000001), ["flask"], channels)
    assert "linux-64 took longer than 1e-06 seconds" in message
    assert "c.BuildLimits.max_solve_seconds" in message


def test_channel_that_does_not_exist_is_named(solver, channels, tmp_path):
    missing = (tmp_path / "missing").as_uri()
    with pytest.raises(FetchFailed, match="does not exist or has no index") as caught:
        solver.solve(["flask"], [channels[0], missing], "linux-64")
    assert caught.value.message.startswith(f"The channel {missing} ")


def test_damaged_index(solver, channels, tmp_path):
    (tmp_path / "noarch").mkdir()
    (tmp_path / "noarch" / "repodata.json").write_text('{"packages": {"a')
    with pytest.raises(FetchFailed, match="has a damaged index"):
        solver.solve(["flask"], [channels[0], tmp_path.as_uri()], "linux-64")


def test_package_without_hashes_is_refused_by_name(solver, tmp_path):
    record = {"name": "bare", "version": "1", "build": "0", "build_number": 0, "depends": [], "subdir": "noarch"}
    repodata = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {"bare-1-0.conda": record}}
    (tmp_path / "noarch").mkdir()
    (tmp_path / "noarch" / "repodata.json").write_text(json.dumps(repodata))
    with pytest.raises(SolveFailed, match=r"lists bare-1-0\.conda for linux-64 without sha256 and md5") as caught:
        solver.solve(["bare"], [tmp_path.as_uri()], "linux-64")
    assert tmp_path.as_uri() in caught.value.message


@pytest.fixture
def served(channels):
    """The first channel over HTTP, under a path with a token too; gives `host:port`."""

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return super().translate_path(path.replace("/t/tk-secret", ""))

        def log_message(self, *_arguments: object) -> None: ...

    root = Path(channels[0].removeprefix("file://")).parent
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_credentials_stay_out_of_locks_and_messages(solver, served):
    for channel in (f"http://ana:geheim@{served}/first", f"http://{served}/t/tk-secret/first"):
        lock = solver.solve(["numpy 2.*"], [channel], "linux-64")
        assert lock.conda[0].url == f"http://{served}/first/linux-64/numpy-2.1.0-0.conda"
        assert names(solver.solve([f"http://{served}/first::flask"], [channel], "linux-64"))[0] == "flask-3.0-0"
        for dependencies in (["nunpy"], ["flask 2.*", "werkzeug >=3"], ["third::flask"], ["numpy >=9"]):
            message = failure(solver, dependencies, (channel,))
            assert "geheim" not in message
            assert "tk-secret" not in message
        message = failure(solver, ["flask"], (channel.replace("first", "none"),))
        assert message.startswith(f"The channel http://{served}/none does not exist")
        assert "geheim" not in message
        assert "tk-secret" not in message


def test_unreachable_channel(solver, served):
    port = int(served.rpartition(":")[2])
    assert port > 0
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as closed:
        free = closed.server_address[1]
    message = failure(solver, ["flask"], (f"http://ana:geheim@127.0.0.1:{free}/x",))
    assert f"http://127.0.0.1:{free}/x cannot be reached" in message
    assert "geheim" not in message


def test_refreshed_solver_sees_new_packages(tmp_path):
    url = write_channel(tmp_path / "channel", [("a", "1", [])])
    solver = Solver(tmp_path / "repodata")
    assert names(solver.solve(["a"], [url], "linux-64")) == ["a-1-0"]
    write_channel(tmp_path / "channel", [("a", "2", [])])
    solver.refresh([url])
    assert names(solver.solve(["a"], [url], "linux-64")) == ["a-2-0"]


def test_one_solver_serves_many_threads(solver, channels):
    wanted = [["flask"], ["numpy"], ["numpy <2"], ["shop"]] * 8
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda dependencies: solver.solve(dependencies, channels, "linux-64"), wanted))
    assert found == [solver.solve(dependencies, channels, "linux-64") for dependencies in wanted]


def test_warm_solve_takes_milliseconds(solver, channels):
    times = []
    for _ in range(30):
        begun = time.perf_counter()
        solver.solve(["flask", "numpy"], channels, "linux-64")
        times.append(time.perf_counter() - begun)
    assert sorted(times)[15] < 0.05  # 1 ms on a quiet machine


def test_real_packages(solver, sample_channel):
    lock = solver.solve(["python", "numpy", "pandas"], [sample_channel.as_uri()], "linux-64")
    found = {package.name for package in lock.conda}
    assert {"python", "numpy", "pandas"} <= found
    message = failure(solver, ["pandsa"], (sample_channel.as_uri(),))
    assert "Did you mean 'pandas'?" in message


def shown(platform: str, variables: dict[str, str] | None = None) -> set[str]:
    return {
        f"{package.name.normalized} {package.version} {package.build_string}"
        for package in virtual_packages(platform, variables or {})
    }


def test_virtual_packages_of_a_platform_are_fixed():
    assert shown("linux-64") == {"__unix 0 0", "__linux 5.10 0", "__glibc 2.28 0", "__archspec 1 x86_64"}
    assert shown("linux-aarch64") == {"__unix 0 0", "__linux 5.10 0", "__glibc 2.28 0", "__archspec 1 aarch64"}
    assert shown("osx-64") == {"__unix 0 0", "__osx 11.0 0", "__archspec 1 x86_64"}
    assert shown("win-64") == {"__win 0 0", "__archspec 1 x86_64"}
    assert set(DEFAULTS) <= set(PLATFORMS)


def test_environment_of_the_process_does_not_leak_in(monkeypatch):
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    assert not any("cuda" in text for text in shown("linux-64"))


def test_variables_choose_virtual_packages(solver, channels):
    variables = {"CONDA_OVERRIDE_CUDA": "12.4", "CONDA_OVERRIDE_GLIBC": "2.41", "CONDA_OVERRIDE_OSX": "14.0"}
    assert {"__cuda 12.4 0", "__glibc 2.41 0"} <= shown("linux-64", variables)
    assert shown("osx-arm64", variables) == {"__unix 0 0", "__osx 14.0 0", "__archspec 1 arm64"}
    assert "__archspec 1 zen4" in shown("linux-64", {"CONDA_OVERRIDE_ARCHSPEC": "zen4"})
    virtual = virtual_packages("linux-64", variables)
    assert names(solver.solve(["torch", "newlibc"], channels, "linux-64", virtual=virtual)) == [
        "newlibc-1-0",
        "torch-2-0",
    ]


def test_empty_override_removes_the_package(solver, channels):
    assert not any("glibc" in text for text in shown("linux-64", {"CONDA_OVERRIDE_GLIBC": ""}))


def test_bad_overrides_are_named_all_at_once():
    with pytest.raises(SpecificationInvalid) as caught:
        virtual_packages("linux-64", {"CONDA_OVERRIDE_CUDA": "newest", "CONDA_OVERRIDE_ARCHSPEC": "Zen 4"})
    assert "CONDA_OVERRIDE_CUDA is 'newest', which is no version" in caught.value.message
    assert "CONDA_OVERRIDE_ARCHSPEC is 'Zen 4', which is no microarchitecture" in caught.value.message
    assert [problem.path for problem in caught.value.problems] == [
        "variables.CONDA_OVERRIDE_ARCHSPEC",
        "variables.CONDA_OVERRIDE_CUDA",
    ]
