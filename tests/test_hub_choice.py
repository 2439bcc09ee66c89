"""What the Hub's page shows of environments, what options mean, and which rights are asked with: no Hub is needed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import traitlets
from traitlets.config import LoggingConfigurable

from conda_store import hub
from conda_store.client import NotAllowed, ServerUnreachable
from conda_store.db.orm import TagRow
from conda_store.hub.address import service_address
from conda_store.hub.form import form, form_without_offers
from conda_store.hub.offers import EnvironmentUnavailable, Offer, Wanted, unanswered
from conda_store.hub.rights import reading
from tests.registry_house import admit
from tests.server import Server, running
from tests.test_hub import invented_image

COURSE = Offer("data", "course", "Arrays")
HOSTILE = Offer('"><b>', "<script>", "</option><script>alert(1)</script>" + "x" * 200)


def test_the_form_escapes_groups_and_remembers() -> None:
    shown = form([COURSE, HOSTILE], "data/course", "None: <i>", "/services/x/?a&b")
    assert "<script>" not in shown and "<b>" not in shown and "<i>" not in shown and "a&b" not in shown
    assert '<option value="data/course" selected>data/course: Arrays</option>' in shown
    assert shown.count("<optgroup") == 2 and shown.count("selected") == 1
    assert '<label class="form-label" for="conda-store-environment">' in shown


def test_the_form_says_what_is_not_there() -> None:
    shown = form([], "data/gone", "None", "")
    assert "data/gone, which was chosen last, cannot be chosen any more." in shown
    assert "There is no environment yet" in shown and '<option value="" selected>' in shown
    away = form_without_offers("<down>", "None", "")
    assert 'role="alert"' in away and "&lt;down&gt;" in away and '<option value="" selected>' in away


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, Wanted("data", "default")),
        ({"environment": ""}, None),
        ({"environment": "", "build": ""}, None),
        ({"environment": "a/b", "other": 1}, Wanted("a", "b")),
        ({"environment": "a/b", "build": "7"}, Wanted("a", "b", 7)),
        ({"environment": "a/b", "build": 7}, Wanted("a", "b", 7)),
    ],
)
def test_what_options_mean(options: dict[str, Any], wanted: Wanted | None) -> None:
    assert Wanted.of(options, "data/default") == wanted
    assert Wanted.of({}, "") is None


@pytest.mark.parametrize(
    "options",
    [{"environment": value} for value in ("a", "a/", "/b", "a/b/c", 7, ["a/b"], {"a": 1}, True)]
    + [{"environment": "a/b", "build": value} for value in (True, "-1", 1.5, [1], "²")]
    + [{"build": 7}, {"environment": "", "build": 7}],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(EnvironmentUnavailable) as refused:
        Wanted.of(options, "data/default")
    assert refused.value.status_code == 400 and "must be" in refused.value.jupyterhub_message


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        (["self", "access:services", "admin:users"], []),
        (["custom:conda-store:admin!user"], ["custom:conda-store:read!user"]),
        (["custom:conda-store:write!group=data"], ["custom:conda-store:read!group=data"]),
        (["custom:conda-store:read"], ["custom:conda-store:read"]),
        (["custom:conda-store:everything"], ["custom:conda-store:everything"]),
        (["custom:other:admin"], []),
    ],
)
def test_a_token_asks_for_reading_and_no_more(held: list[str], asked: list[str]) -> None:
    assert reading(held) == ["access:services!service=conda-store", *asked]


def test_addresses() -> None:
    assert service_address("http://h:5000", "/hub/", "conda-store") == "http://h:5000/services/conda-store/"
    assert service_address("https://h/", "/jupyter/hub/", "cs") == "https://h/jupyter/services/cs/"
    assert service_address("https://h/elsewhere/", "/hub/", "cs") == "https://h/elsewhere/"
    assert service_address("", "/hub/", "cs") == ""


def test_describing_a_service_loads_neither_hub_nor_server() -> None:
    program = "import sys; from conda_store import hub; hub.service(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"jupyterhub", "tornado", "sqlalchemy", "httpx"}
    with pytest.raises(AttributeError, match="has no attribute 'Spawner'"):
        _ = hub.Spawner


class FakeHub:
    """Where the Hub's own pages are."""

    base_url = "/hub/"


class ContainerSpawner(LoggingConfigurable):
    """Has of DockerSpawner what the mixin goes by, and tells what it would pull and start."""

    image = traitlets.Unicode("own:1").tag(config=True)
    cmd = traitlets.Any(["start.sh"])
    remove = traitlets.Bool(False)
    hub = traitlets.Instance(FakeHub, ())
    environment = traitlets.Dict()
    user_options = traitlets.Dict()

    async def docker(self, method: str, *arguments: str, **more: object) -> tuple[object, ...]:
        """What docker would be asked."""
        return *arguments, more.get("auth_config")

    async def start(self) -> dict[str, object]:
        """As KubeSpawner's, by a method that the mixin must leave alone."""
        return await self._start()

    async def _start(self) -> dict[str, object]:
        """Pull as DockerSpawner does, which splits at the last colon."""
        pulled = await self.docker("pull", *self.image.rsplit(":", 1))
        return {"image": self.image, "cmd": self.cmd, "pulled": pulled}


