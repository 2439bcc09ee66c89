"""Environments as kernels: a real server, real builds, a real Jupyter server, and kernels that say where they run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from conda_store.builds.workshop import Workshop
from conda_store.executors.local import LocalExecutor
from conda_store_labextension.kernel_names import KernelName
from tests.jupyter_process import Jupyter, running_jupyter
from tests.server import Server, running
from tests.test_rest_streams import follow

ADMIN = "the-administrators-own"
YAML = """name: {name}
dependencies: [python, "numpy <NUMPY>", ipykernel]
variables: {COURSE: "seven days"}
"""
WHERE = "import numpy, os, sys; print(numpy.__version__, sys.prefix, os.environ['CONDA_PREFIX'], os.environ['COURSE'])"
COURSE = str(KernelName("lab", "course"))


class House:
    """A server with an environment that has two builds, the second one current, and what Jupyter servers need."""

    def __init__(self, server: Server, directory: Path, ended: ExitStack) -> None:
        self.server, self.directory, self.ended = server, directory, ended
        self.url = f"{server.root}{server.app.prefix}"
        self.builds = [self.build("<2"), self.build(">=2")]

    def build(self, numpy: str, namespace: str = "lab") -> int:
        """A build with the numpy that is wanted."""
        text = YAML.replace("<NUMPY>", numpy).replace("{name}", "course")
        body = {"specification": text, "namespace": namespace}
        build_id = int(self.server.api.post("specification/", json=body).json()["data"]["build_id"])
        follow(self.server, build_id)
        build = self.server.api.get(f"build/{build_id}/").json()["data"]
        assert build["status"] == "COMPLETED", build["status_info"]
        return build_id

    def prefix(self, build_id: int) -> str:
        """Where a build is on disk."""
        artifacts = self.server.api.get(f"build/{build_id}/").json()["data"]["build_artifacts"]
        return next(str(one["key"]) for one in artifacts if one["artifact_type"] == "DIRECTORY")

    def make_current(self, build_id: int) -> None:
        """Roll back or forth."""
        self.server.api.put("environment/lab/course/", json={"build_id": build_id}).raise_for_status()

    @contextmanager
    def jupyter(self, name: str, *options: str, **environ: str) -> Iterator[Jupyter]:
        """A Jupyter server of somebody who may read everything."""
        given = {"CONDA_STORE_URL": self.url, "CONDA_STORE_TOKEN": ADMIN, **environ}
        with running_jupyter(self.directory / name, *options, **given) as jupyter:
            yield jupyter


@pytest.fixture(scope="module")
def house(sample_channel: Path, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    channel = sample_channel.as_uri()
    options: dict[str, Any] = {"default_channels": [channel], "allowed_channels": [channel]}
    options |= {"executor_class": LocalExecutor, "DummyAuthenticator__token": ADMIN}
    directory = tmp_path_factory.mktemp("k")
    (directory / "s").mkdir()
    (directory / "s" / "store").symlink_to(workshop.directory)
    with ExitStack() as ended:
        server = ended.enter_context(running(directory / "s", build_artifacts=["LOCKFILE", "CONDA_PACK"], **options))
        server.api.headers["Authorization"] = f"Bearer {ADMIN}"
        yield House(server, directory, ended)


@pytest.fixture(scope="module")
def jupyter(house: House) -> Iterator[Jupyter]:
    with house.jupyter("j") as one:
        yield one


def said(jupyter: Jupyter, name: str) -> tuple[str, str]:
    """Version of numpy and prefix of a kernel, which must be activated."""
    version, prefix, active, variable = jupyter.run(name, WHERE).split(maxsplit=3)
    assert prefix == active and variable == "seven days"
    return version.partition(".")[0], prefix


def test_an_environment_is_a_kernel_in_place_and_follows_its_current_build(house: House, jupyter: Jupyter) -> None:
    first, second = house.builds
    jupyter.wait_for(lambda: COURSE in jupyter.specs())
    assert {"python3", COURSE} <= jupyter.specs().keys()
    spec = jupyter.specs()[COURSE]["spec"]
    assert (spec["display_name"], spec["language"]) == ("lab/course", "python")
    about = spec["metadata"]["conda-store"]
    assert (about["namespace"], about["environment"], about["build"]) == ("lab", "course", second)
    assert said(jupyter, COURSE) == ("2", house.prefix(second))
    # A notebook's own kernel needs nothing of ours.
    assert jupyter.run("python3", "import sys; print(sys.prefix)") == sys.prefix

    pinned = jupyter.web.post("conda-store/pins/", json={"build": second})
    assert pinned.status_code == 201
    name = pinned.json()["kernel_name"]
    assert name == str(KernelName("lab", "course", build=second))
    house.make_current(first)
    try:
        jupyter.wait_for(lambda: jupyter.specs()[COURSE]["spec"]["metadata"]["conda-store"]["build"] == first)
        assert said(jupyter, COURSE) == ("1", house.prefix(first))
        spec = jupyter.specs()[name]["spec"]
        assert spec["display_name"] == f"lab/course (build {second})"
        assert spec["metadata"]["conda-store"]["build"] == second
        assert said(jupyter, name) == ("2", house.prefix(second))
        rows = {one["kernel_name"]: (one["build"], one["pinned"], one["current"]) for one in jupyter.kernels()}
        assert rows == {COURSE: (first, False, True), name: (second, True, False)}
    finally:
        house.make_current(second)
    assert jupyter.web.delete(f"conda-store/pins/{second}/").status_code == 204
    assert name not in jupyter.specs()
    assert jupyter.web.delete(f"conda-store/pins/{second}/").status_code == 404
    # A colleague's notebook: nobody pinned this build here.
    assert said(jupyter, str(KernelName("lab", "course", build=first))) == ("1", house.prefix(first))


def test_what_cannot_be_run_says_why(house: House, jupyter: Jupyter) -> None:
    gone = house.build("<2", "other")
    jupyter.wait_for(lambda: str(KernelName("other", "course")) in jupyter.specs())
    name = jupyter.web.post("conda-store/pins/", json={"build": gone}).json()["kernel_name"]
    house.server.api.delete(f"build/{gone}/").raise_for_status()
    refused = jupyter.start(name)
    assert refused.status_code == 500 and f"Build {gone} of other/course cannot be run" in refused.json()["message"]
    row = jupyter.wait_for(lambda: next((one for one in jupyter.kernels() if one["gone"]), None))
    assert row["display_name"] == f"other/course (build {gone} is gone)"
    jupyter.web.delete(f"conda-store/pins/{gone}/")
    for wrong, reason in {
        KernelName("lab", "nothing"): "There is no environment 'lab/nothing'",
        KernelName("lab", "course", build=999): "There is no build 999",
        KernelName("other", "course", build=house.builds[0]): "is not one of other/course",
        KernelName("lab", "course", "ir"): "holds no kernel 'ir'",
    }.items():
        assert reason in jupyter.start(str(wrong)).json()["message"]
    assert jupyter.start("nothing-like-it").status_code == 501
    assert jupyter.web.post("conda-store/pins/", json={"build": "7"}).status_code == 400
    assert jupyter.web.post("conda-store/pins/", json={"build": 999}).status_code == 404


def test_who_may_not_read_it_sees_no_kernel_and_hears_why(house: House) -> None:
    with house.jupyter("stranger", CONDA_STORE_TOKEN="") as jupyter:
        name = str(KernelName("lab", "course", build=house.builds[0]))
        assert "python3" in jupyter.specs()
        answer = jupyter.web.get("conda-store/kernels/", params={"refresh": 1}).json()
        assert answer == {"enabled": True, "kernels": []}
        assert "you have no right to do this" in jupyter.start(name).json()["message"]
        assert jupyter.web.post("conda-store/pins/", json={"build": house.builds[0]}).status_code == 403


def archives(house: House) -> Any:
    """Lines of the server's log about whole archives."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.args, tuple) and "/archive/" in str(record.args):
                heard.append(str(record.args[:3]))

    listener = Listener()
    logging.getLogger(type(house.server.app).__name__).addHandler(listener)
    return heard


