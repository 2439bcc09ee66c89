"""Who may do what, and what no page of another site, no foreign name and no hostile request can do."""

from __future__ import annotations

import base64
import json
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conda_store.app import CondaStore
from conda_store.auth.base import is_loopback
from conda_store.auth.origins import BrowserRules
from conda_store.auth.permissions import PERMISSIONS, ROLES, Grant, Identity
from conda_store.cli import check_options
from conda_store.errors import BadInput
from conda_store.handlers.routes import ROUTES
from conda_store_labextension.connection import CondaStoreConnection
from tests.registry_house import code
from tests.server import YAML, Server, running

TOKEN = "correct horse battery staple"  # noqa: S105
METHODS = ("head", "get", "post", "put", "delete", "patch")
GOOD = {"specification": YAML.format(name="x")}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Everyone who reaches it is the administrator."""
    names = {"allowed_origins": ["https://hub.example.org"], "allowed_hosts": ["store.example.org"]}
    limits = {"max_body_bytes": 100_000, "body_timeout_seconds": 0.5}
    with running(tmp_path_factory.mktemp("open"), **names, **limits) as server:
        yield server


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Only who knows the token is."""
    with running(tmp_path_factory.mktemp("closed"), DummyAuthenticator__token=TOKEN) as server:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for namespace in ("default", "private"):
            body = {**GOOD, "namespace": namespace}
            server.api.post("specification/", json=body, headers=headers).raise_for_status()
        yield server


def test_every_verb_of_every_handler_carries_its_permission() -> None:
    verbs = 0
    for route in ROUTES:
        for method in METHODS:
            function = getattr(route.handler, method)
            if function.__module__.startswith("conda_store"):
                permission = function.permission
                name = permission.removeprefix("filtered by ")
                assert permission in ("public", "signed in") or name in PERMISSIONS, (route.path, method, permission)
                verbs += 1
    assert verbs > 50


def test_every_route_of_the_api_is_described() -> None:
    for route in ROUTES:
        if route.path.startswith("api/"):
            for method in METHODS[1:]:
                function = getattr(route.handler, method)
                if function.__module__.startswith("conda_store"):
                    assert function.shape.answer is not None, (route.path, method)


def test_roles_contain_each_other() -> None:
    assert ROLES["viewer"] < ROLES["developer"] < ROLES["admin"] == PERMISSIONS
    assert len(PERMISSIONS) == 17
    assert Grant("a/b", "editor").role == "developer"


@pytest.mark.parametrize(
    ("pattern", "entity", "covered"),
    [
        ("*/*", ("ana", "course"), True),
        ("ana/*", ("ana", "course"), True),
        ("ana/*", ("anaa", "course"), False),
        ("ana/*", ("Ana", "course"), False),
        ("a.a/*", ("axa", "course"), False),
        ("ana/c*e", ("ana", "course"), True),
        ("ana/c*e", ("ana", "Course"), False),
        ("ana/course", ("ana", "*"), False),
        ("*/course", ("x/y", "course"), False),
        ("ana/a[bc]", ("ana", "ab"), False),
        ("ana/*\n", ("ana", "x"), False),
    ],
)
def test_a_star_is_the_only_wildcard(pattern: str, entity: tuple[str, str], covered: bool) -> None:
    assert Identity("x", (Grant(pattern, "admin"),)).may("build::delete", *entity) is covered


@pytest.mark.parametrize(("pattern", "role"), [("a", "admin"), ("a/b/c", "admin"), ("/b", "admin"), ("a/b", "owner")])
def test_malformed_grants_are_refused(pattern: str, role: str) -> None:
    with pytest.raises(BadInput):
        Grant(pattern, role)


def test_the_database_filters_by_the_same_patterns(closed: Server) -> None:
    manager = closed.app.service.servers[0].request_callback.parts.environments
    from conda_store.inputs import EnvironmentQuery

    for pattern, expected in (
        ("*/*", ["default", "private"]),
        ("pri*/x", ["private"]),
        ("PRI*/x", []),
        ("*/X", []),
        ("p.i*/*", []),
        ("default/x", ["default"]),
    ):
        found = manager.page(Identity("a", (Grant(pattern, "viewer"),)), EnvironmentQuery(), 100)
        assert [row.namespace.name for row in found.data] == expected, pattern


