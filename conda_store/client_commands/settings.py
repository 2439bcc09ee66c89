"""Settings on the command line, on three levels: deployment, namespace, environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from conda_store.client_commands.options import with_client, with_output
from conda_store.client_commands.printing import plain, print_json, print_rows, say

if TYPE_CHECKING:
    from conda_store.client import Client

_place = click.option(
    "--for",
    "place",
    metavar="NAMESPACE[/NAME]",
    help="The settings of this namespace or environment; default: those of the whole deployment.",
)


@click.group()
def setting() -> None:
    """Show and change settings of the deployment, a namespace or an environment."""


@setting.command()
@_place
@click.option("--own", is_flag=True, help="Only what is set right there, not what comes from above.")
@with_output
@with_client
def show(client: Client, place: str | None, own: bool, as_json: bool) -> None:
    """Show the settings that count."""
    found = client.settings(*_names(place), own=own)
    if as_json:
        print_json(found)
    else:
        print_rows(((name, json.dumps(value, default=plain)) for name, value in found.items()), ("setting", "value"))


@setting.command("set")
@click.argument("changes", nargs=-1, required=True, metavar="SETTING=VALUE...")
@_place
@with_output
@with_client
def set_settings(client: Client, changes: tuple[str, ...], place: str | None, as_json: bool) -> None:
    """Set settings; values are YAML, such as conda_default_channels='[conda-forge]'."""
    _change(client, dict(_setting(text) for text in changes), place, as_json)


@setting.command()
@click.argument("names", nargs=-1, required=True, metavar="SETTING...")
@_place
@with_output
@with_client
def unset(client: Client, names: tuple[str, ...], place: str | None, as_json: bool) -> None:
    """Take settings back, so that those of the level above count again."""
    _change(client, dict.fromkeys(names), place, as_json)


def _change(client: Client, changes: dict[str, Any], place: str | None, as_json: bool) -> None:
    client.change_settings(changes, *_names(place))
    where = place or "the deployment"
    say(f"Changed for {where}: {', '.join(changes)}.", as_json, place=place, changed=changes)


def _setting(text: str) -> tuple[str, Any]:
    import yaml

    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.UsageError(f"{text!r} sets nothing: write SETTING=VALUE.")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise click.UsageError(f"The value of {name} is no YAML: {value!r}.") from error


def _names(place: str | None) -> tuple[str | None, str | None]:
    namespace, slash, name = (place or "").partition("/")
    if place is not None and (not namespace or "/" in name or (slash and not name)):
        raise click.UsageError(f"{place!r} is no place for settings: write NAMESPACE or NAMESPACE/NAME.")
    return namespace or None, name or None
