"""People in front of a real browser: they sign in by the form, and notice whatever a page should not do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright
from sqlalchemy import select

from conda_store.db.orm import BuildPackageRow, ChannelRow, PackageRow
from tests.conftest import need
from tests.hubs import PASSWORD, SERVICE
from tests.people import client_of, secret_of
from tests.server import Site

ROOT = Path(__file__).parent.parent
AXE = ROOT / "node_modules/axe-core/axe.min.js"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
NARROW = {"width": 320, "height": 640}
#: What each has in the namespace `lab`.
ROLES = {"vera": "viewer", "dan": "developer", "ada": "admin"}
PEOPLE = {name: [] for name in (*ROLES, "root")}
GRANTS = {name: {"lab/*": role} for name, role in ROLES.items()} | {"root": {"*/*": "admin"}}
_LOUD = """async more => (await axe.run(document, {resultTypes: ["violations"], ...more})).violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 160)).slice(0, 3).join(" | ")}`)"""

_TOO_WIDE = """() => {
    const {scrollWidth, clientWidth} = document.documentElement;
    const tooWide = one => !one.closest(".wide > table") && one.getBoundingClientRect().right > clientWidth + 1;
    const found = [...document.querySelectorAll("main *, header *")].filter(tooWide).slice(0, 8);
    return scrollWidth > clientWidth ? ["the page", ...found.map(one => one.outerHTML.slice(0, 120))] : [];
}"""


class Visitor:
    """Somebody with a browser of their own; `problems` are errors of scripts and requests to elsewhere."""

    def __init__(self, browser: Any, root: str, prefix: str, **options: Any) -> None:
        self.context = browser.new_context(base_url=f"{root}{prefix}", **options)
        self.root, self.prefix = root, prefix
        self.is_under_hub = prefix == SERVICE
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.problems: list[str] = []
        self.page.on("console", lambda said: self._note(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("request", self._requested)

    def open(self, path: str = "") -> Any:
        """Load a page below the prefix; its answer."""
        answer = self.page.goto(path or self.prefix)
        assert answer is not None
        return answer

    def sign_in(self, name: str) -> None:
        """By our form, or by that of the Hub, whose own pages are not ours to judge."""
        self.open("login/")
        self.give_name(name, secret_of(name))
        self.page.wait_for_selector(f".who:has-text('{name}')")
        if self.is_under_hub:
            self.take_problems()

    def give_name(self, name: str, secret: str) -> None:
        """Fill the form that asks who one is."""
        ids = ("#username_input", "#password_input") if self.is_under_hub else ("#username", "#password")
        self.page.fill(ids[0], name)
        self.page.fill(ids[1], PASSWORD if self.is_under_hub else secret)
        self.page.click("#login_submit" if self.is_under_hub else "main button")

    def post(self, path: str, **fields: str) -> int:
        """Send a form that no page has offered, with everything in it that makes ours ours; the status."""
        page = self.context.request.get("user/")
        page = page if page.ok else self.context.request.get("login/")
        token = re.search(r'name="form_token" value="([^"]+)"', page.text())
        # Who is nobody has no form of ours at all where the Hub has the one for signing in.
        form = {"form_token": token[1] if token else "", **fields}
        headers = {"Origin": self.root, "Sec-Fetch-Site": "same-origin"}
        return int(self.context.request.post(path, form=form, headers=headers, max_redirects=0).status)

    def click(self, text: str, inside: str = "main") -> None:
        """Press the button or link that is called like this."""
        self.page.click(f"{inside} :is(button, a):text-is('{text}')")

    def offers(self, selector: str) -> bool:
        """Whether a control is there and can be used."""
        found = self.page.locator(selector)
        return bool(found.count()) and bool(found.first.is_enabled())

    def tab_to(self, selector: str, most: int = 120) -> None:
        """Reach a control by the tabulator alone."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached by the tabulator on {self.page.url}")

    def overflow(self) -> list[str]:
        """What makes the page wider than its window."""
        return list(self.page.evaluate(_TOO_WIDE))

    def astray(self) -> list[str]:
        """Links and forms that lead to this host, but not below the prefix."""
        targets = self.page.eval_on_selector_all(
            "a[href], form[action]", "all => all.map(one => one.href ?? one.action)"
        )
        ours = [one for one in targets if one.startswith(f"{self.root}/")]
        assert ours, self.page.url
        return [one for one in ours if not one.startswith(f"{self.root}{self.prefix}")]

    def violations(self, rules: list[str] | None = None) -> list[str]:
        """What axe finds serious or critical, by all its rules or by some."""
        if not self.page.evaluate("'axe' in window"):
            self.page.add_script_tag(path=AXE)
        return list(self.page.evaluate(_LOUD, {"runOnly": rules} if rules else {}))

    def take_problems(self) -> list[str]:
        """What was noticed since this was asked last."""
        found, self.problems = self.problems, []
        return found

    def _note(self, text: str) -> None:
        # A page that is refused is logged as an error by the browser; its status is looked at where it is asked for.
        if "Failed to load resource" not in text:
            self.problems.append(f"{self.page.url}: {text}")

    def _requested(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"data", "blob"}:
            return
        if f"{parts.scheme}://{parts.netloc}" != self.root or not parts.path.startswith(self.prefix):
            self.problems.append(f"{self.page.url} asked for {request.url}")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=need("chromium"), args=FLAGS.split())
        yield browser
        browser.close()


@contextmanager
def visiting(
    browser: Any, server: Site, name: str | None = None, *, anew: bool = False, **options: Any
) -> Iterator[Visitor]:
    """A visitor who has signed in as `name`, for this visit alone (`anew`) or before; at the end nothing was wrong on
    any page."""
    session = None if anew or name is None else server.sessions.get(name)
    visitor = Visitor(browser, server.root, server.prefix, storage_state=session, **options)
    try:
        if session:
            visitor.open()
        elif name is not None:
            visitor.sign_in(name)
            if not anew:
                server.sessions[name] = visitor.context.storage_state()
        yield visitor
        problems = visitor.take_problems()
        assert not problems, problems
    finally:
        visitor.context.close()


def submit(
    server: Site, name: str = "course", namespace: str = "lab", dependencies: str = "[numpy]", **more: Any
) -> int:
    """Submit as the operator; the number of the build."""
    text = f"name: {name}\nchannels: [conda-forge]\ndependencies: {dependencies}\n"
    with client_of(server, "root") as client:
        body = {"specification": text, "namespace": namespace, **more}
        answer = client.post("specification/", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["build_id"])


def install(server: Site, build_id: int, *packages: dict[str, str]) -> None:
    """Let a build contain packages."""
    with server.database.write() as session:
        channel = session.scalar(select(ChannelRow).where(ChannelRow.name == "conda-forge"))
        if channel is None:
            channel = ChannelRow(name="conda-forge")
            session.add(channel)
        session.flush()
        for number, one in enumerate(packages):
            more = {"version": "1.0", "build": "0", "license": "BSD-3-Clause", "summary": ""} | one
            row = PackageRow(channel_id=channel.id, sha256=f"{build_id:032x}{number:032x}", **more)
            session.add(row)
            session.flush()
            session.add(BuildPackageRow(build_id=build_id, package_id=row.id))
