"""The pages in a real browser: a file dropped, a build followed, and what a page of another site may not do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import need
from tests.server import YAML, Server, running
from tests.visitors import FLAGS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def page() -> Iterator[Any]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=need("chromium"), args=FLAGS.split())
        page = browser.new_page()
        page.problems = []
        page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        yield page
        browser.close()


def test_a_build_that_has_ended_is_not_said_to_be_out_of_reach(server: Server, page: Any) -> None:
    build_id = server.submit("ended")
    lease = server.begin(build_id)
    server.tell(lease, "the last line")
    server.fail_with(lease, "no room left")
    page.add_init_script(
        "window.said = []; addEventListener('DOMContentLoaded', () => new MutationObserver(changes => changes.forEach("
        "one => said.push(one.target.textContent))).observe(document.getElementById('link'), {childList: true}));"
    )
    with page.expect_event("response", lambda answer: "/events/" in answer.url and answer.status == 204):
        page.goto(f"{server.root}{server.app.prefix}build/{build_id}/")
    page.wait_for_selector("#log:has-text('the last line')")
    assert [words for words in page.evaluate("said") if words] == []


def test_a_file_becomes_a_build_whose_log_is_live(server: Server, page: Any, tmp_path: Path) -> None:
    file = tmp_path / "environment.yaml"
    file.write_text(YAML.format(name="dropped"))
    page.goto(f"{server.root}{server.app.prefix}")
    page.click("text=Create environment")
    page.set_input_files("input[type=file]", file)
    page.click("button:has-text('Build')")
    page.wait_for_url("**/build/*/")
    assert page.text_content("#status") == "QUEUED"
    build_id = int(page.url.rstrip("/").rpartition("/")[2])
    lease = server.begin(build_id)
    page.wait_for_selector("#status:has-text('BUILDING')")
    server.tell(lease, "<b>linking</b> numpy")
    page.wait_for_selector("#log:has-text('<b>linking</b> numpy')", timeout=2000)
    assert page.query_selector("#log b") is None
    server.fail_with(lease, "no room left")
    page.wait_for_selector("#status:has-text('FAILED')")
    assert page.text_content("#reason") == "no room left"
    assert page.problems == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.goto(f"{server.root}{server.app.prefix}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert "default/dropped" in page.text_content("main")


class EvilSite(BaseHTTPRequestHandler):
    """Another origin: a page that does nothing of itself."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>evil</title><form method=post><input name=specification></form>")

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def evil() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), EvilSite) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        # Another name for this machine, so another site to the browser, and not only another origin.
        yield f"http://localhost:{site.server_port}/"
        site.shutdown()
        thread.join()


SENDS = """async ([url, body, type]) => {
  const options = {method: "POST", body, mode: "no-cors", credentials: "include", headers: {"Content-Type": type}};
  try { return (await fetch(url, options)).type; } catch (error) { return "failed"; }
}"""
READS = "async (url) => { try { return await (await fetch(url)).text(); } catch (error) { return 'failed'; } }"


def test_a_page_of_another_site_neither_reads_nor_changes(server: Server, page: Any, evil: str) -> None:
    before = server.api.get("build/").json()["count"]
    page.goto(evil)
    body = '{"specification": "name: evil\\ndependencies: [python]"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        page.evaluate(SENDS, [f"{server.api.base_url}specification/", body, kind])
        page.evaluate(SENDS, [f"{server.web.base_url}create/", "specification=name:+evil&namespace=evil", kind])
    assert page.evaluate(READS, f"{server.api.base_url}environment/") == "failed"
    page.evaluate(f"document.forms[0].action = '{server.web.base_url}create/'")
    page.evaluate("document.forms[0].submit()")
    page.wait_for_selector("text=another site")
    assert server.api.get("build/").json()["count"] == before
    assert server.api.get("environment/", params={"search": "evil"}).json()["count"] == 0


def test_a_name_that_was_made_to_point_here_reaches_nothing(server: Server) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    rebound = [*FLAGS.split(), "--host-resolver-rules=MAP rebound.example 127.0.0.1"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=need("chromium"), args=rebound)
        page = browser.new_page()
        answer = page.goto(f"http://rebound.example:{server.port}{server.app.prefix}")
        assert answer.status == 403 and "rebound.example" in page.text_content("body")
        assert "host_refused" in page.evaluate(READS, f"{server.app.prefix}api/v1/environment/")
        browser.close()
