"""Images that were told how to run, in the real docker and podman: users, homes, entry points, commands, zstd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conda_store.builds.workshop import Workshop
from conda_store.image_options import ImageOptions
from conda_store.pieces.compression import ZSTD
from conda_store.registry.settings import ImageSettings
from tests.containers import Engine
from tests.engine import image_manifest, run_build
from tests.registry_server import RegistryServer, skopeo

pytestmark = pytest.mark.docker

SOURCE = "name: told\ndependencies: [python]\nvariables: {TEAM: data}\n"
WHO = """
import json, os, pathlib
home = pathlib.Path.home()
try:
    (home / "written").write_text("yes")
    writable = True
except OSError:
    writable = False
who = {"uid": os.getuid(), "gid": os.getgid(), "home": str(home), "folder": os.getcwd()}
print(json.dumps({**who, "writable": writable}))
"""
# The activation sets the specification's variables again: only without it, what is given at the start stays.
GIVEN = ["--env=TEAM=given"]
VARIABLES = "import os; print(os.environ['TEAM'], os.environ.get('TZ'))"


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine."""
    found: Engine = request.getfixturevalue(request.param)
    return found


class Shop:
    """Builds images with options, pushes them and lets an engine fetch them."""

    def __init__(self, workshop: Workshop, base: str, registry: RegistryServer, directory: Path) -> None:
        self.workshop, self.base, self.registry, self.directory = workshop, base, registry, directory
        self.made: dict[str, str] = {}

    def image(self, engine: Engine, source: str = SOURCE, **options: Any) -> str:
        """The name of an image that the engine has."""
        key = f"{source}{options}"
        if key not in self.made:
            number = len(self.made)
            layout = self.directory / str(number)
            settings = ImageSettings(options=ImageOptions.read(options))
            run_build(self.workshop, source, oci=layout, base_images=self.base, images=settings)
            self.registry.push(f"oci:{layout}:latest", f"told/{number}")
            self.made[key] = f"{self.registry.host}/told/{number}"
        engine.fetch(self.made[key])
        return self.made[key]


@pytest.fixture(scope="module")
def shop(
    workshop: Workshop, base_image: str, registry: RegistryServer, tmp_path_factory: pytest.TempPathFactory
) -> Shop:
    return Shop(workshop, base_image, registry, tmp_path_factory.mktemp("told"))


@pytest.mark.parametrize(
    ("user", "who"),
    [
        ("2000", {"uid": 2000, "gid": 0, "home": "/home/conda", "folder": "/home/conda", "writable": True}),
        ("2000:50", {"uid": 2000, "gid": 50, "home": "/home/conda", "folder": "/home/conda", "writable": True}),
        ("root", {"uid": 0, "gid": 0, "home": "/root", "folder": "/", "writable": True}),
        ("nobody", {"uid": 65534, "gid": 65534, "home": "/nonexistent", "folder": "/", "writable": False}),
    ],
)
def test_users_run_python_and_numbers_have_a_home_that_they_can_write_to(
    engine: Engine, shop: Shop, user: str, who: dict[str, Any]
) -> None:
    assert json.loads(engine.output(shop.image(engine, user=user), "python", "-c", WHO)) == who


def test_whoever_is_chosen_at_the_start_runs_python_without_a_home_to_write_to(engine: Engine, shop: Shop) -> None:
    said = engine.output(shop.image(engine), "python", "-c", WHO, options=["--user=3000"])
    assert json.loads(said) == {
        "uid": 3000,
        "gid": 0,
        "home": "/home/conda",
        "folder": "/home/conda",
        "writable": False,
    }


def test_a_configured_command_runs_activated_and_gives_way_to_another(engine: Engine, shop: Shop) -> None:
    image = shop.image(engine, command=["python", "-c", VARIABLES], environment={"TZ": "UTC", "TEAM": "below"})
    assert engine.output(image, options=GIVEN) == "data UTC\n"
    assert engine.output(image, "python", "-c", "print(2)") == "2\n"


def test_a_configured_entry_point_runs_activated_and_gets_the_command(engine: Engine, shop: Shop) -> None:
    source = SOURCE + "image: {entrypoint: [python, -c], command: ['print(1)'], working_dir: /work}\n"
    image = shop.image(engine, source)
    assert engine.output(image) == "1\n"
    assert engine.output(image, VARIABLES, options=GIVEN) == "data None\n"
    assert engine.output(image, "import os, sys; print(os.getcwd(), sys.prefix, os.getpid())") == "/work /opt/conda 1\n"


def test_only_an_empty_or_another_entry_point_leaves_the_activation_out(engine: Engine, shop: Shop) -> None:
    image = shop.image(engine, SOURCE + "image: {entrypoint: []}\n")
    assert engine.output(image, "python", "-c", VARIABLES, options=GIVEN) == "given None\n"
    other = [*GIVEN, "--entrypoint=/opt/conda/bin/python"]
    assert engine.output(shop.image(engine), "-c", VARIABLES, options=other) == "given None\n"


def test_an_interactive_container_has_the_shell_when_no_command_is_configured(docker: Engine, shop: Shop) -> None:
    image = shop.image(docker, environment={"TZ": "Asia/Tokyo"})
    shown = docker.dialogue(image, 'echo "<$TEAM|$TZ|$CONDA_DEFAULT_ENV>"; exit\n')
    assert "<data|Asia/Tokyo|told>" in shown and "(told) " in shown


def test_labels_are_what_docker_shows(docker: Engine, shop: Shop) -> None:
    image = shop.image(docker, labels={"org.example.team": "data"})
    (inspected,) = json.loads(docker.call("image", "inspect", image).stdout)
    labels = inspected["Config"]["Labels"]
    assert (labels["org.example.team"], labels["org.opencontainers.image.title"]) == ("data", "told")
    assert len(labels["io.conda-store.specification.sha256"]) == 64


def test_zstd_layers_are_pulled_and_run_by_podman_and_copied_by_skopeo(
    podman: Engine, workshop: Workshop, base_image: str, registry: RegistryServer, tmp_path: Path
) -> None:
    settings = ImageSettings(ZSTD, options=ImageOptions(user="2000"))
    run_build(workshop, SOURCE, oci=tmp_path / "zstd", base_images=base_image, images=settings)
    # skopeo would put a gzip layer that the registry has in the place of a zstd one with the same content.
    registry.push(f"oci:{tmp_path / 'zstd'}:latest", "told/zstd", "--preserve-digests")
    image = f"{registry.host}/told/zstd"
    podman.fetch(image)
    assert json.loads(podman.output(image, "python", "-c", WHO))["uid"] == 2000
    skopeo(
        "copy", "--preserve-digests", "--src-tls-verify=false", f"docker://{image}", f"oci:{tmp_path / 'copied'}:latest"
    )
    before, after = image_manifest(tmp_path / "zstd"), image_manifest(tmp_path / "copied")
    assert [one["digest"] for one in after["layers"]] == [one["digest"] for one in before["layers"]]
    assert {one["mediaType"].rpartition("+")[2] for one in after["layers"][1:]} == {"zstd"}
