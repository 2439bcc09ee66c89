"""The `conda-store` command. Each command reads its options, calls one part, and says what came of it.

Only click and rich are imported here; what a command needs is imported when it runs, so that `--help` is quick
and a missing extra can be named.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from conda_store._version import __version__
from conda_store.client_commands import COMMANDS
from conda_store.client_commands.running import script_arguments
from conda_store.errors import BadInput, CondaStoreError, ExtraMissing

_FILE = click.Path(path_type=Path)
_EXIT_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="conda-store")
def cli() -> None:
    """Turn an environment.yaml into an installed prefix, a lockfile, an archive and a container image."""


for _command in COMMANDS:
    cli.add_command(_command)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--prefix", type=_FILE, help="Install the environment into this directory.")
@click.option("--lock", type=_FILE, help="Write a conda-lock.yml for all platforms to this file.")
@click.option("--archive", type=_FILE, help="Write a portable archive (*.tar.gz or *.tar.zst) to this file.")
@click.option("--oci", type=_FILE, help="Write the container image as an OCI layout into this directory.")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    help="Build for this platform, such as linux-64 or linux-aarch64; may be repeated. "
    "Default: the file's own, else this machine's.",
)
@click.option(
    "--channel",
    "channels",
    multiple=True,
    help="Name, URL or directory of a channel to use where the file names none; may be repeated. Default: conda-forge.",
)
@click.option(
    "--base-image",
    "base_images",
    multiple=True,
    help="What images stand on: a registry reference, oci:DIRECTORY, archive:FILE or scratch; PLATFORM=… for one "
    "platform only; may be repeated. Default: a slim Debian.",
)
@click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd"]),
    default="gzip",
    show_default=True,
    help="How image layers are compressed: every client reads gzip; zstd is smaller, and docker before 23 cannot.",
)
@click.option(
    "--store",
    type=_FILE,
    envvar="CONDA_STORE_DIRECTORY",
    show_envvar=True,
    help="Where packages and pieces are kept between builds. Default: ~/.conda-store.",
)
@click.option("--quiet", is_flag=True, help="Say nothing but warnings and errors.")
def build(**options: Any) -> None:
    """Build FILE, an environment.yaml or a conda-lock.yml, into the artifacts that are asked for.

    Packages, layers and all other pieces are kept in the store, so that a second build, or another one with the
    same packages, makes only what is new.
    """
    with_extra("server", lambda: _build(options))


@cli.command("sample-channel")
@click.argument("directory", type=_FILE)
def sample_channel(directory: Path) -> None:
    """Make a conda channel of real packages in DIRECTORY, from Python wheels and the running Python.

    For demonstrations and tests where no channel can be reached.
    """

    def make() -> None:
        from conda_store.builds.progress import Stages
        from conda_store.demo.sample_channel import make_sample_channel
        from conda_store.terminal import TerminalProgress

        with TerminalProgress() as progress, Stages(progress).stage("sample channel") as notes:
            channel = make_sample_channel(
                directory.absolute(), report=lambda line: progress.note("sample channel", line.strip())
            )
            notes.append(channel.as_uri())
        click.echo(f"The channel is at {channel.as_uri()}")

    with_extra("server", make)


@cli.command()
@click.option("--directory", type=_FILE, default=Path(".demo"), show_default=True, help="Where everything is put.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="Port that the server listens on."
)
@click.option("--channel", help="Use this channel; default: conda-forge when it answers, else a sample channel.")
@click.argument("file", type=_FILE, default=Path("examples/environment.yaml"))
def demo(file: Path, directory: Path, port: int, channel: str | None) -> None:
    """Serve on this machine, build FILE there, and say how to use what came of it.

    Takes liberties that `serve` does not: everyone who reaches the port is the administrator.
    """

    def show() -> None:
        from conda_store.demo.live import run_demo
        from conda_store.terminal import TerminalProgress

        run_demo(file, directory.absolute(), channel, port, TerminalProgress(), click.echo)

    with_extra("server", show)


@cli.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def serve(options: tuple[str, ...]) -> None:
    """Serve pages, REST API and container registry (--help and --help-all list the options)."""

    def run() -> None:
        from conda_store.app import CondaStore
        from conda_store.managed_service import defaults, end_with_hub

        check_options(options, [*CondaStore.aliases, *CondaStore.flags, "help", "help-all", "version", "debug"])
        end_with_hub(os.environ)
        CondaStore.launch_instance(list(options), config=defaults(os.environ))

    with_extra("server", run)


@cli.command("upgrade-db")
@click.option("--config", type=_FILE, help="File of options, as for `serve`; it may name the database.")
@click.option("--directory", type=_FILE, help="Directory of the server, as for `serve`.")
@click.option("--database-url", help="The database itself. Default: what file and directory say.")
@click.option("--revision", default="head", show_default=True, help="Go to this revision, an older one too.")
def upgrade_db(**options: Any) -> None:
    """Bring the database to this version's schema, or to an older one for an older version.

    `serve` does the former by itself. Rows that an older schema has no place for are kept in the database and are back
    after the next upgrade. Stop all servers before, and keep a copy.
    """

    def move() -> None:
        from conda_store.database_command import move_database

        move_database(**options, say=click.echo)

    with_extra("server", move)


@cli.command()
@click.option("--config", type=_FILE, help="File of options, as for `serve`.")
@click.option("--directory", type=_FILE, help="Directory of the server, as for `serve`.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed and why, and remove nothing.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="Text for people, or JSON.")
def gc(**options: Any) -> None:
    """Remove what was deleted, and what nothing needs any more, from a server's disk.

    On the server's machine, whether the server runs or not; c.GarbageCollection says what stays for how long. It can be
    interrupted at any time.
    """

    def collect() -> None:
        from conda_store.collection_command import collect_garbage

        collect_garbage(**options, say=click.echo)

    with_extra("server", collect)


def _build(options: dict[str, Any]) -> None:
    from conda_store.builds.progress import Progress
    from conda_store.builds.runner import Build, BuildRequest
    from conda_store.builds.workshop import Workshop
    from conda_store.packages.channels import ChannelPolicy
    from conda_store.pieces.bytecode import machine_platform
    from conda_store.pieces.compression import Compression
    from conda_store.registry.settings import ImageSettings
    from conda_store.storage.uses import working
    from conda_store.terminal import TerminalProgress, print_summary

    targets = {name: absolute(options[name]) for name in ("prefix", "lock", "archive", "oci")}
    if not any(targets.values()):
        raise click.UsageError("Nothing to make: add --prefix, --lock, --archive or --oci.")
    file: Path = options["file"]
    policy = ChannelPolicy().with_channels([local_channel(text) for text in options["channels"]])
    workshop = Workshop(options["store"] or Path.home() / ".conda-store", policy)
    request = BuildRequest(
        source=read_source(file),
        prefix=targets["prefix"],
        lock=targets["lock"],
        archive=targets["archive"],
        oci=targets["oci"],
        default_name=file.absolute().parent.name if file.stem == "environment" else file.stem,
        platforms=options["platforms"],
        base_images=parse_base_images(options["base_images"]),
        images=ImageSettings(Compression(options["compression"])),
    )
    workshop.sweep()
    progress = Progress() if options["quiet"] else TerminalProgress()
    with progress, working(workshop.directory):
        result = Build(workshop, request, machine_platform(), progress).run()
    if not options["quiet"]:
        print_summary(request, result)


def check_options(given: Iterable[str], known: list[str]) -> None:
    """Raises `BadInput` for a misspelt `--option`, which traitlets would pass over with a warning."""
    names = [text.removeprefix("--").partition("=")[0] for text in given if text.startswith("--")]
    for name in names:
        if "." not in name and name not in known:
            near = difflib.get_close_matches(name, known, 1) or ["help"]
            raise BadInput(f"There is no option --{name}: did you mean --{near[0]}?")


def with_extra(extra: str, command: Callable[[], None]) -> None:
    """Run a command that needs an extra; raises `ExtraMissing` naming it when a package of it is not installed."""
    try:
        command()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("conda_store"):
            raise
        raise ExtraMissing(
            f"This command needs the package {error.name!r}, which is not installed: pip install 'conda-store[{extra}]'"
        ) from error


def read_source(file: Path) -> bytes:
    """The bytes of a specification or lockfile; raises `BadInput` naming the file."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error


