"""The REST API against its own description: whatever is asked, no 500, and no answer outside of its schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from conda_store.builds import states
from conda_store.db import Database
from conda_store.handlers.openapi import openapi
from conda_store.handlers.routes import ROUTES
from tests.invented import InventedChannel
from tests.server import HOSTILE_PREFIX, NeverExecutor, Server, running

document = schemathesis.openapi.from_dict(openapi(ROUTES, HOSTILE_PREFIX))
bounded = settings(
    max_examples=4, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
#: What is there, whatever names and numbers are invented.
THERE = {"namespace": "default", "name": "course", "build": 1, "other": 1, "token": 1}


class DecliningExecutor(NeverExecutor):
    """Ends builds before they begin, so that every stream of events ends too."""

    declines = False

    def submit(self, build_id: int) -> None:
        if self.declines:
            with Database(self.settings.database_url).write() as session:
                states.cancel(session, build_id)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    channel = InventedChannel(tmp_path_factory.mktemp("properties-channel"))
    channel.add("one")
    # No other channel is asked for what is to be solved: invented ones are refused.
    channels = [channel.directory.as_uri()]
    options = {"default_channels": channels, "allowed_channels": channels, "download_wait_seconds": 0.0}
    with running(tmp_path_factory.mktemp("properties"), executor_class=DecliningExecutor, **options) as server:
        server.complete(server.submit("course", text="name: {name}\ndependencies: [one]\n"))
        server.app.executor.declines = True
        yield server


@pytest.fixture(scope="module")
def viewer(server: Server) -> dict[str, str]:
    """Headers of somebody who may only look."""
    made = server.api.post("token/", json={"role_bindings": {"*/*": ["viewer"]}}).json()["data"]
    return {"Authorization": f"Bearer {made['token']}"}


@document.parametrize()
@bounded
def test_as_administrator(case: schemathesis.Case, server: Server) -> None:
    judge(case, server, {})


@document.parametrize()
@bounded
def test_as_viewer(case: schemathesis.Case, server: Server, viewer: dict[str, str]) -> None:
    judge(case, server, viewer)


def judge(case: schemathesis.Case, server: Server, headers: dict[str, str]) -> None:
    ask(case, server, headers)
    if case.path_parameters and case.method != "DELETE":
        case.path_parameters = {name: THERE[name] for name in case.path_parameters}
        ask(case, server, headers)


def ask(case: schemathesis.Case, server: Server, headers: dict[str, str]) -> None:
    answer = case.call(base_url=f"{server.root}{HOSTILE_PREFIX}", headers=headers, timeout=60)
    if answer.status_code != 503:  # An artifact that nobody makes here.
        case.validate_response(answer, checks=[not_a_server_error, response_schema_conformance])
