"""A build's page while the build goes on: how soon a line is there, and what survives reloads, restarts and proxies."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from conda_store.builds import states
from conda_store.builds.events import Event
from tests.hubs import free_ports, proxy_program
from tests.people import client_of, peopled
from tests.server import Server
from tests.visitors import GRANTS, PEOPLE, Visitor, chromium, submit, visiting

# The page says when a line is on it, by the clock of this machine.
WATCHES = """() => { window.seen = {}; new MutationObserver(() => {
    for (const word of document.querySelector("#log").textContent.slice(-400).split(/\\s+/))
        window.seen[word] ??= Date.now();
}).observe(document.querySelector("#log"), {childList: true, subtree: true}); }"""
LINES = 100_000


@contextmanager
def serving(directory: Path, port: int = 0) -> Iterator[Server]:
    with peopled(directory, PEOPLE, PeopleAuthenticator__grants=GRANTS, port=port) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def shown(visitor: Visitor) -> list[str]:
    return str(visitor.page.text_content("#log")).split("\n")[:-1]


def wait_for_lines(visitor: Visitor, count: int, last: str) -> None:
    visitor.page.wait_for_function(
        "([count, last]) => document.querySelector('#log').textContent.endsWith(last + '\\n')"
        " && document.querySelector('#log').textContent.split('\\n').length > count",
        arg=[count, last],
    )


def test_a_line_is_on_an_open_page_at_once(browser: Any, server: Server) -> None:
    lease = server.begin(build_id := submit(server, "quick"))
    with visiting(browser, server, "vera") as visitor:
        visitor.open(f"build/{build_id}/")
        server.tell(lease, "first")
        wait_for_lines(visitor, 1, "first")
        visitor.page.evaluate(WATCHES)
        delays = []
        for number in range(10):
            told = time.time()
            server.tell(lease, f"word{number}")
            wait_for_lines(visitor, number + 2, f"word{number}")
            delays.append(visitor.page.evaluate(f"window.seen.word{number}") / 1000 - told)
        print(f"a line is on the page after {sorted(delays)[5] * 1000:.0f} ms, at most {max(delays) * 1000:.0f} ms")
        # It takes a tenth of that; a machine that is busy with other things may take longer.
        assert max(delays) < 5
        server.fail_with(lease, "enough")
        visitor.page.wait_for_selector("#status:has-text('FAILED')")


def test_a_page_that_is_loaded_again_in_the_middle_is_whole(browser: Any, server: Server) -> None:
    lease = server.begin(build_id := submit(server, "reloaded"))
    with visiting(browser, server, "vera") as visitor:
        visitor.open(f"build/{build_id}/")
        server.tell(lease, *(f"line {number}" for number in range(50)))
        wait_for_lines(visitor, 50, "line 49")
        visitor.page.reload()
        server.tell(lease, *(f"line {number}" for number in range(50, 80)))
        wait_for_lines(visitor, 80, "line 79")
        assert shown(visitor) == [f"line {number}" for number in range(80)]
        with server.app.database.write() as session:
            progress = {"stage": "link", "done": 3, "total": 10, "note": "numpy"}
            states.add_events(session, lease, [Event("progress", progress)])
        visitor.page.wait_for_selector("#progress:has-text('link: numpy') progress[value='3'][max='10']")
        # When all was told the page loads itself again, and stays whole.
        with visitor.page.expect_navigation():
            server.fail_with(lease, "enough")
            visitor.page.wait_for_selector("#reason:has-text('enough')")
        wait_for_lines(visitor, 81, "enough")
        assert shown(visitor)[:-1] == [f"line {number}" for number in range(80)]
        assert not visitor.page.is_visible("#link")


@contextmanager
def proxy(target: int) -> Iterator[int]:
    """The Hub's proxy in front of a port; it answers 503 while nobody listens there."""
    port, api = free_ports(2)
    options = [f"--port={port}", f"--api-port={api}", f"--default-target=http://127.0.0.1:{target}"]
    with subprocess.Popen([proxy_program(), "--ip=127.0.0.1", *options], stdout=subprocess.DEVNULL) as process:
        yield port
        process.terminate()


