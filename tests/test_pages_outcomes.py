"""What pages offer of builds that failed, were canceled or deleted: the way on, and nothing that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.people import client_of, header_of, peopled
from tests.server import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


def shown(server: Server, path: str) -> str:
    answer = server.web.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_what_never_completed_offers_no_artifacts_but_an_edit(server: Server, end: str) -> None:
    build_id = server.submit(end)
    if end == "fail":
        server.fail(build_id, "nothing provides numpy")
    else:
        assert server.api.put(f"build/{build_id}/cancel/").status_code == 200
    edit = f'/environment/default/{end}/edit/?build={build_id}"'
    for path in (f"?search={end}", f"build/{build_id}/", f"environment/default/{end}/"):
        page = shown(server, path)
        assert "/yaml/" in page and not re.search('conda-lock.yml"|/archive/|/sbom/|docker (run|pull)', page), path
        assert edit in page or path.startswith("?")
    assert "no build has completed" in page


def test_an_environment_without_a_build_is_shown_and_can_be_written_anew(server: Server) -> None:
    build_id = server.submit("emptied")
    server.complete(build_id)
    assert "conda-lock.yml" in shown(server, "?search=emptied")
    assert server.api.delete(f"build/{build_id}/").status_code == 200
    listed = shown(server, "?search=emptied")
    assert "no build is left" in listed and "conda-lock.yml" not in listed and "docker pull" not in listed
    assert "default</bdi>/<bdi>emptied" not in shown(server, "?search=emptied&status=COMPLETED")
    page = shown(server, "environment/default/emptied/")
    assert "no build is left" in page and "docker run" not in page and "None is left." in page
    assert 'name="environment_name" value="emptied"' in shown(server, "environment/default/emptied/edit/")
    assert "None is left." in shown(server, "environment/default/emptied/builds/")


def test_a_comparison_with_what_failed_says_so(server: Server) -> None:
    builds = [server.submit("compared", text=f"name: {{name}}\ndependencies: [numpy={number}]\n") for number in (1, 2)]
    server.complete(builds[0])
    server.fail(builds[1], "nothing provides numpy 2")
    page = shown(server, f"build/{builds[0]}/diff/{builds[1]}/")
    assert f"Build {builds[1]} is FAILED" in page and "removed</td>" not in page and "numpy=1 → numpy=2" in page


def test_nobody_is_told_that_there_is_nothing_where_one_may_see_nothing(tmp_path: Path) -> None:
    with peopled(tmp_path, {"ana": []}) as server:
        page = shown(server, "")
        assert "none that everybody may see" in page and "login/" in page


def test_a_token_gives_the_chosen_role_everywhere_when_no_place_is_named(tmp_path: Path) -> None:
    grants = {"ana": {"lab/*": "developer"}}
    with peopled(tmp_path, {"ana": []}, PeopleAuthenticator__grants=grants) as server:
        page = server.web.get("user/", headers=header_of("ana")).text
        form = {"form_token": re.findall('name="form_token" value="([^"]+)"', page)[0], "name": "ci", "days": "3"}
        for role in ("viewer", "developer"):
            asked = form | {"name": role, "role": role, "pattern": ""}
            assert server.web.post("user/", data=asked, headers=header_of("ana")).status_code == 200
        with client_of(server, "ana") as ana:
            made = {one["name"]: one for one in ana.get("token/").json()["data"]}
        assert made["viewer"]["role_bindings"]["lab/*"] == ["viewer"] == made["viewer"]["role_bindings"]["ana/*"]
        assert made["developer"]["role_bindings"]["lab/*"] == ["developer"]
        assert datetime.fromisoformat(made["viewer"]["expiration"]) > datetime.now(UTC)


def test_the_settings_of_the_deployment_are_a_part_of_its_administration(server: Server) -> None:
    server.submit("ruled")
    assert 'admin/settings/">Settings</a>' in shown(server, "admin/")
    for path, section in (
        ("admin/settings/", "Administration"),
        ("namespace/default/settings/", "Namespaces"),
        ("environment/default/ruled/settings/", "Environments"),
    ):
        assert f'aria-current="page">{section}</a>' in shown(server, path)
