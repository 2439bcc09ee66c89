"""Namespaces on the command line: listed, shown, made, deleted, opened for others, and what they use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from conda_store.client_commands.options import sure, with_client, with_output, yes
from conda_store.client_commands.printing import print_json, print_rows, say, size

if TYPE_CHECKING:
    from conda_store.client import Client

_name = click.argument("name", metavar="NAMESPACE")


@click.group()
def namespace() -> None:
    """List, make and delete namespaces, and say who else may use them."""


@namespace.command("list")
@with_output
@with_client
def list_namespaces(client: Client, as_json: bool) -> None:
    """List the namespaces that you may see."""
    found = client.namespaces()
    if as_json:
        print_json([{"id": one.id, "name": one.name} for one in found])
    else:
        print_rows(((one.name,) for one in found), ("namespace",))


@namespace.command()
@_name
@with_output
@with_client
def show(client: Client, name: str, as_json: bool) -> None:
    """Show the metadata of a namespace, and the roles that it maps."""
    found = client.namespace(name)
    if as_json:
        print_json(found)
        return
    rows = [("namespace", found.name), *found.metadata.items()]
    print_rows([*rows, *((pattern, ", ".join(roles)) for pattern, roles in found.role_mappings.items())])


@namespace.command()
@_name
@with_output
@with_client
def create(client: Client, name: str, as_json: bool) -> None:
    """Make a namespace."""
    client.create_namespace(name)
    say(f"Namespace {name} is made.", as_json, created=name)


@namespace.command()
@_name
@yes
@with_output
@with_client
def delete(client: Client, name: str, yes: bool, as_json: bool) -> None:
    """Delete a namespace with all of its environments."""
    sure(f"Delete the namespace {name} with all of its environments?", yes)
    client.delete_namespace(name)
    say(f"Namespace {name} is deleted.", as_json, deleted=name)


@namespace.command()
@_name
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="OTHER=ROLE",
    help="Give those of the namespace OTHER this role (viewer, developer, admin) in NAMESPACE; may be repeated.",
)
@click.option("--unset", "taken", multiple=True, metavar="OTHER", help="Take the role of OTHER back; may be repeated.")
@with_output
@with_client
def roles(client: Client, name: str, given: tuple[str, ...], taken: tuple[str, ...], as_json: bool) -> None:
    """List which other namespaces have which role in NAMESPACE, after changing them when that is asked for."""
    for other, role in [_role(text) for text in given]:
        client.set_role(name, other, role)
    for other in taken:
        client.remove_role(name, other)
    found = client.roles(name)
    if as_json:
        print_json(found)
    else:
        print_rows(((one.other_namespace, one.role) for one in found), ("namespace", "role"))


@click.command()
@with_output
@with_client
def usage(client: Client, as_json: bool) -> None:
    """Show what the namespaces use that you may see: environments, builds, disk."""
    found = client.usage()
    if as_json:
        print_json(found)
        return
    rows = ((name, one.environments, one.builds, size(one.storage)) for name, one in found.items())
    print_rows(rows, ("namespace", "environments", "builds", "disk"))


def _role(text: str) -> tuple[str, str]:
    other, _, role = text.rpartition("=")
    if not (other and role):
        raise click.UsageError(f"{text!r} gives no role: write it like data=viewer.")
    return other, role