def test_without_credentials_default_can_be_read_and_nothing_else(closed: Server) -> None:
    assert [row["namespace"]["name"] for row in closed.api.get("environment/").json()["data"]] == ["default"]
    assert closed.api.get("build/").json()["count"] == 1
    assert [row["name"] for row in closed.api.get("namespace/").json()["data"]] == ["default"]
    assert closed.api.get("environment/default/x/").status_code == 200
    assert closed.api.get("environment/default/none/").status_code == 404
    assert closed.api.get("permission/").json()["data"]["authenticated"] is False
    for method, path in (
        ("GET", "environment/private/x/"),
        ("GET", "build/2/"),
        ("GET", "build/2/logs/"),
        ("GET", "build/2/events/"),
        ("GET", "environment/private/x/archive/"),
        ("PUT", "build/1/cancel/"),
        ("DELETE", "build/1/"),
        ("DELETE", "environment/default/x/"),
        ("POST", "namespace/mine/"),
    ):
        answer = closed.api.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied"), (method, path)
    assert closed.api.post("specification/", json=GOOD).status_code == 403


def test_a_refusal_reads_alike_for_what_does_not_exist(closed: Server) -> None:
    pairs = [("environment/private/x/", "environment/private/none/"), ("build/2/", "build/999/")]
    for there, missing in pairs:
        answers = [closed.api.get(path) for path in (there, missing)]
        assert answers[0].status_code == 403 and answers[0].content == answers[1].content


@pytest.mark.parametrize(
    "value",
    [
        f"Bearer {TOKEN}",
        f"token {TOKEN}",
        f"bearer  {TOKEN}",
        "Basic " + base64.b64encode(f"anyone:{TOKEN}".encode()).decode(),
    ],
)
def test_every_way_to_show_the_token(closed: Server, value: str) -> None:
    answer = closed.api.get("environment/private/x/", headers={"Authorization": value})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value", ["Bearer wrong", "Bearer", "Basic !!!", "Basic bm9jb2xvbg==", "Digest x", "", "Bearer ü", "Basic /w=="]
)
def test_a_wrong_credential_counts_as_none_and_says_so(closed: Server, value: str) -> None:
    headers = {"Authorization": value.encode()}
    answer = closed.api.get("environment/private/x/", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "credentials_invalid")
    assert closed.api.get("environment/default/x/", headers=headers).status_code == 200


def login(server: Server, password: str = TOKEN, **more: Any) -> httpx.Response:
    body = {"username": "admin", "password": password}
    return httpx.post(f"{server.root}{server.app.prefix}login/", json=body, **more)


def test_login_gives_a_session_and_logout_ends_it(closed: Server) -> None:
    wrong = login(closed, "wrong")
    assert wrong.status_code == 403 and "set-cookie" not in wrong.headers
    answer = login(closed, params={"next": "/a%40b/create/"})
    assert answer.json() == {"status": "ok", "data": {"redirect_url": "/a%40b/create/"}, "message": None}
    cookie = answer.headers["set-cookie"]
    for part in ("conda-store-auth=", "HttpOnly", "SameSite=Strict", "Path=/a%40b/", "Max-Age=604800"):
        assert part in cookie
    with httpx.Client(base_url=closed.api.base_url, cookies=dict(answer.cookies)) as browser:
        assert browser.get("environment/private/x/").status_code == 200
        assert browser.post("specification/", json={**GOOD, "namespace": "private"}).status_code == 200
        out = browser.post(f"{closed.app.prefix}logout/".replace("/a%40b/", "../../"), params={"next": "/"})
        assert out.status_code == 303 and 'conda-store-auth=""' in out.headers["set-cookie"]
    forged = {"Cookie": "conda-store-auth=" + answer.cookies["conda-store-auth"][:-2] + "00"}
    assert closed.api.get("environment/private/x/", headers=forged).json()["code"] == "credentials_invalid"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "evil",
        "http://[x",
    ],
)
def test_next_leads_to_no_other_site(closed: Server, target: str) -> None:
    assert login(closed, params={"next": target}).status_code == 400
    assert closed.web.get("login/", params={"next": target}).status_code == 400


def test_next_may_be_our_own_origin(closed: Server) -> None:
    target = f"{closed.root}{closed.app.prefix}build/1/"
    assert login(closed, params={"next": target}).json()["data"]["redirect_url"] == target


