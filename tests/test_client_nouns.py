"""Tokens, namespaces, settings and packages: the client, the commands, and their exit statuses."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conda_store.client import Client, Role, Usage
from conda_store.client.credentials import Credentials
from conda_store.client_commands.editing import with_marks, without_marks
from conda_store.errors import BadInput, Problem, SpecificationInvalid
from tests.command_line import shell, surroundings
from tests.odd_server import OddServer, build, environment, odd_server, ok, refused
from tests.server import Server, running

ADMIN = "the-administrators-own"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An application that knows one token."""
    with running(tmp_path_factory.mktemp("nouns"), DummyAuthenticator__token=ADMIN) as one:
        one.api.headers["Authorization"] = f"Bearer {ADMIN}"
        yield one


@pytest.fixture
def odd() -> Iterator[OddServer]:
    """A server that does as it is told."""
    with odd_server() as one:
        yield one


def ask(odd: OddServer, *words: str, status: int = 0, said: str = "", **environ: str) -> str:
    """What a command prints that asks the odd server."""
    return shell(None, *words, status=status, said=said, CONDA_STORE_URL=odd.url, **environ).stdout


def test_login_keeps_a_token_for_its_owner_alone(server: Server, tmp_path: Path) -> None:
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    kept = tmp_path / "config" / "conda-store" / "tokens.json"
    refused_ = shell(server, "login", "--token", "-", said="wrong\n", status=4, **home)
    assert "does not know this token" in refused_.stderr and not kept.exists()
    assert "is empty" in shell(server, "login", "--token", "-", said="\n", status=1, **home).stderr
    said = shell(server, "login", "--token", "-", said=f"{ADMIN}\n", **home)
    assert "knows you" in said.stderr and ADMIN not in said.stderr + said.stdout
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700

    info = json.loads(shell(server, "info", "--output", "json", **home).stdout)
    assert info["authenticated"] is True and info["version"] and info["url"] in f"{server.root}{server.app.prefix}"
    lines = dict(line.split("\t") for line in shell(server, "info", **home).stdout.splitlines())
    assert lines["known"] == "yes" and lines["namespace"] == info["primary_namespace"]
    # The variable and the option win.
    for words, more in (((), {"CONDA_STORE_TOKEN": "x"}), (("--token", "x"), {})):
        assert json.loads(shell(server, "info", "--json", *words, **home, **more).stdout)["authenticated"] is False
    kept.chmod(0o644)
    assert "chmod 600" in shell(server, "info", status=1, **home).stderr
    kept.chmod(0o600)
    assert "is forgotten" in shell(server, "logout", **home).stderr
    assert json.loads(shell(server, "logout", "--output", "json", **home).stdout)["forgotten"] is False
    assert json.loads(shell(server, "info", "--output", "json", **home).stdout)["authenticated"] is False


def test_spellings_of_one_address_are_one_server(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "c" / "tokens.json")
    credentials.keep("https://Example.org:443/hub/", "one")
    credentials.keep("https://example.org/other", "two")
    assert credentials.find("https://example.org/hub") == "one" and credentials.find("http://example.org/hub") is None
    assert credentials.forget("https://example.org/hub/") and credentials.find("https://example.org/other") == "two"
    credentials.path.write_text("[]")
    with pytest.raises(BadInput, match="holds no tokens"):
        credentials.find("https://example.org")


def test_tokens_are_made_listed_and_revoked(server: Server) -> None:
    mine = {"CONDA_STORE_TOKEN": ADMIN}
    words = ("--name", "ci", "--expiration", "3600", "--permission", "data/*:viewer,developer")
    made = json.loads(shell(server, "token", "create", *words, "--output", "json", **mine).stdout)
    (listed,) = json.loads(shell(server, "token", "list", "--output", "json", **mine).stdout)
    assert listed["id"] == made["id"] and listed["name"] == "ci" and "token" not in listed
    assert listed["role_bindings"] == {"data/*": ["viewer", "developer"]}
    assert 3500 < (datetime.fromisoformat(listed["expiration"]) - datetime.now(UTC)).total_seconds() <= 3600
    theirs = {"CONDA_STORE_TOKEN": made["token"]}
    assert json.loads(shell(server, "info", "--json", **theirs).stdout)["authenticated"] is True
    shell(server, "token", "revoke", str(made["id"]), **mine)
    assert json.loads(shell(server, "info", "--json", **theirs).stdout)["authenticated"] is False
    assert shell(server, "token", "list", **mine).stdout == ""
    shell(server, "token", "revoke", str(made["id"]), status=5, **mine)
    assert "gives no role" in shell(server, "token", "create", "--permission", "data", status=2, **mine).stderr
    printed = shell(server, "token", "create", **mine).stdout
    assert printed.count("\n") == 1 and len(printed) > 20


