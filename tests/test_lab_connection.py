"""How a Jupyter server is connected with conda-store: what says so, what the panel hears, and what nobody does."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from traitlets import TraitError
from traitlets.config import Config

from conda_store.client.credentials import Credentials
from conda_store_labextension.connection import CondaStoreConnection, Unconfigured
from tests.jupyter_servers import JupyterServer, running_jupyter
from tests.odd_server import OddServer, Reply, odd_server, ok, refused
from tests.raw_server import raw_server, until_closed

SECRET = "canary-of-a-token"  # noqa: S105
VARIABLES = ("CONDA_STORE_URL", "CONDA_STORE_TOKEN", "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_PUBLIC_HUB_URL")


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said, and nobody has logged in."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    for name in (*VARIABLES, "JUPYTERHUB_USER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Jupyter server; where conda-store is, each test says."""
    with running_jupyter(tmp_path_factory.mktemp("jupyter"), url="http://127.0.0.1:1", token=SECRET) as server:
        yield server


@pytest.fixture
def odd(jupyter: JupyterServer) -> Iterator[OddServer]:
    """A conda-store that does as it is told; it knows the caller."""
    with odd_server() as server:
        jupyter.connection.url = server.url
        jupyter.connection.token = SECRET
        server.replies["GET "] = [ok({"version": "1.2.3"})]
        server.replies["GET permission/"] = [permission(True)]
        yield server


def permission(known: bool, may: bool = True, namespace: str = "ana") -> Reply:
    """Who calls, and whether they may do anything."""
    given = {"*/*": ["environment::read"]} if may else {}
    shape = {"authenticated": known, "primary_namespace": namespace, "entity_permissions": given, "entity_roles": {}}
    return ok({**shape, "expiration": None})


def state(jupyter: JupyterServer, expected: str, *words: str) -> dict[str, str | None]:
    """What the panel hears."""
    answer = jupyter.http.get("connection/")
    told: dict[str, str | None] = answer.json()
    assert answer.status_code == 200 and list(told) == ["url", "state", "message", "user", "version"]
    assert told["state"] == expected and all(word in (told["message"] or "") for word in words), told
    assert SECRET not in answer.text
    return told


def test_the_panel_hears_where_it_is_connected_and_as_whom(jupyter: JupyterServer, odd: OddServer) -> None:
    told = state(jupyter, "ok")
    assert told == {"url": odd.url.rstrip("/"), "state": "ok", "message": "", "user": "ana", "version": "1.2.3"}
    assert {one.headers["authorization"] for one in odd.asked} == {f"Bearer {SECRET}"}


def test_under_a_hub_the_user_is_the_hubs(
    jupyter: JupyterServer, odd: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "ben")
    assert state(jupyter, "ok")["user"] == "ben"


def test_a_token_that_is_not_known_is_told_with_what_to_do(jupyter: JupyterServer, odd: OddServer) -> None:
    odd.replies["GET permission/"] = [permission(False)]
    told = state(jupyter, "refused", "access:services!service=conda-store", "CONDA_STORE_TOKEN")
    assert told["user"] is None and told["version"] == "1.2.3"
    odd.replies["GET permission/"] = [refused(403, "credentials_invalid", "Your token has expired.")]
    state(jupyter, "refused", "Your token has expired.")


def test_without_a_token_one_sees_what_everybody_sees(jupyter: JupyterServer, odd: OddServer) -> None:
    jupyter.connection.token = ""
    odd.replies["GET permission/"] = [permission(False), permission(False, may=False)]
    state(jupyter, "ok", "what everybody may see")
    state(jupyter, "refused", "conda-store login", "CONDA_STORE_TOKEN")
    assert all("authorization" not in one.headers for one in odd.asked)


def test_what_is_not_there_is_told_with_address_and_reason(jupyter: JupyterServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    jupyter.connection.url = url
    state(jupyter, "unreachable", url, "Connection refused")
    jupyter.connection.url = "http://nowhere.invalid"
    state(jupyter, "unreachable", "nowhere.invalid", "not known")
    with raw_server(lambda connection, head: until_closed(connection)) as url:
        jupyter.connection.url, before = url, jupyter.connection.state_seconds
        jupyter.connection.state_seconds = 0.2
        state(jupyter, "unreachable", url, "within 0.2 s")
        jupyter.connection.state_seconds = before


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>", {"Content-Type": "text/html"}),
        Reply(200, b"{}"),
        Reply(200, b"[]"),
        Reply(200, b'{"data": null}'),
        Reply(200, b"\xff"),
        Reply(404, b"not found"),
        Reply(200, bytes(5_000_000)),
        Reply(500, bytes(5_000_000)),
        Reply(302, b"", {"Location": "https://elsewhere.example/"}),
    ],
)
def test_another_server_is_not_taken_for_conda_store(jupyter: JupyterServer, odd: OddServer, reply: Reply) -> None:
    odd.replies["GET "] = [reply]
    state(jupyter, "unreachable", odd.url.rstrip("/"))


def test_why_conda_store_cannot_say_who_calls_is_told_in_its_words(jupyter: JupyterServer, odd: OddServer) -> None:
    odd.replies["GET permission/"] = [refused(503, "identity_unknown", "The Hub does not answer.")]
    assert state(jupyter, "unreachable")["message"] == "The Hub does not answer."


