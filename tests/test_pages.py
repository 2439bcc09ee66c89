"""Every page in a real browser, as everybody who comes: what it shows, offers and refuses, with and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.people import client_of, peopled, secret_of
from tests.server import Site
from tests.visitors import GRANTS, NARROW, PEOPLE, chromium, install, submit, visiting

#: Who sees a page: everybody, those who are signed in, those with a role, those who may write, administrators, or only
#: whoever runs the server.
ALL = ("", "vera", "dan", "ada", "root")
PAGES = {
    "": ALL,
    "?search=numpy&status=COMPLETED&sort=newest": ALL,
    "?search=nothing-like-it": ALL,
    "login/": ALL,
    "docs/": ALL,
    "docs/permissions/": ALL,
    "docs/api/": ALL,
    "environment/default/open/": ALL,
    "user/": ALL[1:],
    "create/": ALL[1:],
    "namespace/": ALL,
    "namespace/lab/": ALL[1:],
    "environment/lab/course/": ALL[1:],
    "environment/lab/course/builds/": ALL[1:],
    "build/{old}/": ALL[1:],
    "build/{failed}/": ALL[1:],
    "build/{old}/diff/{new}/": ALL[1:],
    "environment/lab/course/edit/": ALL[2:],
    "environment/lab/course/edit/?build={old}": ALL[2:],
    "environment/lab/course/settings/": ALL[2:],
    "environment/lab/course/access/": ALL[2:],
    "namespace/lab/settings/": ALL[2:],
    "namespace/lab/access/": ALL[2:],
    "build/{old}/delete/": ALL[3:],
    "environment/lab/course/delete/": ALL[3:],
    "namespace/lab/delete/": ALL[3:],
    "admin/": ALL[4:],
    "admin/storage/": ALL[4:],
    "admin/storage/?plan=yes": ALL[4:],
    "admin/audit/?action=build.submitted&since=2026-01-01": ALL[4:],
    "admin/settings/": ALL[4:],
    "admin/configuration/": ALL[4:],
    "nowhere/": (),
}
#: A control, the page on which it stands, who is offered it, and the form that it sends.
ACTIONS = [
    ("form[action$='/current/'] button", "environment/lab/course/", ALL[2:], "environment/lab/course/current/"),
    ("form[action$='/rebuild/'] button", "environment/lab/course/", ALL[2:], "build/{old}/rebuild/"),
    ("form[action$='/description/'] button", "environment/lab/course/", ALL[2:], "environment/lab/course/description/"),
    ("a[href$='/course/edit/']", "environment/lab/course/", ALL[2:], ""),
    ("a[href$='/course/delete/']", "environment/lab/course/", ALL[3:], "environment/lab/course/delete/"),
    ("form[action$='/cancel/'] button", "build/{queued}/", ALL[2:], "build/{queued}/cancel/"),
    ("a[href$='/delete/']", "build/{old}/", ALL[3:], "build/{old}/delete/"),
    ("form[action$='/role/'] button", "namespace/lab/", ALL[3:], "namespace/lab/role/"),
    ("form[action$='/role/delete/'] button", "namespace/lab/", ALL[3:], "namespace/lab/role/delete/"),
    ("a[href$='/lab/delete/']", "namespace/lab/", ALL[3:], "namespace/lab/delete/"),
    ("a[href$='/lab/settings/']", "namespace/lab/", ALL[2:], ""),
    ("main form button.btn-primary", "namespace/lab/settings/", ALL[3:], "namespace/lab/settings/"),
]


@pytest.fixture(scope="module")
def server(sample_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    channels = ["conda-forge", sample_channel.as_uri()]
    options = {"PeopleAuthenticator__grants": GRANTS, "allowed_channels": channels}
    with peopled(tmp_path_factory.mktemp("pages"), PEOPLE, **options) as server:
        yield server


@pytest.fixture(scope="module")
def builds(server: Site) -> dict[str, int]:
    """Numbers of builds, by what became of them."""
    names = ("old", "new", "failed", "queued")
    found = {name: submit(server, dependencies=f"[numpy, 'pandas >={number}']") for number, name in enumerate(names)}
    for name in ("old", "new"):
        server.complete(found[name], LOCKFILE=b"a lock")
        install(server, found[name], {"name": "numpy", "version": {"old": "1.26", "new": "2.1"}[name]})
    server.fail(found["failed"], "nothing provides pandas >=2")
    server.complete(submit(server, "open", "default"))
    with client_of(server, "root") as root:
        root.post("namespace/friends/")
        shared = {"other_namespace": "friends", "role": "viewer"}
        assert root.post("namespace/lab/role/", json=shared).status_code == 200
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("name", ALL)
def test_every_page_as_everybody(browser: Any, server: Site, builds: dict[str, int], name: str) -> None:
    with visiting(browser, server, name or None, viewport=NARROW) as visitor:
        for path, allowed in PAGES.items():
            if path in server.foreign:
                continue
            answer = visitor.open(path.format(**builds))
            expected = 200 if name in allowed else 404 if not allowed else 403
            assert (path, answer.status) == (path, expected)
            policy = answer.headers["content-security-policy"]
            assert "script-src 'self';" in policy and "unsafe" not in policy
            assert visitor.page.locator("h1").count() == 1 or path.startswith("docs/"), path
            assert (path, visitor.astray()) == (path, [])
            # How wide a page is has nothing to do with who serves it.
            assert visitor.is_under_hub or (path, visitor.overflow()) == (path, [])
            if expected == 403 and not name:
                assert visitor.offers("main a:has-text('Login')")


@pytest.mark.parametrize("name", ALL)
def test_what_one_may_not_do_is_not_offered_and_refused(
    browser: Any, server: Site, builds: dict[str, int], name: str
) -> None:
    with visiting(browser, server, name or None) as visitor:
        for control, path, allowed, form in ACTIONS:
            visitor.open(path.format(**builds))
            assert (control, visitor.offers(control)) == (control, name in allowed)
            if form and name not in allowed:
                assert (form, visitor.post(form.format(**builds), confirmation="course")) == (form, 403)
        refused = visitor.post("create/", specification="name: x\ndependencies: [numpy]", namespace="elsewhere")
        assert refused == (303 if name == "root" else 403)


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("root", list(PAGES)),
        # What others see of a page in another way.
        ("dan", ["namespace/lab/", "namespace/lab/settings/", "environment/lab/course/", "admin/"]),
        (None, ["", "login/", "user/", "environment/default/open/"]),
    ],
)
def test_nothing_stands_in_the_way_of_those_who_see_or_move_otherwise(
    browser: Any, server: Site, builds: dict[str, int], name: str | None, paths: list[str]
) -> None:
    found: dict[str, list[str]] = {}
    # axe is a script of ours that no page has: only for it the policy is set aside.
    with visiting(browser, server, name, bypass_csp=True, reduced_motion="reduce") as visitor:
        for path in paths:
            visitor.open(path.format(**builds))
            found[path] = visitor.violations()
            visitor.page.emulate_media(color_scheme="dark")
            found[f"{path} in the dark"] = visitor.violations(["color-contrast", "link-in-text-block"])
            visitor.page.emulate_media(color_scheme="light")
    assert {path: loud for path, loud in found.items() if loud} == {}


def test_a_sign_in_leads_back_to_what_was_refused(browser: Any, server: Site, builds: dict[str, int]) -> None:
    with visiting(browser, server) as visitor:
        visitor.open("environment/lab/course/?search=num")
        visitor.click("Login")
        for typed in ("mistyped", secret_of("vera")):
            visitor.give_name("vera", typed)
            assert typed != "mistyped" or visitor.page.text_content("#failure") == "Name or password is wrong."
        visitor.page.wait_for_url("**/environment/lab/course/?search=num")
        assert visitor.page.input_value("input[name=search]") == "num"


def test_without_scripts_one_reads_downloads_checks_and_creates(
    browser: Any, server: Site, builds: dict[str, int], sample_channel: Path, tmp_path: Path
) -> None:
    with visiting(browser, server, "dan", java_script_enabled=False) as visitor:
        page = visitor.page
        visitor.open()
        page.fill("input[name=search]", "numpy")
        visitor.click("Search")
        assert "search=numpy" in page.url and "lab/course" in page.text_content("main")
        page.click("text=lab/course")
        page.click("summary:text-is('archive')")
        assert page.is_visible("a:text-is('Download the packed environment')")
        with page.expect_download() as download:
            page.click(".shortcuts a:text-is('lockfile')")
        assert Path(download.value.path()).read_bytes() == b"a lock"
        visitor.open("create/")
        assert not page.locator(".needs-script:visible").count()
        page.select_option("#namespace", "lab")
        page.fill("#specification", "name: plain\ndependencies:\n  - numpyy\n  - [")
        visitor.click("Check")
        assert "line" in page.text_content("#failure")
        assert page.input_value("#specification").startswith("name: plain") and page.input_value("#namespace") == "lab"
        page.fill(
            "#specification", f"name: plain\nchannels: ['{sample_channel.as_uri()}']\ndependencies: [python, numpy]\n"
        )
        visitor.click("Check")
        assert "packages would be installed" in page.text_content("#outcome")
        visitor.click("Build")
        assert page.text_content("#status") == "QUEUED" and "lab/plain" in page.text_content("h1")
        (tmp_path / "environment.yaml").write_text("name: chosen\ndependencies: [numpy]\n")
        visitor.open("create/")
        page.select_option("#namespace", "lab")
        page.set_input_files("#file", tmp_path / "environment.yaml")
        visitor.click("Build")
        assert "lab/chosen" in page.text_content("h1") and page.is_visible("a:text-is('Read the log')")
