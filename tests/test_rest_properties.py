"""The REST API against its own description: whatever is asked, no 500, and no answer outside of its schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from conda_store.handlers.openapi import openapi
from conda_store.handlers.routes import ROUTES
from tests.server import HOSTILE_PREFIX, Server, running

document = schemathesis.openapi.from_dict(openapi(ROUTES, HOSTILE_PREFIX))
# What is held open, and what runs a solver for every example.
document = document.exclude(path_regex="events/|specification/$")
bounded = settings(
    max_examples=4, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("properties"), download_wait_seconds=0.0) as server:
        server.complete(server.submit("course"))
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
    answer = case.call(base_url=f"{server.root}{HOSTILE_PREFIX}", headers=headers)
    if answer.status_code != 503:  # An artifact that nobody makes here.
        case.validate_response(answer, checks=[not_a_server_error, response_schema_conformance])