def test_builds_and_environments_come_and_go(server: Server) -> None:
    mine = {"CONDA_STORE_TOKEN": ADMIN}
    first = server.submit("moved", "ours")
    server.complete(first)
    second = int(shell(server, "rebuild", "ours/moved", **mine).stdout)
    server.complete(second)
    current = "ours/moved"
    assert json.loads(shell(server, "show", current, "--output", "json", **mine).stdout)["current_build_id"] == second
    shell(server, "rollback", current, str(first), **mine)
    assert json.loads(shell(server, "show", current, "--output", "json", **mine).stdout)["current_build_id"] == first
    builds = [line.split("\t") for line in shell(server, "show", current, "--builds", **mine).stdout.splitlines()]
    assert [(one[0], one[3]) for one in builds] == [(str(first), "current"), (str(second), "")]
    assert json.loads(shell(server, "wait", f"{current}:{second}", "--output", "json", **mine).stdout)["id"] == second
    other = server.submit("other", "ours")
    assert "is not one of ours/moved" in shell(server, "logs", f"{current}:{other}", status=1, **mine).stderr
    assert "--yes" in shell(server, "delete", current, status=2, **mine).stderr
    shell(server, "delete", f"{current}:{second}", "-y", **mine)
    shell(server, "wait", str(second), status=5, **mine)
    assert json.loads(shell(server, "delete", current, "-y", "--output", "json", **mine).stdout) == {"deleted": current}
    shell(server, "show", current, status=5, **mine)


def test_settings_are_shown_set_and_taken_back(server: Server) -> None:
    mine = {"CONDA_STORE_TOKEN": ADMIN}
    server.submit("set", "settled")
    shell(server, "setting", "set", "conda_solve_platforms=[linux-64, osx-arm64]", "--for", "settled", **mine)
    own = json.loads(shell(server, "setting", "show", "--for", "settled", "--own", "--output", "json", **mine).stdout)
    assert own == {"conda_solve_platforms": ["linux-64", "osx-arm64"]}
    shell(server, "setting", "unset", "conda_solve_platforms", "--for", "settled", **mine)
    assert shell(server, "setting", "show", "--for", "settled", "--own", **mine).stdout == ""
    assert "Invalid setting keys" in shell(server, "setting", "set", "nothing=1", status=1, **mine).stderr
    assert "SETTING=VALUE" in shell(server, "setting", "set", "nothing", status=2, **mine).stderr
    shell(server, "setting", "show", status=4)


def test_namespaces_are_listed_and_made(server: Server) -> None:
    mine = {"CONDA_STORE_TOKEN": ADMIN}
    shell(server, "namespace", "create", "fresh", **mine)
    assert "fresh" in shell(server, "namespace", "list", **mine).stdout.splitlines()
    assert json.loads(shell(server, "namespace", "show", "fresh", "--output", "json", **mine).stdout)["name"] == "fresh"
    shell(server, "namespace", "create", "fresh", status=1, **mine)
    for name in ("a/b", ".."):
        refused = shell(server, "namespace", "create", name, status=1, **mine).stderr
        assert f"'{name}' is no name for a namespace: leave out '/'" in refused


def test_roles_of_other_namespaces(odd: OddServer) -> None:
    role = {"id": 1, "namespace": "data", "other_namespace": "ana@lab.org", "role": "viewer"}
    odd.replies["GET namespace/data/roles"].append(ok([role]))
    for method in ("PUT", "POST", "DELETE"):
        odd.replies[f"{method} namespace/data/role"].append(ok(None))
    with Client(odd.url) as client:
        assert client.roles("data") == [Role("data", "ana@lab.org", "viewer")]
    said = ask(odd, "namespace", "roles", "data", "--set", "ana@lab.org=admin", "--set", "new=viewer", "--unset", "old")
    assert said == "ana@lab.org\tviewer\n"
    changed = [(one.method, json.loads(one.body)) for one in odd.asked if one.body]
    assert changed == [
        ("PUT", {"other_namespace": "ana@lab.org", "role": "admin"}),
        ("POST", {"other_namespace": "new", "role": "viewer"}),
        ("DELETE", {"other_namespace": "old"}),
    ]