class Spawner(hub.CondaStoreSpawnerMixin, ContainerSpawner):
    """As in jupyterhub_config.py."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("choice")) as server:
        yield server


@pytest.fixture
def one(server: Server) -> Spawner:
    """A spawner that asks the server with a token that reads the namespace `default`."""
    asked = {"role_bindings": {"default/*": ["viewer"]}}
    token = server.api.post("token/", json=asked).json()["data"]["token"]
    address = f"{server.root}{server.app.prefix}"
    return Spawner(
        conda_store_url=address, conda_store_token=token, conda_store_packages=[], conda_store_registry="r.x"
    )


def start(one: Spawner, **options: object) -> dict[str, Any]:
    """Start it with options; what it would run."""
    one.user_options = options
    return dict(asyncio.run(one.start()))


def make_image(server: Server, name: str) -> str:
    """An environment whose image is made; its digest."""
    server.complete(number := server.submit(name))
    image = invented_image(server.storage)
    admit(server.app.database, server.storage, f"default/{name}", image, ["latest"])
    with server.app.database.write() as session:
        session.query(TagRow).filter_by(repository=f"default/{name}").update({"build_id": number})
    return image.digest


def test_a_container_runs_the_image_by_digest_and_pulls_it_as_its_owner(server: Server, one: Spawner) -> None:
    digest = make_image(server, "pinned")
    reference = f"r.x/default/pinned@{digest}"
    run = start(one, environment="default/pinned")
    assert (run["image"], run["cmd"]) == (reference, ["jupyterhub-singleuser"])
    repository, tag, credentials = run["pulled"]
    assert (repository, tag) == ("r.x/default/pinned", digest)
    assert credentials == {"username": "conda-store", "password": one.conda_store_token}
    # The next one chooses nothing, and what is not ours is pulled without the token.
    assert start(one, environment="") == {"image": "own:1", "cmd": ["start.sh"], "pulled": ("own", "1", None)}
    one.image = "changed:2"
    assert start(one, environment="default/pinned")["image"] == reference
    assert start(one)["image"] == "changed:2"


def test_an_image_that_is_not_made_yet_is_named_by_its_build(server: Server, one: Spawner) -> None:
    server.complete(server.submit("later"))
    key = server.api.get("environment/default/later/").json()["data"]["current_build"]["id"]
    said = server.api.get(f"build/{key}/docker/").text.rpartition(":")[2]
    assert start(one, environment="default/later")["image"] == f"r.x/default/later:{said}"


@pytest.mark.parametrize(
    ("options", "settings", "status", "message"),
    [
        ({"environment": "default/queued"}, {}, 409, "of default/queued is QUEUED"),
        ({"environment": "hidden/any"}, {}, 403, "You may not use hidden/any, or there is no such"),
        ({"environment": "default/ready"}, {"namespaces": ["art"]}, 403, "in environments of art only"),
        ({"environment": "default/ready"}, {"packages": ["jupyterhub"]}, 409, "holds none of jupyterhub"),
        ({"environment": "default/ready", "image": "x"}, {}, 400, "an environment or an image, not both"),
        ({"environment": "default/ready"}, {"remove": False}, 500, "while c.DockerSpawner.remove is False"),
        (
            {"environment": "default/ready"},
            {"url": "http://127.0.0.1:9/a/"},
            503,
            "conda-store does not answer: try again soon",
        ),
        ({"environment": "default/ready"}, {"url": ""}, 503, "conda-store does not answer"),
    ],
)
def test_what_cannot_run_says_why(
    server: Server, one: Spawner, options: dict[str, str], settings: dict[str, Any], status: int, message: str
) -> None:
    if not server.api.get("environment/default/ready/").is_success:
        server.submit("queued")
        server.complete(server.submit("ready"))
    for name, value in settings.items():
        setattr(one, name if name == "remove" else f"conda_store_{name}", value)
    with pytest.raises(EnvironmentUnavailable) as refused:
        start(one, **options)
    assert (refused.value.status_code, message in refused.value.jupyterhub_message) == (status, True), refused.value


def test_who_is_not_known_hears_why_and_nobody_hears_the_internal_address() -> None:
    unknown = unanswered(NotAllowed(403, "credentials_invalid", "The token is wrong."))
    assert (unknown.status_code, unknown.jupyterhub_message[-19:]) == (403, "The token is wrong.")
    away = unanswered(ServerUnreachable("No conda-store server answers at http://10.0.0.7:5000."))
    assert away.status_code == 503 and "10.0.0.7" not in away.jupyterhub_message


def test_an_image_that_somebody_chooses_goes_over_the_default(server: Server, one: Spawner) -> None:
    one.conda_store_default = "default/nothing"
    assert start(one, image="other")["image"] == "own:1"
    with pytest.raises(EnvironmentUnavailable):
        start(one)


def test_lists_are_kept_for_a_while(server: Server, one: Spawner) -> None:
    server.complete(server.submit("kept"))
    shown = asyncio.run(one.conda_store_form())
    assert 'value="default/kept"' in shown and "None: the image of this Hub" in shown
    server.complete(server.submit("newer"))
    assert 'value="default/newer"' not in asyncio.run(one.conda_store_form())
    one.conda_store_cache_seconds = 0
    assert 'value="default/newer"' in asyncio.run(one.conda_store_form())


def test_servers_and_spawner_are_told_the_address_once() -> None:
    given = Spawner(environment=hub.server_environment("http://127.0.0.1:5000"))
    assert given.conda_store_url == "http://127.0.0.1:5000/services/conda-store/"
    assert given.conda_store_options({"environment": ["a/b"], "_xsrf": ["x"]}) == {"environment": "a/b"}


def test_every_option_explains_itself() -> None:
    for name, trait in hub.CondaStoreSpawnerMixin.class_own_traits(config=True).items():
        assert name.startswith("conda_store_") and len(trait.help) > 40 and trait.help.endswith("."), name
