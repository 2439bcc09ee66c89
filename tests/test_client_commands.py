"""The commands that speak to a server, as a shell runs them, against the real application."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conda_store.builds.states import canceled
from conda_store.client import Client
from conda_store.executors.local import LocalExecutor
from tests.command_line import in_a_terminal, shell
from tests.invented import InventedChannel, text_file
from tests.server import Server, running

YAML = "name: course\nchannels: [conda-forge]\ndependencies: [python=3.11]\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An application whose builds the tests end themselves; everybody is its administrator."""
    with running(tmp_path_factory.mktemp("server")) as one:
        yield one


def test_an_environment_from_its_file_to_its_lockfile(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "environment.yaml"
    file.write_text(YAML)
    build_id = int(shell(server, "create", str(file), "--namespace", "ana@lab.org").stdout)
    server.complete(build_id, LOCKFILE=b'{"version": 1}')

    shown = dict(line.split("\t") for line in shell(server, "show", "ana@lab.org/course").stdout.splitlines())
    assert shown["status"] == "COMPLETED" and shown["LOCKFILE"] == "READY" and shown["build"] == str(build_id)
    listed = shell(server, "list", "--namespace", "ana@lab.org").stdout.splitlines()
    assert [line.split("\t")[:2] for line in listed] == [["ana@lab.org/course", str(build_id)]]
    assert shell(server, "wait", str(build_id)).stderr == f"Build {build_id} is COMPLETED.\n"

    target = tmp_path / "out"
    target.mkdir()
    printed = shell(server, "download", "ana@lab.org/course", "lockfile", "-o", str(target)).stdout
    assert printed == f"{target / 'conda-lock.yml'}\n" and Path(printed.strip()).read_bytes() == b'{"version": 1}'
    shell(server, "download", str(build_id), "yaml", "-o", str(target / "copy.yaml"))
    assert "python" in (target / "copy.yaml").read_text()


def test_json_is_for_scripts(server: Server) -> None:
    build_id = server.submit("scripted", "scripts")
    (one,) = json.loads(shell(server, "list", "--namespace", "scripts", "--json").stdout)
    assert (one["namespace"], one["name"], one["current_build_id"]) == ("scripts", "scripted", build_id)
    shown = json.loads(shell(server, "show", "scripts/scripted", "--json").stdout)
    assert shown["current_build"]["status"] == "QUEUED"
    assert shown["current_build"]["scheduled_on"].endswith("+00:00")


def test_a_terminal_gets_a_table(server: Server) -> None:
    server.submit("drawn", "pictures", environment_description="[bold]two\nlines\x1b[2J")
    text = in_a_terminal(server, "list", "--namespace", "pictures")
    heading, row = text.splitlines()
    assert heading.split("\x1b")[1].startswith("[1menvironment") or "environment" in heading
    assert "pictures/drawn" in row and "[bold]two lines" in row and "\x1b[2J" not in text
    assert "\t" not in text


def test_logs_follow_a_build_to_its_end(server: Server) -> None:
    build_id = server.submit("followed")
    lease = server.begin(build_id)
    server.tell(lease, "first", "\x1b]0;title\x07 second")
    with Client(f"{server.root}{server.app.prefix}") as client:
        followed = client.logs(build_id, follow=True)
        assert next(followed) == "first"
        server.tell(lease, "third")
        assert next(followed).endswith("second") and next(followed) == "third"
    now = shell(server, "logs", str(build_id)).stdout
    assert now.splitlines() == ["first", "\ufffd]0;title\ufffd second", "third"]

    shell(server, "cancel", str(build_id))
    with server.app.database.write() as session:
        assert canceled(session, lease)
    assert shell(server, "wait", str(build_id), status=1).stderr.startswith(f"Error: Build {build_id} is CANCELED")
    assert "third" in shell(server, "logs", "-f", str(build_id)).stdout


def test_who_waits_hears_of_the_end(server: Server) -> None:
    build_id = server.submit("ending")
    command = [sys.executable, "-m", "conda_store", "wait", str(build_id), "--url", f"{server.root}{server.app.prefix}"]
    waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    shell(server, "cancel", str(build_id))
    assert f"Build {build_id} is CANCELED" in waiting.communicate(timeout=60)[1] and waiting.returncode == 1


def test_a_log_goes_on_over_a_restart_of_the_server(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with running(tmp_path / "s") as server:
            build_id = server.submit("restarted")
            lease = server.begin(build_id)
            server.tell(lease, "before")
            client = Client(f"{server.root}{server.app.prefix}")
            followed = client.logs(build_id, follow=True)
            assert next(followed) == "before"
            later = pool.submit(next, followed)
        with client, running(tmp_path / "s", port=server.port) as again:
            again.tell(lease, "after")
            assert later.result(60) == "after"


def test_a_failed_build_fails_who_waits_with_its_reason(server: Server, tmp_path: Path) -> None:
    build_id = server.submit("failing")
    server.fail(build_id, "numpy 9 does not exist.")
    assert (
        f"Build {build_id} is FAILED: numpy 9 does not exist." in shell(server, "wait", str(build_id), status=1).stderr
    )
    late = shell(server, "cancel", str(build_id), status=1).stderr
    assert late.startswith("Error: ") and "FAILED" in late
    missing = shell(server, "download", str(build_id), "archive", "-o", str(tmp_path / "a"), status=5).stderr
    assert "numpy 9 does not exist." in missing and list(tmp_path.iterdir()) == []


def test_waiting_may_have_a_limit(server: Server) -> None:
    build_id = server.submit("queued")
    done = shell(server, "wait", str(build_id), "--timeout", "0.3", status=124)
    assert f"Build {build_id} has not ended after 0.3 seconds; it goes on." in done.stderr


def test_wrong_input_is_answered_with_its_places(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "environment.yaml"
    file.write_text("name: a/b\ndependencies: [numpy]\nchanels: []\n")
    message = shell(server, "create", str(file), status=1).stderr
    assert "line 1, column 7" in message and "line 3, column 1" in message
    assert "cannot be read" in shell(server, "create", str(tmp_path / "none.yaml"), status=1).stderr
    assert "There is no build 999." in shell(server, "logs", "999", status=5).stderr
    assert "NAMESPACE/NAME" in shell(server, "show", "nothing", status=2).stderr
    assert "nowhere" in shell(server, "show", "nowhere/nothing", status=5).stderr


def test_nobody_at_the_address() -> None:
    message = shell(None, "list", "--url", "http://127.0.0.1:1", status=3).stderr
    assert "No conda-store server answers at http://127.0.0.1:1" in message and "CONDA_STORE_URL" in message
    assert "Traceback" not in message


def test_a_token_opens_what_is_closed(tmp_path: Path) -> None:
    proof = "opensesame"
    with running(tmp_path / "server", DummyAuthenticator__token=proof) as server:
        file = tmp_path / "environment.yaml"
        file.write_text(YAML)
        for environ in ({}, {"CONDA_STORE_TOKEN": "wrong"}):
            refused = shell(server, "create", str(file), status=4, **environ)
            assert refused.stderr.startswith("Error: ") and refused.stdout == ""
        assert shell(server, "create", str(file), CONDA_STORE_TOKEN=proof).stdout == "1\n"


def test_a_real_build_from_the_file_to_the_archive(tmp_path: Path) -> None:
    channel = InventedChannel(tmp_path / "channel")
    channel.add("hello", [text_file("share/hello.txt", "hello\n")])
    options = {
        "executor_class": LocalExecutor,
        "default_channels": [channel.directory.as_uri()],
        "ImageBuilder__base_image": "scratch",
    }
    file = tmp_path / "environment.yaml"
    file.write_text("name: greeting\ndependencies: [hello]\n")
    with running(tmp_path / "s", **options) as server:
        built = shell(server, "create", str(file), "--wait")
        assert built.stdout == "1\n" and built.stderr.endswith("Build 1 is COMPLETED.\n")
        followed = shell(server, "logs", "-f", "1").stdout
        assert followed.startswith("Build 1 of default/greeting\n") and "\nimage " in followed
        archive = shell(server, "download", "1", "archive", "-o", str(tmp_path)).stdout.strip()
        with tarfile.open(archive) as found:
            member = found.extractfile("share/hello.txt")
            assert member is not None and member.read() == b"hello\n"
        file.write_text("name: greeting\ndependencies: [goodbye]\n")
        failed = shell(server, "create", str(file), "--wait", status=1)
        assert failed.stdout == "2\n" and "goodbye" in failed.stderr
