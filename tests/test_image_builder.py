"""The options of images: what becomes of them, what is refused when the server starts, and where secrets do not go."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from conda_store.app import CondaStore
from conda_store.builds.subject import JobSettings
from conda_store.configuration import made
from conda_store.errors import BadInput
from conda_store.image_builder import ImageBuilder
from conda_store.image_options import ImageOptions
from conda_store.pieces.compression import GZIP, ZSTD
from conda_store.pieces.grouping import BUCKETS, arrange
from conda_store.registry.settings import ImageSettings
from tests.server import running

SECRET = "hunter2-battery"  # noqa: S105  to be looked for where it must not be
CONFIGURATION = f"""\
c.ImageBuilder.base_image = {{"linux-64": "ghcr.io/lab/base:1", "linux-aarch64": "oci:/srv/arm"}}
c.ImageBuilder.base_image_credentials = {{"GHCR.io": ["ana", "{SECRET}"], "index.docker.io": ("bob", "x")}}
c.ImageBuilder.insecure_registries = ["Registry.lan:5000"]
c.ImageBuilder.layer_compression = "zstd"
c.ImageBuilder.layer_budget = 60
c.ImageBuilder.user = "2000:100"
c.ImageBuilder.working_dir = "/work"
c.ImageBuilder.environment = {{"TZ": "Europe/Berlin"}}
c.ImageBuilder.entrypoint = ["tini", "--"]
c.ImageBuilder.command = ["python"]
c.ImageBuilder.labels = {{"org.example.team": "data"}}
"""


def application(**options: Any) -> CondaStore:
    """An application whose `ImageBuilder` has these options."""
    config = Config()
    for name, value in options.items():
        config.ImageBuilder[name] = value
    return CondaStore(config=config)


def test_workers_are_told_what_the_file_of_options_says(tmp_path: Path) -> None:
    (tmp_path / "options.py").write_text(CONFIGURATION)
    app = CondaStore()
    app.initialize([f"--config={tmp_path / 'options.py'}", f"--directory={tmp_path / 'store'}"])
    builder = made(ImageBuilder, app)
    assert builder.base_image == {"linux-64": "ghcr.io/lab/base:1", "linux-aarch64": "oci:/srv/arm"}
    assert builder.settings() == ImageSettings(
        ZSTD,
        60,
        ImageOptions(
            user="2000:100",
            working_dir="/work",
            environment=(("TZ", "Europe/Berlin"),),
            entrypoint=("tini", "--"),
            command=("python",),
            labels=(("org.example.team", "data"),),
        ),
    )
    access = builder.access()
    assert access.credentials == {"ghcr.io": ("ana", SECRET), "docker.io": ("bob", "x")}
    assert access.insecure == {"registry.lan:5000"}


def test_by_default_nothing_is_said() -> None:
    builder = made(ImageBuilder, application())
    assert builder.settings() == ImageSettings() and not builder.settings().options
    assert builder.settings().compression == GZIP
    assert builder.access().credentials == {}


def test_an_empty_entry_point_is_not_the_default_one() -> None:
    assert made(ImageBuilder, application(entrypoint=[])).settings().options.entrypoint == ()


def test_a_text_is_split_as_a_shell_would() -> None:
    assert made(ImageBuilder, application(command="sh -c 'a b'")).settings().options.command == ("sh", "-c", "a b")


def test_the_smallest_budget_leaves_room_for_the_groups() -> None:
    budget = made(ImageBuilder, application(layer_budget=BUCKETS + 2)).settings().layer_budget
    assert len(arrange({str(number): number for number in range(500)}, budget - 1)) <= budget - 1


def test_a_running_server_gives_them_to_its_executor(tmp_path: Path) -> None:
    credentials = {"ghcr.io": ["ana", SECRET]}
    options = {"ImageBuilder__user": "7", "ImageBuilder__base_image_credentials": credentials}
    with running(tmp_path, ImageBuilder__base_image="scratch", **options) as server:
        settings: JobSettings = server.app.executor.settings  # type: ignore[attr-defined]
        assert settings.images.options.user == "7" and settings.base_images == "scratch"
        again = pickle.loads(pickle.dumps(settings))  # noqa: S301  what Pebble does with it
        assert again.registry_access.credentials == {"ghcr.io": ("ana", SECRET)}
        assert SECRET not in repr(settings)
        server.submit()
        kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert kept and not any(SECRET.encode() in data for data in kept)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("user", "a b", "'a b' is not a user"),
        ("user", "-1", "such as '1000:1000'"),
        ("working_dir", "work", "begin it with '/'"),
        ("environment", {"1A": "x"}, "variable name"),
        ("environment", {"CONDA_PREFIX": "/x"}, "set by conda-store"),
        ("environment", {"A": 5}, "environment"),
        ("entrypoint", [""], "empty word"),
        ("entrypoint", "python 'x", "open quote"),
        ("entrypoint", 5, "entrypoint"),
        ("command", [""], "empty word"),
        ("labels", {"two words": "x"}, "not the key of a label"),
        ("labels", {"io.conda-store.x": "x"}, "set by conda-store"),
        ("layer_compression", "lz4", "'gzip', 'zstd'"),
        ("layer_budget", BUCKETS + 1, f"{BUCKETS + 2}"),
        ("layer_budget", 121, "120"),
        ("base_image", "", "invalid part"),
        ("base_image", "https://ghcr.io/x", "has a scheme"),
        ("base_image", {"linux-65": "debian"}, "linux-65"),
        ("base_image", {"osx-arm64": "debian"}, "osx-arm64"),
        ("base_image", 5, "base_image"),
        ("insecure_registries", ["http://registry.lan"], "'host:5000'"),
        ("insecure_registries", ["a/b"], "host of a registry"),
        ("base_image_credentials", SECRET, "write {'HOST': ['USER', 'PASSWORD']}"),
        ("base_image_credentials", [SECRET], "must be a dictionary"),
        ("base_image_credentials", {"ghcr.io": f"ana:{SECRET}"}, "no user and password for ghcr.io"),
        ("base_image_credentials", {"ghcr.io": [SECRET]}, "no user and password for ghcr.io"),
        ("base_image_credentials", {"ghcr.io": ["ana", SECRET, "x"]}, "no user and password for ghcr.io"),
        ("base_image_credentials", {"ghcr.io": ["ana", 5]}, "no user and password for ghcr.io"),
        ("base_image_credentials", {f"https://ana:{SECRET}@ghcr.io": ["ana", SECRET]}, "host of a registry"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_shows_no_secret(option: str, value: Any, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        made(ImageBuilder, application(**{option: value}))
    message = refused.value.message
    assert option in message and "ImageBuilder" in message and words in message
    assert SECRET not in message


def test_a_server_does_not_start_with_them(tmp_path: Path) -> None:
    with (
        pytest.raises(BadInput, match=r"c\.ImageBuilder\.working_dir"),
        running(tmp_path, ImageBuilder__working_dir="x"),
    ):
        pass


def test_credentials_do_not_come_from_the_command_line(tmp_path: Path) -> None:
    app = CondaStore()
    app.initialize([f"--ImageBuilder.base_image_credentials={SECRET}", f"--directory={tmp_path}"])
    with pytest.raises(BadInput, match="not on the command line") as refused:
        made(ImageBuilder, app)
    assert SECRET not in refused.value.message


def test_a_generated_file_of_options_shows_no_secret(tmp_path: Path) -> None:
    text = application(base_image_credentials={"ghcr.io": ["ana", SECRET]}).generate_config_file()
    assert "c.ImageBuilder.base_image_credentials" in text and SECRET not in text


def test_levels_go_over_the_deployments_options_in_their_order() -> None:
    deployment = ImageSettings(ZSTD, 60, ImageOptions(user="1", environment=(("A", "1"), ("B", "1"))))
    namespace = ImageOptions(user="2", environment=(("B", "2"),))
    environment = ImageOptions(environment=(("C", "3"),))
    merged = deployment.under(namespace, environment)
    assert merged.options == ImageOptions(user="2", environment=(("A", "1"), ("B", "2"), ("C", "3")))
    assert (merged.compression, merged.layer_budget) == (ZSTD, 60)
    assert deployment.under() == deployment