@pytest.mark.parametrize("is_proxied", [False, True], ids=["direct", "through the Hub's proxy"])
def test_a_server_that_starts_again_in_the_middle_goes_on(browser: Any, tmp_path: Path, is_proxied: bool) -> None:
    with ExitStack() as stack:
        (port,) = free_ports(1)
        first = stack.enter_context(ExitStack())
        server = first.enter_context(serving(tmp_path, port))
        lease = server.begin(build_id := submit(server, "durable"))
        entrance = stack.enter_context(proxy(port)) if is_proxied else port
        visitor = Visitor(browser, f"http://127.0.0.1:{entrance}", server.app.prefix)
        until(visitor, "login/")
        visitor.sign_in("vera")
        visitor.open(f"build/{build_id}/")
        server.tell(lease, "before")
        wait_for_lines(visitor, 1, "before")
        first.close()
        visitor.page.wait_for_selector("#link:has-text('The server does not answer')")
        server = stack.enter_context(serving(tmp_path, port))
        server.tell(lease, "after")
        wait_for_lines(visitor, 2, "after")
        assert shown(visitor) == ["before", "after"] and not visitor.page.is_visible("#link")
        server.fail_with(lease, "enough")
        visitor.page.wait_for_selector("#reason:has-text('enough')")
        visitor.context.close()


def test_who_may_see_a_build_no_longer_is_told_so(browser: Any, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with serving(tmp_path, port) as server:
        visitor = Visitor(browser, server.root, server.prefix)
        visitor.sign_in("vera")
        lease = server.begin(build_id := submit(server, "followed"))
        visitor.open(f"build/{build_id}/")
        server.tell(lease, "before")
        wait_for_lines(visitor, 1, "before")
        visitor.context.clear_cookies()
    with serving(tmp_path, port):
        visitor.page.wait_for_selector("#link:has-text('You may no longer see this build')")
        assert visitor.page.reload().status == 403 and visitor.offers("main a:has-text('Login')")
    visitor.context.close()


@pytest.mark.parametrize(
    ("name", "said", "status"), [("vera", "or it was deleted", 403), ("root", "This build is there no longer", 404)]
)
def test_a_build_that_goes_while_it_is_watched_is_said_to_be_gone(
    browser: Any, server: Server, name: str, said: str, status: int
) -> None:
    lease = server.begin(build_id := submit(server, f"vanishing-{name}"))
    with visiting(browser, server, name) as visitor, client_of(server, "root") as root:
        visitor.open(f"build/{build_id}/")
        visitor.page.wait_for_selector("#status:has-text('BUILDING')")
        assert root.delete(f"environment/lab/vanishing-{name}/").status_code == 200
        # Its worker is told, and ends it.
        with server.database.write() as session:
            states.canceled(session, lease)
        visitor.page.wait_for_selector(f"#link:has-text('{said}')")
        answer = visitor.page.reload()
        assert answer is not None and answer.status == status and visitor.page.is_visible("main .failure")


def until(visitor: Visitor, path: str) -> None:
    """Wait for a proxy that is only just starting."""
    visitor.page.goto("about:blank")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if visitor.context.request.get(path).ok:
                return
        except Exception:  # noqa: S112  Playwright says so of a connection that is refused
            continue
    raise AssertionError("The proxy does not start.")


def test_a_hundred_thousand_lines_stay_usable(browser: Any, server: Server) -> None:
    lease = server.begin(build_id := submit(server, "long"))
    with visiting(browser, server, "vera") as visitor:
        page = visitor.page
        visitor.open(f"build/{build_id}/")
        with server.app.database.write() as session:
            states.add_events(session, lease, [Event("log", {"text": f"line {n}"}) for n in range(LINES)])
        wait_for_end(visitor, "line 99999", 60_000)
        assert 5000 <= len(shown(visitor)) < 12_000
        assert "earlier lines are not shown" in page.inner_text("#earlier")
        page.fill("#find", "line 1234")
        page.wait_for_selector("#found:has-text('11 of 100000 lines')")
        assert shown(visitor)[0] == "line 1234" and not page.is_visible("#earlier")
        page.fill("#find", "")
        wait_for_end(visitor, "line 99999")
        before = time.time()
        server.tell(lease, "the last")
        wait_for_end(visitor, "the last")
        print(f"one more line after a hundred thousand: {(time.time() - before) * 1000:.0f} ms")
        # Who reads further up is left there.
        page.evaluate("document.querySelector('#log').scrollTop = 100")
        page.wait_for_selector("#follow:not(:checked)")
        server.tell(lease, "later")
        wait_for_end(visitor, "later")
        assert page.evaluate("document.querySelector('#log').scrollTop") == 100
        page.uncheck("#wrap")
        assert "wrapped" not in str(page.get_attribute("#log", "class"))
        page.check("#follow")
        page.wait_for_function("() => document.querySelector('#log').scrollTop > 10000")
        with page.expect_download() as download:
            page.click("a[download]")
        assert Path(download.value.path()).read_text().count("\n") == LINES + 2


def wait_for_end(visitor: Visitor, last: str, timeout: float = 15_000) -> None:
    ends = "last => document.querySelector('#log').textContent.endsWith(last + '\\n')"
    visitor.page.wait_for_function(ends, arg=last, timeout=timeout)