def test_nothing_configured_is_told_with_what_to_do(jupyter: JupyterServer) -> None:
    jupyter.connection.url = ""
    told = state(jupyter, "unconfigured", "CONDA_STORE_URL", "c.CondaStoreConnection.url", "jupyter_server_config.py")
    assert told["url"] == ""
    answer = jupyter.http.get("api/v1/build/7/")
    assert (answer.status_code, answer.json()["code"]) == (503, "unconfigured")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:5000",
        "ftp://host/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://ana:hunter2@host/",
        "http://hunter2@host/",
        "http://host/?token=hunter2",
        "http://host/#hunter2",
        "http://host:99999999/",
        "http://host/../x",
        "http://ho st/",
        "http://host\\@evil/",
        "http://[::1/",
        "http://host/\n",
    ],
)
def test_an_address_that_is_none_is_refused_by_the_name_of_what_says_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unconfigured, match=r"^c\.CondaStoreConnection\.url is not the address") as caught:
        CondaStoreConnection(url=url).address  # noqa: B018
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("CONDA_STORE_URL", url)
    with pytest.raises(Unconfigured, match=r"^CONDA_STORE_URL is not the address"):
        CondaStoreConnection().address  # noqa: B018


@pytest.mark.parametrize("url", ["http://h", "https://h:8443/a%40b", "http://[::1]:5000", "http://h/services/x.y/~z"])
def test_an_address_may_have_a_path_and_a_port(url: str) -> None:
    assert CondaStoreConnection(url=url + "/").address == CondaStoreConnection(url=url).address == url


def test_what_says_the_address_and_the_token_and_in_which_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_HUB_URL", "https://hub.example.org/jupyter/hub/")
    assert CondaStoreConnection().address == "https://hub.example.org/jupyter/services/conda-store"
    monkeypatch.setenv("CONDA_STORE_URL", "http://a")
    assert CondaStoreConnection().address == "http://a"
    assert CondaStoreConnection(url="http://b").address == "http://b"

    assert CondaStoreConnection().credential() == ""
    Credentials().keep("http://a", "login")
    assert CondaStoreConnection().credential() == "login" and CondaStoreConnection(url="http://b").credential() == ""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub")
    assert CondaStoreConnection().credential() == "hub"
    monkeypatch.setenv("CONDA_STORE_TOKEN", "variable")
    assert CondaStoreConnection().credential() == "variable"
    file = tmp_path / "token"
    file.write_text("file\n")
    connection = CondaStoreConnection(token_file=str(file))
    assert connection.credential() == "file"
    file.write_text("newer")
    assert connection.credential() == "newer"
    assert CondaStoreConnection(token_file=str(file), token="option").credential() == "option"  # noqa: S106
    file.unlink()
    with pytest.raises(Unconfigured, match="token_file cannot be read: No such file"):
        connection.credential()


def test_a_token_is_shown_by_no_error(tmp_path: Path) -> None:
    for value in (f"{SECRET}\n{SECRET}", f"{SECRET} ü"):
        with pytest.raises(Unconfigured) as refused_value:
            CondaStoreConnection(token=value).credential()
        assert SECRET not in str(refused_value.value)
    config = Config({"CondaStoreConnection": {"token": [SECRET]}})
    with pytest.raises(TraitError, match="must be a text") as refused_kind:
        CondaStoreConnection(config=config)
    assert SECRET not in str(refused_kind.value)
    assert SECRET not in repr(CondaStoreConnection(token=SECRET))


def test_a_token_is_in_no_answer_and_no_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    replies = [
        Reply(500, b"{}", missing=1),
        Reply(302, b"", {"Location": "https://elsewhere.example/"}),
        Reply(200, b"<html>", {"Content-Type": "text/html"}),
        refused(403, "credentials_invalid", "No."),
    ]
    # What stands in Jupyter's own configuration, its debug log shows.
    file, level = tmp_path / "token", "DEBUG"
    file.write_text(SECRET)
    with (
        odd_server() as odd,
        running_jupyter(tmp_path / "jupyter", url=odd.url, token_file=str(file), ServerApp__log_level=level) as jupyter,
    ):
        odd.replies["GET build/7/yaml/"] = [*replies]
        told = [jupyter.save("api/v1/build/7/yaml/").text for _ in replies]
        odd.replies["GET build/7/yaml/"] = [*replies[1:]]
        told += [jupyter.http.get("api/v1/build/7/yaml/").text for _ in replies[1:]]
        told.append(jupyter.http.get("connection/").text)
        assert all(SECRET in one.headers["authorization"] for one in odd.asked)
    assert SECRET not in "".join(told) + "".join(capfd.readouterr())


def test_jupyter_lists_the_extension_as_enabled_and_ok(tmp_path: Path) -> None:
    folder = tmp_path / "jupyter_server_config.d"
    folder.mkdir()
    given = Path(__file__).parent.parent / "jupyter_config" / folder.name / "conda-store.json"
    (folder / given.name).write_bytes(given.read_bytes())
    assert json.loads(given.read_text())["ServerApp"]["jpserver_extensions"] == {"conda_store_labextension": True}
    command = [sys.executable, "-m", "jupyter", "server", "extension", "list"]
    variables = {"JUPYTER_CONFIG_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    told = "".join(one for one in done.stdout + done.stderr if one.isprintable() or one == "\n")
    assert "conda_store_labextension [32menabled" in told or "conda_store_labextension enabled" in told, told
    assert any("conda_store_labextension" in line and "OK" in line for line in told.splitlines()), told
