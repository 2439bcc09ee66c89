"""How environments become kernels of a Jupyter server: what is listed, kept, pinned and activated, and what is not."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

from conda_store.client import Client, Kernel, RunnableBuild
from conda_store.client.cache import EnvironmentCache
from conda_store.errors import BadInput
from conda_store_labextension.activation import activated
from conda_store_labextension.kernel_listing import KernelListing
from conda_store_labextension.kernel_names import KernelName
from conda_store_labextension.kernels import CondaStoreKernelSpecManager, surround
from conda_store_labextension.pins import Pins
from conda_store_labextension.prefixes import Prefixes, read_kernel
from tests.odd_server import OddServer, Reply, odd_server, ok, refused

PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}
R = {"name": "ir", "display_name": "R", "language": "R"}
LOG = logging.getLogger("kernels-found")


def row(build_id: int = 7, name: str = "data", **more: Any) -> dict[str, Any]:
    """A build with a kernel as JSON."""
    place = {"namespace": "default", "environment": name, "build_id": build_id, "current": True}
    return {**place, "digest": None, "prefix": f"/nowhere/{build_id}", "kernels": [PYTHON], **more}


@pytest.fixture
def odd() -> Iterator[OddServer]:
    with odd_server() as one:
        yield one


@contextmanager
def found(odd: OddServer, directory: Path, **options: Any) -> Iterator[CondaStoreKernelSpecManager]:
    """A manager that asks the odd server."""
    given = {"refresh_seconds": 1.0, **options}
    config = Config(
        {"CondaStoreConnection": {"url": odd.url, "token": "t"}, "CondaStoreKernelSpecManager": given},
    )
    manager = CondaStoreKernelSpecManager(config=config, data_dir=str(directory), kernel_dirs=[])
    try:
        manager.listing.refresh(30)
        yield manager
    finally:
        manager.listing.close()


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_environments_stand_beside_the_other_kernels(odd: OddServer, tmp_path: Path) -> None:
    odd.replies["GET kernel/"].append(ok([row(7), row(8, "both", kernels=[R, PYTHON]), row(9, "r", kernels=[R])]))
    with found(odd, tmp_path) as manager:
        specs = manager.get_all_specs()
        shown = {name: one["spec"]["display_name"] for name, one in specs.items() if name != "python3"}
        assert shown == {
            "conda-store-default-data": "default/data",
            "conda-store-default-both": "default/both",
            "conda-store-default-both-ir": "default/both (R)",
            "conda-store-default-r": "default/r",
        }
        assert "python3" in specs and manager.find_kernel_specs().keys() == specs.keys()
        assert specs["conda-store-default-r"]["spec"]["language"] == "R"
        for name, one in specs.items():
            assert manager.get_kernel_spec(name).to_dict() == one["spec"]
        json.dumps(specs)
        with pytest.raises(NoSuchKernel):
            manager.get_kernel_spec("nothing")
        # No credential reaches a browser.
        assert '"t"' not in json.dumps(specs) and odd.asked[0].headers["authorization"] == "Bearer t"


def test_only_what_is_new_is_sent_again(odd: OddServer, tmp_path: Path) -> None:
    first, other = ok([row()]), ok([row(), row(9, "late")])
    replies = [Reply(body=first.body, headers={"ETag": '"a"'}), Reply(304), Reply(body=other.body)]
    odd.replies["GET kernel/"] += replies
    with found(odd, tmp_path) as manager:
        manager.listing.refresh(30)
        assert odd.asked[-1].headers["if-none-match"] == '"a"' and len(manager.offered()) == 1
        manager.listing.refresh(30)
        assert odd.asked[-1].headers["if-none-match"] == '"a"'
        assert len(manager.offered()) == 2


def test_a_server_that_is_away_costs_nothing_and_is_told_of_once(
    odd: OddServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd.replies["GET kernel/"] += [ok([row()]), refused(503, "busy", "Later."), refused(503, "busy", "Later."), ok([])]
    connect: Callable[[], Client] = lambda: Client(odd.url, patience_seconds=1)  # noqa: E731
    with caplog.at_level(logging.INFO, LOG.name):
        listing = KernelListing(connect, lambda: [], 0.01, LOG)
        try:
            listing.latest()
            until(lambda: len(odd.asked) > 4)
            assert listing.answered and listing.latest() == []
        finally:
            listing.close()
    said = [record.message for record in caplog.records]
    assert len(said) == 2 and "Later." in said[0] and "answers again" in said[1]


def test_who_is_refused_sees_no_kernels_and_nobody_waits_for_a_server_that_hangs(
    odd: OddServer, tmp_path: Path
) -> None:
    odd.replies["GET kernel/"] += [ok([row()]), refused(403, "credentials_invalid", "No.")]
    with found(odd, tmp_path) as manager:
        assert len(manager.offered()) == 1
        manager.listing.refresh(30)
        assert manager.offered() == []
        odd.replies["GET kernel/"] = [Reply(body=b"x", missing=5, hangs=True)]
        manager.listing.refresh(0.01)
        assert "python3" in manager.get_all_specs()


def test_switched_off_nothing_is_asked_and_the_other_kernels_stay(odd: OddServer, tmp_path: Path) -> None:
    config = Config({"CondaStoreConnection": {"url": odd.url}, "CondaStoreKernelSpecManager": {"enabled": False}})
    manager = CondaStoreKernelSpecManager(config=config, data_dir=str(tmp_path))
    assert not any(name.startswith("conda-store") for name in manager.get_all_specs())
    with pytest.raises(NoSuchKernel):
        manager.get_kernel_spec("conda-store-default-data")
    assert odd.asked == [] and not manager.active


def test_limits_and_lists_of_what_is_allowed(odd: OddServer, tmp_path: Path) -> None:
    odd.replies["GET kernel/"].append(ok([row(number, f"e{number}") for number in range(1, 5)]))
    with found(odd, tmp_path, most_kernels=2) as manager:
        assert len(manager.offered()) == 2
        manager.allowed_kernelspecs = {"conda-store-default-e1"}
        assert [name for name in manager.get_all_specs() if name != "python3"] == ["conda-store-default-e1"]
        with pytest.raises(NoSuchKernel):
            manager.get_kernel_spec("conda-store-default-e2")


class OtherKernels(KernelSpecManager):
    """What somebody else offers, such as nb_conda_kernels."""

    def find_kernel_specs(self) -> dict[str, str]:
        return {"theirs": "/nowhere"}


def test_it_stands_around_whatever_is_configured(odd: OddServer) -> None:
    for found, wrapped in ((None, KernelSpecManager), (OtherKernels, OtherKernels)):
        config = Config({"CondaStoreKernelSpecManager": {"enabled": False}})
        if found:
            config.ServerApp.kernel_spec_manager_class = found
        server = ServerApp(config=config)
        surround(server)
        surround(server)
        assert server.kernel_spec_manager_class is CondaStoreKernelSpecManager
        manager = server.kernel_spec_manager_class(parent=server)
        assert type(manager.wrapped) is wrapped
        assert ("theirs" in manager.find_kernel_specs()) == bool(found)
    gateway = ServerApp(config=Config({"GatewayClient": {"url": "http://127.0.0.1:1"}}))
    surround(gateway)
    assert not gateway.trait_has_value("kernel_spec_manager_class")


def test_pins_are_kept_for_their_server_and_a_spoilt_file_holds_none(tmp_path: Path) -> None:
    path = tmp_path / "made" / "pins.json"
    build = RunnableBuild("default", "data", 7, False, "sha256:1", "/p", (Kernel("ir", "R", "R"),))
    pins = Pins(path, "http://one/")
    pins.add(build)
    pins.add(build)
    assert pins.all() == [build] == Pins(path, "http://one").all() and Pins(path, "http://two").all() == []
    assert not pins.remove(8) and pins.remove(7) and pins.all() == []
    for spoilt in ("{", "[]", '{"pins": 3}', '{"pins": {"http://one": [{"build_id": 7}, 3]}}'):
        path.write_text(spoilt)
        assert pins.all() == []
    pins.add(build)
    assert build in pins.all()


def test_a_prefix_is_found_where_it_is_mounted_and_never_half(tmp_path: Path) -> None:
    build = RunnableBuild("default", "data", 7, True, None, "/srv/envs/default/k-7-data", ())
    here = tmp_path / "mounted" / "default" / "k-7-data"
    cache = EnvironmentCache("http://server", tmp_path)
    found = Prefixes({"/srv": "/elsewhere", "/srv/envs": str(tmp_path / "mounted")}, cache)
    assert found.find_in_place(build) is None
    (here / "conda-meta").mkdir(parents=True)
    assert found.find_in_place(build) is None
    kernel = here / "share/jupyter/kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["python"]}')
    assert found.find_in_place(build) == here
    assert Prefixes(None, cache).find_in_place(build) is None and Prefixes({}, cache).find_in_place(build) is None
    assert read_kernel(here, "", "x") == (kernel.parent, {"argv": ["python"]})
    for spoilt in ("{", "[]", '{"argv": "python"}', '{"argv": []}'):
        kernel.write_text(spoilt)
        with pytest.raises(BadInput):
            read_kernel(here, "python3", "x")


def test_an_environment_is_activated_as_a_shell_would_do_it(tmp_path: Path) -> None:
    (tmp_path / "etc/conda/env_vars.d").mkdir(parents=True)
    (tmp_path / "etc/conda/activate.d").mkdir()
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "etc/conda/env_vars.d/p.json").write_text('{"OF_PACKAGE": "1", "BOTH": "1"}')
    (tmp_path / "conda-meta/state").write_text('{"env_vars": {"BOTH": "2", "ODD": 3}}')
    given = {"PATH": "/usr/bin:/bin", "VIRTUAL_ENV": "/v", "PWD": "/there", "KEPT": "a\nb", "BASH_ENV": "/dev/zero"}
    plain = activated(tmp_path, "default/data", given)
    expected = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "CONDA_PREFIX": str(tmp_path), "OF_PACKAGE": "1", "BOTH": "2"}
    expected |= {"CONDA_DEFAULT_ENV": "default/data", "CONDA_SHLVL": "1"}
    expected |= {"PWD": "/there", "KEPT": "a\nb", "BASH_ENV": "/dev/zero"}
    assert plain == expected
    script = tmp_path / "etc/conda/activate.d/one.sh"
    script.write_text('echo noise; export LIST=("x"); export OF_SCRIPT="$CONDA_PREFIX/$BOTH"; unset OF_PACKAGE\n')
    del expected["OF_PACKAGE"]
    assert activated(tmp_path, "default/data", given) == expected | {"OF_SCRIPT": f"{tmp_path}/2"}
    script.write_text("echo Out of order >&2; exit 3\n")
    with pytest.raises(BadInput, match="Out of order"):
        activated(tmp_path, "default/data", given)
    assert KernelName("a", "b").subject == "a/b"
