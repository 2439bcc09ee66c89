"""The React UI of this API's users (npm `@conda-store/conda-store-ui`), unmodified, on an origin of its own."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conda_store.storage.scratch import exclusive
from tests.conftest import CACHE, need
from tests.server import Server

_FONTS = re.compile(r"https://fonts\.")
ROOT = Path(__file__).parent.parent


def bundle() -> Path:
    """What its package ships for a browser, fetched once per checkout."""
    need("npm")
    place = CACHE / "react-ui/package/dist"
    with exclusive(CACHE / "react-ui.lock"):
        if not (place / "main.js").exists():
            subprocess.run(["make", "--silent", "react-ui"], cwd=ROOT, check=True)
    return place


class ReactUi:
    """A site that serves the bundle; `configuration` is what its pages say in `window.condaStoreConfig`."""

    def __init__(self, site: ThreadingHTTPServer, name: str) -> None:
        self.origin = f"http://{name}:{site.server_port}"
        self.configuration: dict[str, str] = {}

    def use(self, root: str, **more: str) -> None:
        """Point it at a server."""
        self.configuration = {
            "REACT_APP_API_URL": root,
            "REACT_APP_LOGIN_PAGE_URL": f"{root}login?next=",
            "REACT_APP_LOGOUT_PAGE_URL": f"{root}logout?next={urlsplit(root).path}",
            **more,
        }

    def index(self, directory: Path) -> bytes:
        """Its page as it was published, told where the server is."""
        script = f"<base href='/'><script>window.condaStoreConfig = {json.dumps(self.configuration)}</script>"
        return (directory / "index.html").read_text().replace("<head>", f"<head>{script}").encode()


class _Files(SimpleHTTPRequestHandler):
    """The files of the bundle, and its page for every other path: those are routes inside of the UI."""

    def __init__(self, ui: list[ReactUi], *args: Any, **options: Any) -> None:
        self.ui = ui
        super().__init__(*args, **options)

    def do_GET(self) -> None:
        if Path(self.translate_path(self.path)).suffix in {".js", ".css", ".map"}:
            super().do_GET()
            return
        page = self.ui[0].index(Path(self.directory))
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Silence."""


class Visit:
    """A page of a browser that shows the UI; what goes wrong between it and the server is kept in `problems`."""

    def __init__(self, page: Any, ui: ReactUi, server: Server) -> None:
        self.page, self.ui, self.server = page, ui, server
        self.problems: list[str] = []
        page.route(_FONTS, lambda route: route.abort())
        page.on("response", self._answered)
        page.on("requestfailed", self._failed)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, path: str = "") -> None:
        """Load a page of the UI."""
        self.page.goto(f"{self.ui.origin}/{path}")

    def sign_in(self, name: str, password: str) -> None:
        """By the UI's button, our form, and back."""
        self.page.click("text=Log in")
        self.page.wait_for_url(f"{self.server.root}/**")
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", password)
        self.page.click("button:has-text('Login')")
        self.page.wait_for_url(f"{self.ui.origin}/**")
        self.page.wait_for_selector("text=Log out")

    def begin(self, namespace: str, name: str) -> None:
        """Begin a new environment."""
        self.page.click(f"[href='/{namespace}/new-environment']")
        self.page.get_by_label("Environment name").fill(name)
        self.settle()

    def describe(self, text: str) -> None:
        """Describe the new environment."""
        self.page.get_by_placeholder("Enter here the description").fill(text)
        self.settle()

    def settle(self) -> None:
        """Return when the UI has taken over what was typed: by a timer of 300 ms, and those run out in order."""
        self.page.evaluate("new Promise(done => setTimeout(done, 310))")

    def add_package(self, text: str) -> None:
        """Ask for one more package in the form."""
        self.page.click("text=+ Add Package")
        self.page.get_by_label("Enter package").fill(text)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("[aria-label='requested packages'] :text-is('" + text.partition("=")[0] + "')")

    def write(self, text: str) -> None:
        """Write in the YAML editor what stands there then."""
        self.page.click("label:has-text('YAML') input[type=checkbox]")
        self.page.click(".cm-content")
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def wait_for_status(self, text: str) -> str:
        """Return what the page says of the chosen build once it says `text`; the UI asks every five seconds."""
        place = f"[data-testid=build-status]:has-text('{text}')"
        return str(self.page.wait_for_selector(place, timeout=60_000).inner_text())

    def links(self) -> dict[str, str]:
        """Where the artifacts of the chosen build are, by what their links say."""
        found = self.page.locator(f"a[href^='{self.server.root}']")
        return dict(found.evaluate_all("links => links.map(link => [link.innerText, link.href])"))

    def take_problems(self) -> list[str]:
        """What went wrong since this was asked last."""
        found, self.problems = self.problems, []
        return found

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self._note(response.url, f"{response.request.method}: {response.status} {response.text()}")

    def _failed(self, request: Any) -> None:
        # The browser drops what is under way when it loads another page.
        if request.failure != "net::ERR_ABORTED":
            self._note(request.url, f"{request.method}: {request.failure}")

    def _note(self, url: str, text: str) -> None:
        if url.startswith(self.server.root):
            self.problems.append(f"{url} {text}")

    def _said(self, message: Any) -> None:
        # It writes its logo so, and fetches a font from elsewhere; a request that fails is noted already.
        known = ("<svg> attribute", "Failed to load resource")
        if message.type == "error" and not any(text in message.text for text in known):
            self.problems.append(message.text)


@contextmanager
def served(name: str = "127.0.0.1") -> Iterator[ReactUi]:
    """The UI on a free port; `name` is that of this machine in its origin."""
    known: list[ReactUi] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, known, directory=str(bundle()))) as site:
        known.append(ReactUi(site, name))
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        try:
            yield known[0]
        finally:
            site.shutdown()
            thread.join()