def test_usage_solve_search_and_diff_as_the_contract_has_them(odd: OddServer, tmp_path: Path) -> None:
    odd.replies["GET usage/"].append(ok({"data": {"num_environments": 2, "num_builds": 3, "storage": 4_500_000}}))
    assert ask(odd, "usage") == "data\t2\t3\t4.5 MB\n"
    with Client(odd.url) as client:
        assert client.usage() == {"data": Usage(2, 3, 4_500_000)}

    solved = {"name": "numpy", "version": "2.0", "build": "h1", "channel_id": 1, "size": 2_000_000, "sha256": "00"}
    odd.replies["GET specification/"].append(
        lambda asked: type(ok(None))(body=json.dumps({"solve": [solved]}).encode())
    )
    file = tmp_path / "environment.yaml"
    file.write_text("channels: [main]\ndependencies: [numpy>1, {pip: [flask]}]\n")
    assert ask(odd, "solve", str(file), "--conda", "python") == "numpy\t2.0\th1\t1\t2.0 MB\n"
    assert odd.paths()[-1].endswith("?channel=main&conda=python&conda=numpy%3E1&pip=flask")
    odd.replies["POST specification/solve/"].append(ok({"solve": [{**solved, "channel": {"name": "main"}}]}))
    assert ask(odd, "solve", str(file), "--namespace", "data") == "numpy\t2.0\th1\tmain\t2.0 MB\n"
    assert json.loads(odd.asked[-1].body) == {"specification": file.read_text(), "namespace": "data"}
    assert ask(odd, "solve", str(file), "--namespace", "data", "--conda", "python", status=2) == ""
    file.write_text("dependencies: 3\n")
    assert ask(odd, "solve", str(file), status=1) == "" and ask(odd, "solve", status=2) == ""

    channel = {"id": 1, "name": "conda-forge", "last_update": None}
    package = {**solved, "id": 1, "channel": channel, "license": "BSD", "summary": "arrays"}
    odd.replies["GET package/"].append(ok([package, package], count=2))
    assert ask(odd, "search", "num", "--limit", "1") == "numpy\t2.0\th1\tconda-forge\tBSD\tarrays\n"

    changes = {"added": [{"name": "dependencies.flask", "value": ">1"}], "removed": [], "changed": []}
    packages = {"added": [], "removed": [package], "changed": [{"name": "numpy", "before": package, "after": package}]}
    odd.replies["GET build/1/diff/2/"].append(ok({"specification": changes, "packages": packages}))
    assert ask(odd, "diff", "1", "2").splitlines() == [
        "+\tspecification\tdependencies.flask\t\t>1",
        "-\tpackage\tnumpy\t2.0 h1\t",
        "~\tpackage\tnumpy\t2.0 h1\t2.0 h1",
    ]
    assert json.loads(ask(odd, "diff", "1", "2", "--output", "json"))["specification"] == changes


EDITOR = """#!{python}
import sys
from pathlib import Path
path, log = Path(sys.argv[1]), Path({log!r})
text = path.read_text()
with log.open("a") as file:
    file.write(text + "=====\\n")
path.write_text(text.replace("numpi", "numpy") if "refused" in text else text.replace("flask", {word!r}))
"""


@pytest.mark.parametrize(("word", "status", "asked"), [("numpi", 0, 2), ("nothing", 1, 1), ("flask", 0, 0)])
def test_what_is_refused_comes_back_into_the_editor(
    odd: OddServer, tmp_path: Path, word: str, status: int, asked: int
) -> None:
    odd.replies["GET environment/ours/data/"].append(ok(environment("data", "ours", current_build=build())))
    text = "name: data\ndependencies:\n- flask\n- python\n"
    odd.replies["GET environment/ours/data/yaml/"].append(lambda _: type(ok(None))(body=text.encode()))
    places = [{"message": "no such package", "line": 3, "column": 3, "path": None}]
    odd.replies["POST specification/"] += [refused(400, "x", "The specification has a problem", places)]
    odd.replies["POST specification/"] += [ok({"build_id": 8, "warnings": []})]
    editor, log = tmp_path / "editor", tmp_path / "log"
    editor.write_text(EDITOR.format(python=sys.executable, log=str(log), word=word))
    editor.chmod(0o755)
    given = {"VISUAL": str(editor), "TMPDIR": str(tmp_path)}
    done = shell(None, "edit", "ours/data", status=status, CONDA_STORE_URL=odd.url, **given)
    bodies = [json.loads(one.body)["specification"] for one in odd.asked if one.method == "POST"]
    assert len(bodies) == asked
    if word == "flask":
        assert "Nothing was changed" in done.stderr and done.stdout == ""
        return
    assert f"- {word}\n#! refused: line 3, column 3: no such package\n- python\n" in log.read_text()
    if word == "numpi":
        assert done.stdout == "8\n" and bodies[1] == text.replace("flask", "numpy")
    else:
        (kept,) = tmp_path.glob("conda-store-*.yaml")
        assert str(kept) in done.stderr and kept.read_text() == bodies[0]


def test_marks_stand_below_their_lines_and_go_away() -> None:
    text = "a: 1\nb: 2\n"
    error = SpecificationInvalid([Problem("two", 2, 1), Problem("late", 99, 1), Problem("all")])
    marked = with_marks(text, error)
    assert marked.splitlines()[0] == "#! refused: all" and without_marks(marked) == text
    assert marked.index("b: 2") < marked.index("line 2, column 1: two")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_is_printed_and_completes(name: str) -> None:
    assert "_CONDA_STORE_COMPLETE" in shell(None, "completion", name).stdout
    asked = {"_CONDA_STORE_COMPLETE": "bash_complete", "COMP_WORDS": "conda-store roll", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "conda_store"],
        env={**surroundings(), **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "plain,rollback\n"