def test_the_form_leads_on_to_an_allowed_origin_and_no_other(opened: Server) -> None:
    def policy(target: str) -> str:
        answer = opened.web.get("login/", params={"next": target})
        return str(answer.headers["Content-Security-Policy"]).partition("form-action ")[2].strip()

    assert policy("https://hub.example.org/ui/?a=b") == "'self' https://hub.example.org"
    assert policy("/") == policy(f"{opened.root}/x") == "'self'"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:5000", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"],
)
def test_a_foreign_host_reaches_nothing(opened: Server, host: str) -> None:
    for url in (f"{opened.api.base_url}", f"{opened.web.base_url}", f"{opened.root}/elsewhere"):
        answer = httpx.get(url, headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "host_refused"), url
    assert code(httpx.get(f"{opened.root}/v2/", headers={"Host": host})) == (403, "DENIED")
    assert httpx.get(f"{opened.web.base_url}health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:5000", "store.example.org:443"])
def test_our_own_names_are_known(opened: Server, host: str) -> None:
    assert opened.api.get("", headers={"Host": host}).status_code == 200


CROSS_SITE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://hub.example.org.evil.example"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer wrong"},
]


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
def test_a_page_of_another_site_changes_nothing(opened: Server, headers: dict[str, str]) -> None:
    before = opened.api.get("build/").json()["count"]
    for method, path in (("POST", "specification/"), ("DELETE", "environment/default/x/"), ("POST", "namespace/evil/")):
        answer = opened.api.request(method, path, json=GOOD, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site"), (method, path)
    assert opened.web.post("create/", data={"specification": "x"}, headers=headers).status_code == 403
    assert opened.web.post("login/", data={"username": "x"}, headers=headers).status_code == 403
    assert opened.api.get("build/").json()["count"] == before


def test_our_own_pages_allowed_origins_and_programs_may_change_things(opened: Server) -> None:
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": opened.root},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://hub.example.org"},
        {},
    ):
        assert opened.api.post("specification/", json=GOOD, headers=headers).status_code == 200, headers