def absolute(path: Path | None) -> Path | None:
    """`path` from the root, with its links resolved: it will be written into the environment."""
    return None if path is None else Path(os.path.realpath(path))


def local_channel(text: str) -> str | Path:
    """A directory as a path, anything else as it is."""
    path = Path(text)
    return path.absolute() if "://" not in text and path.is_dir() else text


def parse_base_images(texts: tuple[str, ...]) -> dict[str, str] | str | None:
    """`--base-image` options as one source for all platforms, or one for each."""
    if not texts:
        return None
    pairs = [text.split("=", 1) for text in texts if "=" in text.partition(":")[0]]
    if not pairs and len(texts) == 1:
        return texts[0]
    if len(pairs) != len(texts):
        raise BadInput("Several --base-image options: write each as PLATFORM=SOURCE, such as linux-64=oci:./base.")
    return {platform: source for platform, source in pairs}


def arguments(given: list[str]) -> list[str]:
    """What was given, or what a script says that is to be run (a command's name never is a script)."""
    if given and given[0] in cli.commands:
        return given
    return script_arguments(given) or given


def main() -> None:
    """Run the command line; every foreseen failure is one message and an exit status, never a traceback."""
    status = 0
    try:
        cli.main(arguments(sys.argv[1:]), prog_name="conda-store", standalone_mode=False)
    except CondaStoreError as error:
        click.secho(f"Error: {error}", fg="red", err=True)
        status = error.exit_status
    except click.exceptions.Exit as error:
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted: nothing half-made is left.", err=True)
        status = _EXIT_INTERRUPTED
    sys.stdout.flush()
    sys.stderr.flush()
    # rattler's threads can crash an interpreter that takes its time to end; all work is done here.
    os._exit(status)
