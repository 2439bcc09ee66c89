"""What a Jupyter server passes on to conda-store and back, and what it never does: with servers that misbehave."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from jupyter_server.auth import Authorizer

from tests.jupyter_servers import BASE, TOKEN, JupyterServer, running_jupyter
from tests.odd_server import OddServer, Reply, odd_server, ok, refused

SECRET = "token-of-conda-store"  # noqa: S105
BUILD = "GET build/7/"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Jupyter server; where conda-store is, each test says."""
    with running_jupyter(tmp_path_factory.mktemp("jupyter"), token=SECRET, max_body_bytes=1_000_000) as server:
        yield server


@pytest.fixture
def odd(jupyter: JupyterServer) -> Iterator[OddServer]:
    """A conda-store that does as it is told."""
    with odd_server() as server:
        jupyter.connection.url = server.url
        yield server


def ask(jupyter: JupyterServer, path: str, method: str = "GET") -> tuple[int, dict[str, str]]:
    """Status and JSON of a request whose path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", jupyter.port, timeout=30)
    try:
        connection.request(method, f"{BASE}conda-store/{path}", headers={"Authorization": f"token {TOKEN}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def check_refusal(answer: httpx.Response, status: int, code: str, *words: str) -> None:
    """An error in the envelope of the REST API."""
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"], told["data"]) == (status, "error", code, None)
    assert all(word in told["message"] for word in words), told["message"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_every_verb_is_passed_on_with_its_body_and_answered(
    jupyter: JupyterServer, odd: OddServer, method: str
) -> None:
    odd.replies[f"{method} environment/a%20b/c/"] = [ok({"build_id": 7})]
    body = b"" if method == "GET" else b'{"a": 1}'
    answer = jupyter.http.request(method, "api/v1/environment/a%20b/c/?x=%2F+y&x=1&flag", content=body or None)
    assert (answer.status_code, answer.json()["data"]) == (200, {"build_id": 7})
    (asked,) = odd.asked
    assert (asked.method, asked.path, asked.body) == (method, "environment/a%20b/c/?x=%2F+y&x=1&flag", body)


def test_only_these_headers_reach_conda_store(jupyter: JupyterServer, odd: OddServer) -> None:
    odd.replies[BUILD] = [ok(None)]
    passed = {
        "accept": "application/json",
        "accept-encoding": "gzip",
        "if-none-match": '"x"',
        "if-range": '"y"',
        "last-event-id": "12",
        "range": "bytes=0-5",
        "content-type": "application/json",
    }
    kept = {
        "cookie": "conda-store-auth=1; _xsrf=2",
        "origin": f"http://127.0.0.1:{jupyter.port}",
        "referer": f"{jupyter.root}lab",
        "sec-fetch-site": "same-origin",
        "x-xsrftoken": "3",
        "x-forwarded-for": "9.9.9.9",
        "x-http-method-override": "DELETE",
        "forwarded": "for=9.9.9.9",
        "te": "trailers",
        "user-agent": "Browser",
    }
    query = f"%74oken=4&_xsrf=2&no_track_activity=1&page=1&token={TOKEN}"
    assert jupyter.http.get(f"api/v1/build/7/?{query}", headers={**passed, **kept}).status_code == 200
    (asked,) = odd.asked
    assert asked.path == "build/7/?page=1"
    own = {"authorization", "connection", "host", "user-agent"}
    assert {name: value for name, value in asked.headers.items() if name not in own} == passed
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.headers["user-agent"].startswith("conda-store-jupyter/")


def test_only_these_headers_reach_a_browser_and_no_cookie_is_kept(jupyter: JupyterServer, odd: OddServer) -> None:
    passed = {"etag": '"z"', "cache-control": "no-store", "retry-after": "5", "content-disposition": 'inline; a="ü"'}
    dropped = {
        "set-cookie": "conda-store-auth=1; Path=/",
        "content-security-policy": "default-src *",
        "access-control-allow-origin": "https://evil.example",
        "access-control-allow-credentials": "true",
        "www-authenticate": "Basic",
        "clear-site-data": '"*"',
        "refresh": "0;url=https://evil.example",
        "x-frame-options": "ALLOWALL",
        "server": "nginx",
    }
    odd.replies[BUILD] = [Reply(200, b"{}", {"Content-Type": "application/json", **passed, **dropped})]
    for _ in range(2):
        answer = jupyter.http.get("api/v1/build/7/")
    found = {name: value.decode("latin-1") for name, value in ((n.decode(), v) for n, v in answer.headers.raw)}
    found = {name.lower(): value for name, value in found.items()}
    assert {name: found[name] for name in passed} == passed
    assert found["access-control-allow-origin"] == "" and found["server"].startswith("Tornado")
    assert not set(dropped) - {"access-control-allow-origin", "content-security-policy", "server", "set-cookie"} & set(
        found
    )
    assert "conda-store-auth" not in str(found)
    assert found["x-content-type-options"] == "nosniff"
    assert found["content-security-policy"] == "sandbox; default-src 'none'; frame-ancestors 'none'"
    assert "cookie" not in odd.asked[-1].headers


@pytest.mark.parametrize(
    "path",
    [
        "api/v1/../../metrics",
        "api/v1/%2e%2e/%2E%2E/metrics",
        "api/v1/%252e%252e/metrics",
        "api/v1/..;/metrics",
        "api/v1/./build/",
        "api/v1/..%2fmetrics",
        "api/v1/build%2f7/",
        "api/v1/build%5c7/",
        "api/v1/a\\b/",
        "api/v1//build/",
        "api/v1/build/7%00/",
        "api/v1/build/%0d%0aX: y/",
        "api/v1/build/%zz/",
        "/evil.example/api/v1/",
        "http://evil.example/api/v1/",
        "api/v1/build/7/?a=\x7f",
    ],
)
def test_paths_that_could_lead_elsewhere_are_refused(jupyter: JupyterServer, odd: OddServer, path: str) -> None:
    if " " in path or "\x7f" in path:
        path = path.replace(" ", "%20").replace("\x7f", "%")
    status, told = ask(jupyter, path)
    assert (status, told["code"], told["status"]) == (400, "path_refused", "error"), told
    assert odd.asked == []


@pytest.mark.parametrize(
    "path",
    ["", "metrics", "api/", "api/v1", "api/v3/build/", "api/openapi.json", "API/v1/", "v2/_catalog", "%61pi/v1/"],
)
def test_nothing_else_of_conda_store_is_reached(jupyter: JupyterServer, odd: OddServer, path: str) -> None:
    status, told = ask(jupyter, path)
    assert (status, told["code"]) == (404, "not_passed_on") and "api/v1/" in told["message"]
    assert odd.asked == []


def test_who_is_not_signed_in_at_jupyter_reaches_nothing(jupyter: JupyterServer, odd: OddServer) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE"):
        answer = httpx.request(method, f"{jupyter.root}conda-store/api/v1/build/7/")
        assert answer.status_code == 403
        if method != "HEAD":
            check_refusal(answer, 403, "forbidden")
    assert odd.asked == []


def test_a_change_by_cookie_needs_jupyters_own_token_against_forgery(jupyter: JupyterServer, odd: OddServer) -> None:
    odd.replies["POST token/"] = [ok({"token": "new"})]
    with httpx.Client(follow_redirects=True) as browser:
        browser.get(jupyter.root + "login", params={"token": TOKEN})
        path = f"{jupyter.root}conda-store/api/v1/token/"
        check_refusal(browser.post(path), 403, "forbidden", "_xsrf")
        assert odd.asked == []
        sent = {"X-XSRFToken": browser.cookies["_xsrf"]}
        assert browser.post(path, headers={**sent, "Origin": "https://evil.example"}).status_code in (403, 404)
        assert odd.asked == []
        assert browser.post(path, headers=sent).json()["data"] == {"token": "new"}
    assert "x-xsrftoken" not in odd.asked[0].headers and "cookie" not in odd.asked[0].headers


class OnlyReading(Authorizer):
    """Lets everybody read."""

    def is_authorized(self, handler: object, user: object, action: str, resource: str) -> bool:
        return action == "read" and resource == "conda-store"


def test_jupyters_authorizer_decides_who_may_change(tmp_path: Path, odd: OddServer) -> None:
    odd.replies[BUILD] = [ok(None)]
    with running_jupyter(tmp_path, url=odd.url, ServerApp__authorizer_class=OnlyReading) as jupyter:
        assert jupyter.http.get("api/v1/build/7/").status_code == 200
        check_refusal(jupyter.http.put("api/v1/build/7/"), 403, "forbidden", "write conda-store")
        check_refusal(jupyter.save("api/v1/build/7/yaml/"), 403, "forbidden")
    assert [one.method for one in odd.asked] == ["GET"]


def test_a_redirect_below_the_address_is_handed_on(jupyter: JupyterServer, odd: OddServer) -> None:
    there = f"{odd.url}api/v1/build/8/?a=1"
    for where in (there, "/a%40b/api/v1/build/8/?a=1", "../8/?a=1"):
        odd.replies[BUILD] = [Reply(307, b"", {"Location": where})]
        answer = jupyter.http.get("api/v1/build/7/")
        assert (answer.status_code, answer.headers["Location"]) == (307, f"{BASE}conda-store/api/v1/build/8/?a=1")


@pytest.mark.parametrize(
    ("where", "origin"),
    [
        ("https://evil.example/api/v1/build/8/?secret=1", "https://evil.example,"),
        ("//evil.example/a%40b/api/v1/", "http://evil.example,"),
        ("/a%40b/metrics", "another place of the same server"),
        ("/hub/login", "another place of the same server"),
        ("/api/v1/build/8/", None),
        ("/a%40b/api/v1/../../metrics", None),
        ("/a%40b/api/v1/%2e%2e/x", None),
        ("http://[", None),
    ],
)
def test_a_redirect_elsewhere_is_refused_and_not_followed(
    jupyter: JupyterServer, odd: OddServer, where: str, origin: str | None
) -> None:
    odd.replies[BUILD] = [Reply(302, b"", {"Location": where})]
    answer = jupyter.http.get("api/v1/build/7/")
    check_refusal(answer, 502, "redirect_refused", "CONDA_STORE_URL", origin or "")
    assert "Location" not in answer.headers and "secret" not in answer.text and len(odd.asked) == 1


@pytest.mark.parametrize(
    "kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml", "image/svg+xml", "text/javascript"]
)
def test_a_page_is_never_passed_on(jupyter: JupyterServer, odd: OddServer, kind: str) -> None:
    odd.replies[BUILD] = [Reply(status, b"<script>evil</script>", {"Content-Type": kind}) for status in (200, 404, 503)]
    for status in (200, 404):
        answer = jupyter.http.get("api/v1/build/7/")
        check_refusal(answer, 502, "answer_unreadable", f"status {status}", odd.url.rstrip("/"))
        assert "evil" not in answer.text and answer.headers["Content-Type"] == "application/json"
    check_refusal(jupyter.http.get("api/v1/build/7/"), 502, "conda_store_unreachable", "status 503")


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("application/gzip", 'inline; filename="a.tar.gz"', 'attachment; filename="a.tar.gz"'),
        ("application/octet-stream", "", "attachment"),
        ("text/css", "", "attachment"),
        ("", "", "attachment"),
        ("application/json; charset=utf-8", "", None),
        ("application/spdx+json", "", None),
        ("text/event-stream", "", None),
    ],
)
def test_what_is_no_text_is_a_download(
    jupyter: JupyterServer, odd: OddServer, kind: str, given: str, expected: str | None
) -> None:
    headers = {"Content-Type": kind, "Content-Disposition": given}
    odd.replies[BUILD] = [Reply(200, b"bytes", {name: value for name, value in headers.items() if value})]
    answer = jupyter.http.get("api/v1/build/7/")
    assert answer.content == b"bytes" and answer.headers.get("Content-Disposition") == expected
    assert answer.headers.get("Content-Type", "") == kind


def test_answers_without_body_and_errors_pass_as_they_are(jupyter: JupyterServer, odd: OddServer) -> None:
    odd.replies[BUILD] = [
        Reply(204, b"", {"Content-Type": "text/event-stream"}),
        Reply(304, b"", {"ETag": '"x"'}),
        refused(409, "wrong_state", "Not now."),
        Reply(299, b"{}", {"Content-Type": "application/json"}),
    ]
    assert jupyter.http.get("api/v1/build/7/").status_code == 204
    answer = jupyter.http.get("api/v1/build/7/", headers={"If-None-Match": '"x"'})
    assert (answer.status_code, answer.headers["ETag"], answer.content) == (304, '"x"', b"")
    check_refusal(jupyter.http.get("api/v1/build/7/"), 409, "wrong_state", "Not now.")
    assert jupyter.http.get("api/v1/build/7/").status_code == 299


def test_compressed_bytes_pass_as_they_are(jupyter: JupyterServer, odd: OddServer) -> None:
    packed = gzip.compress(b'{"a": 1}' * 100)
    odd.replies[BUILD] = [Reply(200, packed, {"Content-Type": "application/json", "Content-Encoding": "gzip"})]
    with jupyter.http.stream("GET", "api/v1/build/7/") as answer:
        assert b"".join(answer.iter_raw()) == packed
    assert (answer.headers["Content-Encoding"], answer.headers["Content-Length"]) == ("gzip", str(len(packed)))