def test_a_foreign_page_reads_nothing_as_the_administrator(opened: Server) -> None:
    opened.api.post("specification/", json={**GOOD, "namespace": "secret"}).raise_for_status()
    answer = opened.api.get("environment/secret/x/", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    allowed = opened.api.get("environment/secret/x/", headers={"Origin": "https://hub.example.org"})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://hub.example.org"
    assert allowed.headers["access-control-allow-credentials"] == "true"


def test_preflight(opened: Server) -> None:
    good = opened.api.options("specification/", headers={"Origin": "https://hub.example.org"})
    assert good.status_code == 204 and "PUT" in good.headers["access-control-allow-methods"]
    bad = opened.api.options("specification/", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-methods" not in bad.headers and "access-control-allow-origin" not in bad.headers


_OF_FORMS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]


@pytest.mark.parametrize("media_type", _OF_FORMS)
def test_only_json_is_taken_by_the_api(opened: Server, media_type: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = opened.api.post("specification/", content=json.dumps(GOOD), headers=headers)
    assert answer.status_code == 400 and answer.json()["status"] == "error"


def test_a_form_without_our_token_does_nothing(opened: Server) -> None:
    form = {"namespace": "forms", "specification": YAML.format(name="form")}
    for token in ({}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": "ü"}):
        assert opened.web.post("create/", data={**form, **token}).status_code == 403
    assert opened.api.get("environment/", params={"namespace": "forms"}).json()["count"] == 0


def form_token(server: Server) -> str:
    return server.web.get("create/").text.partition('name="form_token" value="')[2].partition('"')[0]


def test_our_form_makes_an_environment_and_comes_back_with_its_problems(opened: Server) -> None:
    token = form_token(opened)
    form = {"namespace": "forms", "specification": YAML.format(name="form"), "form_token": token}
    answer = opened.web.post("create/", data=form)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/a%40b/build/")
    page = opened.web.get(answer.headers["location"].removeprefix("/a%40b/"))
    assert "forms/form" in page.text and "QUEUED" in page.text
    files = {"file": ("environment.yaml", YAML.format(name="from-file").encode())}
    assert opened.web.post("create/", data={**form, "specification": ""}, files=files).status_code == 303
    bad = opened.web.post("create/", data={**form, "specification": "name: a\ndependencies: ['<b>']\n"})
    assert bad.status_code == 400 and "line 2, column 16" in bad.text
    assert "&#39;&lt;b&gt;&#39;" in bad.text and "<b>" not in bad.text
    garbled = opened.web.post("create/", data=form, files={"file": ("a", b"\xff\xfe\xff")})
    assert garbled.status_code == 400 and "UTF-8" in garbled.text


def test_pages_carry_a_policy_and_escape_what_they_show(opened: Server) -> None:
    opened.api.post("specification/", json={**GOOD, "namespace": "<img src=x>"}).raise_for_status()
    page = opened.web.get("")
    assert "<bdi>&lt;img src=x&gt;</bdi>/<bdi>x</bdi>" in page.text and "<img src=x" not in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "/a%40b/api/v1/environment/%3Cimg%20src%3Dx%3E/x/yaml/" in page.text
    missing = opened.web.get("build/999/")
    assert missing.status_code == 404 and "no build 999" in missing.text


def test_static_files_and_nothing_beside_them(opened: Server) -> None:
    style = opened.web.get("static/style.css")
    assert style.status_code == 200 and "prefers-color-scheme: dark" in style.text
    assert opened.web.get("static/build.js").headers["content-type"].startswith("text/javascript")
    for path in ("static/..%2Fapp.py", "static/%2Fetc%2Fpasswd", "static/none.css", "static/", "static/.css"):
        assert opened.web.get(path).status_code == 404


def raw(server: Server, data: bytes, seconds: float = 5) -> bytes:
    """What the server says to raw bytes until it closes, or has not for `seconds`."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        connection.sendall(data)
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
        return found


def closed_without_a_word(connection: socket.socket) -> bool:
    """Whether the server hangs up; what it has not read makes that a reset."""
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def test_a_tls_hello_is_closed_at_once(opened: Server) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", opened.port), timeout=5) as hello:
        hello.sendall(bytes.fromhex("16030100c8010000c40303") + b"\0" * 189)
        assert closed_without_a_word(hello)
    assert time.monotonic() - started < 1
    with socket.create_connection(("127.0.0.1", opened.port), timeout=5) as late:
        opened.api.get("").raise_for_status()  # by now the server has seen a connection that says nothing
        late.sendall(b"\x16\x03\x01")
        assert closed_without_a_word(late)
    with socket.create_connection(("127.0.0.1", opened.port), timeout=5) as slow:
        opened.api.get("").raise_for_status()
        slow.sendall(b"GET /a%40b/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert slow.recv(100).startswith(b"HTTP/1.1 200 OK")


def head(path: str, *headers: str) -> bytes:
    lines = [f"POST /a%40b/api/v1/{path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def test_too_large_a_body_is_answered_before_it_is_read(opened: Server) -> None:
    answer = opened.api.post("specification/", content=b" " * 10_000_000, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request_entity_too_large")
    assert answer.headers["connection"] == "close"
    for size in ("100001", "999999999999999999999999999"):
        with socket.create_connection(("127.0.0.1", opened.port), timeout=5) as connection:
            connection.sendall(head("specification/", f"Content-Length: {size}"))
            assert b" 413 " in connection.recv(65536).split(b"\r\n")[0]
    exact = json.dumps(GOOD).encode()
    padded = exact + b" " * (100_000 - len(exact))
    json_type = {"Content-Type": "application/json"}
    assert opened.api.post("specification/", content=padded, headers=json_type).status_code == 200


def test_a_body_without_length_is_counted(opened: Server) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    answer = opened.api.post("specification/", content=chunks(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request_entity_too_large")


def test_a_slow_body_is_cut_off(opened: Server) -> None:
    started = time.monotonic()
    assert raw(opened, head("specification/", "Content-Length: 100") + b"{") == b""
    assert time.monotonic() - started < 4


_POST = b"POST /a%40b/api/v1/specification/ HTTP/1.1\r\nHost: localhost\r\n"
_FORM = b"POST /a%40b/create/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /a%40b/ HTTP/1.1\r\n\r\n",
        b"GET /a%40b/ HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /a%40b/ HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        _POST + b"Content-Length: -1\r\n\r\n",
        _POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /a%40b/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        _FORM + b"Content-Type: multipart/form-data\r\n\r\nx",
        _FORM + b"Content-Encoding: gzip\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nx",
    ],
    ids=lambda data: repr(data[-60:]),
)
def test_malformed_requests_are_never_our_mistake(opened: Server, request_bytes: bytes) -> None:
    try:
        answer = raw(opened, request_bytes, seconds=0.7)
    except TimeoutError:
        answer = b""
    assert b" 500 " not in answer.split(b"\r\n")[0] and b"Traceback" not in answer
    assert opened.api.get("").status_code == 200


def test_the_secret_is_a_file_of_the_servers_user_alone(opened: Server) -> None:
    path = opened.app.root / "cookie-secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.stat().st_size >= 32


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "store.example.org"])  # noqa: S104
def test_without_a_token_only_loopback_is_listened_on(tmp_path: Path, address: str) -> None:
    with pytest.raises(BadInput, match=r"DummyAuthenticator\.token"), running(tmp_path, address=address):
        pass
    assert not is_loopback(address)
    assert is_loopback("127.8.8.8") and is_loopback("::1") and is_loopback("localhost")


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(BadInput, match="did you mean --port"):
        check_options(["--prot", "5"], ["port", "address"])
    check_options(["--port=5", "--CondaStore.port=5", "5"], ["port"])


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ("c.DummyAuthenticator.tokn = 'x'", "c.DummyAuthenticator.token"),
        ("c.CondaStore.defalt_channels = []", "c.CondaStore.default_channels"),
        ("c.GarbageColection.keep_builds = 1", "c.GarbageCollection"),
        ("c.Authenticator.session_day = 1", "c.Authenticator.session_days"),
    ],
)
def test_a_misspelt_name_in_the_configuration_is_refused(tmp_path: Path, line: str, near: str) -> None:
    path = tmp_path / "c.py"
    path.write_text(line)
    with pytest.raises(BadInput, match=f"did you mean '{near}'"):
        CondaStore().initialize([f"--config={path}"])


def test_an_option_like_none_is_refused_where_all_are_known(tmp_path: Path) -> None:
    path = tmp_path / "c.py"
    path.write_text("c.DummyAuthenticator.pwd = 'x'")
    with pytest.raises(BadInput, match=r"'c\.DummyAuthenticator' has no option 'pwd'"):
        CondaStore().initialize([f"--config={path}"])


def test_options_of_somebodys_own_classes_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.py"
    lines = ["c.MyAuthenticator.server = 'x'", "c.HubOAuth.base_url = '/'", "c.Authenticator.ldap_base = 'y'"]
    path.write_text("\n".join([*lines, "c.Authenticator.session_days = 3"]))
    CondaStore().initialize([f"--config={path}"])


def test_browser_rules_do_not_stumble() -> None:
    rules = BrowserRules.of(["Example.org"], [])
    rules.check_host("example.org.")
    assert rules.is_foreign({"Origin": "http://[", "Host": "localhost"})
    assert not rules.is_foreign({"Host": "localhost"})


def test_a_configuration_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.py"
    command = ["--config", str(path), "--port=0"]
    with pytest.raises(BadInput, match=r"c\.py"):
        CondaStore().initialize(command)
    for text in ("c.DummyAuthenticator.token = secret", "c.CondaStore.port = 'x'", "("):
        path.write_text(text)
        with pytest.raises(BadInput, match=r"c\.py"):
            CondaStore().initialize(command)
    path.write_text("c.CondaStore.port = 7\nc.CondaStore.max_page_size = 5\n")
    app = CondaStore()
    app.initialize(command)
    assert (app.port, app.max_page_size) == (0, 5)


def test_every_option_explains_itself() -> None:
    for kind in (CondaStore, *CondaStore.classes, CondaStoreConnection):
        for name, trait in kind.class_own_traits(config=True).items():
            told = trait.help.strip()
            assert len(told) > 40 and told[0].isupper() and "." in told, (kind, name)


def test_the_written_configuration_names_every_option_and_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "c.py"
    app = CondaStore()
    app.initialize(["--generate-config", "--config", str(path)])
    app.start()
    text = path.read_text()
    assert all(f"# c.CondaStore.{name} = " in text for name in CondaStore.class_own_traits(config=True))
    assert "# c.DummyAuthenticator.token = " in text and "# c.LocalExecutor.workers = " in text
    CondaStore().initialize(["--config", str(path)])
    with pytest.raises(BadInput, match="exists already"):
        app.start()
