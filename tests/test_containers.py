"""Images in the real docker and podman: pulled from a real registry, to which skopeo copied the `--oci` output."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from conda_store.builds.environment import Environment, find_python
from conda_store.builds.runner import BuildResult
from conda_store.builds.workshop import Workshop
from conda_store.demo.base_image import make_base_image
from conda_store.demo.conda_package import PackageFile, package_index, write_conda_package
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.indexing import index_channel
from conda_store.pieces.compression import ZSTD
from conda_store.pieces.environment import environment_files
from conda_store.registry.settings import MAXIMUM_LAYERS, ImageSettings
from tests.conftest import CACHE
from tests.container_programs import COMPARE_EVERY_PYC, LOOK_AROUND, READ_EVERY_MODULE, STRANGE_PATHS
from tests.containers import Engine
from tests.engine import image_manifest, image_tree, run_build
from tests.registry_server import RegistryServer, skopeo

pytestmark = pytest.mark.docker

EM_AARCH64 = 183  # ELF's e_machine
SOURCE = """
name: five
dependencies: [python, numpy, pandas, pip, pip: [cowsay]]
variables: {TEAM: "data & 'science'", CITY: Köln}
"""
LARGEST_LAYER_COUNT = 125  # of docker's overlay2


@pytest.fixture(scope="module")
def bases(base_image: str) -> dict[str, str]:
    """Base images of both platforms."""
    foreign = make_base_image(CACHE / "base-image-aarch64", "linux-aarch64")
    return {"linux-64": base_image, "linux-aarch64": f"oci:{foreign}"}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `built` puts its image."""
    return tmp_path_factory.mktemp("layout") / "five"


@pytest.fixture(scope="module")
def built(workshop: Workshop, bases: dict[str, str], layout: Path) -> BuildResult:
    """An environment with a pip section and variables, for two platforms."""
    return run_build(workshop, SOURCE, oci=layout, base_images=bases, platforms=("linux-64", "linux-aarch64"))


@pytest.fixture(scope="module")
def five(built: BuildResult, layout: Path, registry: RegistryServer) -> str:
    """The image's name in the registry."""
    registry.push(f"oci:{layout}:latest", "data/five", "--all")
    return f"{registry.host}/data/five"


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest, five: str) -> Engine:
    """Each engine, with the image pulled."""
    found: Engine = request.getfixturevalue(request.param)
    found.fetch(five)
    return found


def test_packages_wheels_and_variables_are_there_for_a_user_without_privileges(engine: Engine, five: str) -> None:
    assert json.loads(engine.output(five, "python", "-c", LOOK_AROUND)) == {
        "uid": 1000,
        "gid": 1000,
        "home": "/home/conda",
        "folder": "/home/conda",
        "team": "data & 'science'",
        "city": "Köln",
        "prefix": "/opt/conda",
        "sum": 10,
        "cow": True,
        "writable": True,
        "prefix_writable": False,
        "environment": "five",
    }


def test_an_interactive_container_gives_an_activated_shell(engine: Engine, five: str) -> None:
    shown = engine.dialogue(five, 'echo "<$CONDA_PREFIX|$TEAM|$(command -v python)|$$>"; cowsay -t hi; exit\n')
    assert "(five) " in shown
    assert "</opt/conda|data & 'science'|/opt/conda/bin/python|1>" in shown
    assert "| hi |" in shown


def test_a_commands_status_and_signals_are_its_own(docker: Engine, five: str) -> None:
    docker.fetch(five)
    done = docker.call(
        *docker.run, five, "python", "-c", "import os, sys; print(os.getpid()); sys.exit(7)", check=False
    )
    assert (done.stdout, done.returncode) == ("1\n", 7)


def test_every_user_reads_everything_and_nobody_but_root_owns_or_writes_it(engine: Engine, five: str) -> None:
    count, *strange = reversed(engine.output(five, "python", "-c", STRANGE_PATHS).splitlines())
    assert strange == []
    assert int(count) > 5000


