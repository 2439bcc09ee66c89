"""The extension in the Jupyter server of pytest-jupyter, which other extensions are tested with, too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from pytest_jupyter import jupyter_server
from tornado.httpclient import HTTPClientError, HTTPResponse

from tests.odd_server import OddServer, odd_server, ok
from tests.server import Server, running

Fetch = Callable[..., Awaitable[HTTPResponse]]

# Its fixtures, for this module alone: as a plugin they would surround every test of all.
globals().update(
    {name: one for name, one in vars(jupyter_server).items() if name.startswith(("jp_", "http_", "echo_"))}
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real conda-store."""
    with running(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture
def odd() -> Iterator[OddServer]:
    """A conda-store that does as it is told."""
    with odd_server() as server:
        yield server


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """Where conda-store is: the marker says which."""
    if request.param == "odd":
        return str(request.getfixturevalue("odd").url)
    store = request.getfixturevalue("store")
    return f"{store.root}{store.app.prefix}"


@pytest.fixture
def jp_server_config(url: str) -> dict[str, Any]:
    """What the Jupyter server is told."""
    extensions = {"conda_store_labextension": True, "jupyter_server_terminals": False}
    connection = {"url": url, "max_body_bytes": 1000}
    return {
        "ServerApp": {"jpserver_extensions": extensions},
        "CondaStoreConnection": connection,
        "CondaStoreKernelSpecManager": {"enabled": False},
    }


@pytest.mark.parametrize("url", ["store"], indirect=True)
def test_the_real_conda_store_is_reached(jp_fetch: Fetch, jp_asyncio_loop: asyncio.AbstractEventLoop) -> None:
    state = jp_asyncio_loop.run_until_complete(jp_fetch("conda-store", "connection", ""))
    assert json.loads(state.body)["state"] == "ok"
    answer = jp_asyncio_loop.run_until_complete(jp_fetch("conda-store", "api", "v1", "environment", ""))
    assert json.loads(answer.body)["data"] == []


@pytest.mark.parametrize("url", ["odd"], indirect=True)
def test_what_is_not_passed_on(jp_fetch: Fetch, jp_asyncio_loop: asyncio.AbstractEventLoop, odd: OddServer) -> None:
    odd.replies["POST specification"] = [ok({"build_id": 7})]
    path = ("conda-store", "api", "v1", "specification")

    def refused(*path: str, **options: Any) -> int:
        with pytest.raises(HTTPClientError) as caught:
            jp_asyncio_loop.run_until_complete(jp_fetch(*path, **options))
        return int(caught.value.code)

    assert refused("conda-store", "metrics") == 404
    assert refused("conda-store", "api/v1/../../metrics") == 400
    assert refused(*path, method="POST", body=bytes(1001)) == 413
    assert refused(*path, headers={"Authorization": "token wrong"}) == 403
    assert odd.asked == []
    answer = jp_asyncio_loop.run_until_complete(jp_fetch(*path, method="POST", body=bytes(1000)))
    assert json.loads(answer.body)["data"] == {"build_id": 7} and len(odd.asked) == 1
