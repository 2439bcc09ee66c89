"""What the pages say of images on demand."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.server import running


def test_no_page_tells_a_docker_line_for_what_was_made_on_demand(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.submit("ordinary")
        # Nobody builds here: asking is enough for the request to be known.
        with pytest.raises(httpx.TimeoutException):
            httpx.get(f"{server.root}/v2/conda-store-dynamic/python/numpy.gt.1.0/manifests/latest", timeout=2)
        listed = server.web.get("").text
        assert "Made on demand: numpy&gt;1.0, python" in listed
        assert listed.count("docker run -it") == 1 and "/default/ordinary</code>" in listed
        assert "docker run" not in server.web.get("build/2/").text
        assert "docker run" in server.web.get("build/1/").text