def test_no_bytecode_is_stale(docker: Engine, five: str) -> None:
    docker.fetch(five)
    summary, *different = reversed(docker.output(five, "python", "-c", COMPARE_EVERY_PYC).splitlines())
    assert different == []
    by_time, by_hash = map(int, summary.split())
    assert by_time > 500 and by_hash > 100

    done = docker.call(*docker.run, five, "python", "-v", "-c", READ_EVERY_MODULE)
    modules, broken = map(int, done.stdout.split())
    assert "stale" not in done.stderr
    read = [line for line in done.stderr.splitlines() if line.startswith("# code object from ")]
    compiled = [line for line in read if line.endswith((".py", ".py'"))]
    matched = [line for line in done.stderr.splitlines() if " matches " in line]
    assert modules > 2000 and len(matched) + len(compiled) >= modules - broken
    assert compiled == []


def test_docker_downloads_only_what_lies_above_the_first_other_layer(
    docker: Engine,
    five: str,
    built: BuildResult,
    workshop: Workshop,
    base_image: str,
    registry: RegistryServer,
    tmp_path: Path,
) -> None:
    docker.fetch(five)
    source = SOURCE.replace("pandas,", "pandas, itsdangerous,")
    (image,) = run_build(workshop, source, oci=tmp_path / "more", base_images=base_image).images
    registry.push(f"oci:{tmp_path / 'more'}:latest", "data/more")
    said = docker.fetch(f"{registry.host}/data/more")
    before = next(one for one in built.images if one.platform == image.platform)
    pairs = enumerate(zip(before.layers, image.layers, strict=False))
    first = next(number for number, (old, new) in pairs if old.diff_id != new.diff_id)
    assert said.count("Already exists") == first > 4
    assert said.count("Pull complete") == len(image.layers) - first


def test_the_foreign_image_has_the_files_and_settings_of_its_platform(
    built: BuildResult, workshop: Workshop, layout: Path, docker: Engine, five: str, tmp_path: Path
) -> None:
    lock = built.lock.platforms["linux-aarch64"]
    stored = workshop.packages.ensure(lock.conda)
    python = find_python(stored)
    assert python is not None
    environment = Environment(workshop, lock, stored, workshop.wheels.ensure(lock.wheels, python, lock.platform))
    expected = {path for package in environment.ownership.order for path in package.paths}
    expected |= {f"conda-meta/{package.stem}.json" for package in lock.conda} | set(
        environment_files(built.specification)
    )
    tree = image_tree(layout, platform="arm64")
    assert set(tree) == expected
    machines = {elf_machine(node.content) for node in tree.values() if node.content and node.content[:4] == b"\x7fELF"}
    assert machines == {EM_AARCH64}

    config = json.loads(
        skopeo("inspect", "--tls-verify=false", "--override-arch=arm64", "--config", f"docker://{five}")
    )
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert (config["config"]["User"], config["config"]["Entrypoint"]) == ("1000:1000", ["/opt/conda-store/entrypoint"])
    assert "CITY=Köln" in config["config"]["Env"] and "CONDA_PREFIX=/opt/conda" in config["config"]["Env"]
    docker.call("pull", "--platform=linux/arm64", five)
    container = docker.call("create", "--network=none", "--platform=linux/arm64", five).stdout.strip()
    docker.call("cp", f"{container}:/opt/conda/conda-meta", str(tmp_path / "meta"))
    records = [json.loads(path.read_bytes()) for path in (tmp_path / "meta").glob("*.json")]
    assert {record["subdir"] for record in records} == {"linux-aarch64", "noarch"}
    docker.call("rm", container)
    docker.call("pull", "--platform=linux/amd64", five)


def elf_machine(content: bytes) -> int:
    """The processor that an ELF file is for."""
    return int(struct.unpack_from("<H", content, 18)[0])


def test_zstd_layers_run_in_podman_and_hold_the_same(
    podman: Engine, workshop: Workshop, base_image: str, registry: RegistryServer, built: BuildResult, tmp_path: Path
) -> None:
    (image,) = run_build(
        workshop, SOURCE, oci=tmp_path / "zstd", base_images=base_image, images=ImageSettings(ZSTD)
    ).images
    layers = image_manifest(tmp_path / "zstd")["layers"]
    assert [layer["mediaType"].rpartition("+")[2] for layer in layers[1:]] == ["zstd"] * (len(layers) - 1)
    same = next(one for one in built.images if one.platform == image.platform)
    assert [layer.diff_id for layer in image.layers] == [layer.diff_id for layer in same.layers]
    registry.push(f"oci:{tmp_path / 'zstd'}:latest", "data/zstd", "--preserve-digests")
    podman.fetch(f"{registry.host}/data/zstd")
    assert json.loads(podman.output(f"{registry.host}/data/zstd", "python", "-c", LOOK_AROUND))["sum"] == 10


