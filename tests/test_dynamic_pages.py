"""What the pages say of images on demand."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from conda_store.db.lists import ON_DEMAND
from conda_store.registry.names import DYNAMIC
from tests.server import running


def test_no_page_tells_a_docker_line_for_what_was_made_on_demand(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.submit("ordinary")
        # Nobody builds here: asking is enough for the request to be known.
        with pytest.raises(httpx.TimeoutException):
            httpx.get(f"{server.root}/v2/conda-store-dynamic/python/numpy.gt.1.0/manifests/latest", timeout=2)
        listed = server.web.get("").text
        assert listed.count("docker pull") == 1 and '/default/ordinary">docker</button>' in listed
        page = server.web.get("build/2/").text
        assert "conda-store-dynamic" in page and "docker run" not in page


def test_what_was_made_on_demand_stands_in_no_list(tmp_path: Path) -> None:
    assert ON_DEMAND == DYNAMIC
    with running(tmp_path) as server:
        server.submit("ordinary")
        with pytest.raises(httpx.TimeoutException):
            httpx.get(f"{server.root}/v2/conda-store-dynamic/python/manifests/latest", timeout=2)
        assert [one["name"] for one in server.api.get("environment/").json()["data"]] == ["ordinary"]
        assert [one["id"] for one in server.api.get("build/").json()["data"]] == [1]
        assert [one["name"] for one in server.api.get("namespace/").json()["data"]] == ["default"]
        assert "conda_store_environments 1.0" in server.web.get("metrics").text
        assert server.api.get("build/2/").json()["data"]["status"] == "QUEUED"