def test_elsewhere_the_archive_is_fetched_once_and_serves_while_the_server_is_away(house: House) -> None:
    _, second = house.builds
    cache = house.directory / "c"
    options = ("--CondaStoreKernelSpecManager.in_place=False", f"--CondaStoreKernelSpecManager.cache_directory={cache}")
    heard = archives(house)
    with house.jupyter("elsewhere", *options) as jupyter:
        jupyter.wait_for(lambda: COURSE in jupyter.specs())
        with ThreadPoolExecutor(2) as pool:
            found = set(pool.map(lambda _: said(jupyter, COURSE), range(2)))
        ((version, prefix),) = found
        assert version == "2" and Path(prefix).is_relative_to(cache)
        assert len([line for line in heard if "200" in line]) == 1, heard
        assert len(list((cache / "run").glob("*.ready"))) == 1
        house.ended.close()
        assert COURSE in jupyter.specs() and "python3" in jupyter.specs()
        assert said(jupyter, COURSE) == (version, prefix)
        assert said(jupyter, str(KernelName("lab", "course", build=second))) == (version, prefix)
        away = jupyter.start(str(KernelName("lab", "unknown"))).json()["message"]
        assert f"No conda-store server answers at {house.server.root}" in away
        refused = jupyter.web.post("conda-store/pins/", json={"build": second})
        assert (refused.status_code, refused.json()["code"]) == (502, "conda_store_unreachable")
        assert jupyter.web.get("conda-store/kernels/", params={"refresh": 1}).json()["kernels"]
        assert jupyter.log.count("kernels cannot be asked for") == 1