# Invented packages ----------------------------------------------------------------------------------------------


def hello(text: bytes) -> bytes:
    """A program of x86-64 Linux that prints a text: an ELF header, one segment, write(1, text), exit(0)."""
    code = b"\xb8\x01\x00\x00\x00\xbf\x01\x00\x00\x00\x48\x8d\x35\x10\x00\x00\x00\xba" + struct.pack("<I", len(text))
    code += b"\x0f\x05\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05" + text
    size, start = 120 + len(code), 0x400000
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 4096) + code


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel of 400 packages, each with a file, and a program that needs nothing; that one asks to be setuid."""
    channel = tmp_path_factory.mktemp("invented")
    for number in range(400):
        index = package_index(f"p{number:03}", "1", subdir="linux-64")
        files = [PackageFile(f"share/many/{number:03}", b"x" * number * 50)]
        write_conda_package(channel, index, files, level=1)
    program = PackageFile("bin/hello", hello(b"hello from nothing\n"), mode=0o6777)
    write_conda_package(channel, package_index("hello", "1", subdir="linux-64"), [program])
    index_channel(channel)
    return channel


def test_an_image_on_nothing_runs_what_needs_nothing(
    docker: Engine, invented: Path, registry: RegistryServer, tmp_path: Path
) -> None:
    workshop = Workshop(tmp_path / "store", ChannelPolicy().with_channels([invented]))
    source = "name: bare\ndescription: Nothing below\ndependencies: [hello]\n"
    (image,) = run_build(workshop, source, oci=tmp_path / "bare", base_images="scratch").images
    assert [layer.packages for layer in image.layers] == [("hello",), ()]
    registry.push(f"oci:{tmp_path / 'bare'}:latest", "data/bare")
    name = f"{registry.host}/data/bare"
    docker.fetch(name)
    (inspected,) = json.loads(docker.call("image", "inspect", name).stdout)
    config = inspected["Config"]
    assert (config["User"], config["WorkingDir"]) == ("1000:1000", "/home/conda")
    assert "PATH=/opt/conda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in config["Env"]
    assert config["Labels"]["org.opencontainers.image.description"] == "Nothing below"
    assert docker.output(name, options=["--entrypoint=/opt/conda/bin/hello"]) == "hello from nothing\n"
    assert image_tree(tmp_path / "bare")["bin/hello"].mode == 0o555


def test_four_hundred_packages_fit_into_the_layers_that_docker_runs(
    docker: Engine, invented: Path, sample_channel: Path, base_image: str, registry: RegistryServer, tmp_path: Path
) -> None:
    workshop = Workshop(CACHE / "store", ChannelPolicy().with_channels([sample_channel, invented]))
    source = f"name: many\ndependencies: [python, {', '.join(f'p{number:03}' for number in range(400))}]\n"
    options = {"base_images": base_image, "images": ImageSettings(layer_budget=10_000)}
    (image,) = run_build(workshop, source, oci=tmp_path / "many", **options).images
    assert len(image.layers) == MAXIMUM_LAYERS < LARGEST_LAYER_COUNT
    registry.push(f"oci:{tmp_path / 'many'}:latest", "data/many")
    name = f"{registry.host}/data/many"
    docker.fetch(name)
    code = "import os; print(sum(os.stat(e).st_size for e in os.scandir('/opt/conda/share/many')))"
    assert int(docker.output(name, "python", "-c", code)) == 50 * sum(range(400))
    lines = [f"FROM {name}", "USER 0", *(f"RUN echo {number} > /{number}" for number in range(4))]
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("\n".join(lines))
    docker.environment["DOCKER_BUILDKIT"] = "0"
    docker.call("build", "--network=none", "--tag=upon", str(tmp_path / "context"))
    assert docker.output("upon", "cat", "/3") == "3\n"
