"""Tokens for programs on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from conda_store.client_commands.options import with_client, with_output
from conda_store.client_commands.printing import moment, print_json, print_rows, say

if TYPE_CHECKING:
    from conda_store.client import Client

_LONGEST_SECONDS = 100 * 366 * 24 * 3600


@click.group()
def token() -> None:
    """Make, list and revoke your tokens: for scripts, for docker login, for login on another machine."""


@token.command("create")
@click.option("--name", help="What the token is for, to know it again in the list.")
@click.option("--namespace", help="Namespace of environments that name none; default: your own.")
@click.option(
    "--expiration",
    type=click.IntRange(1, _LONGEST_SECONDS),
    help="Seconds from now until the token ends; default: a day, or when your own one ends.",
)
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    metavar="NAMESPACE/NAME:ROLE[,ROLE]",
    help="Give the token this role and nothing else, such as 'data/*:viewer'; may be repeated. Default: all of yours.",
)
@with_output
@with_client
def create(
    client: Client,
    name: str | None,
    namespace: str | None,
    expiration: int | None,
    permissions: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a token with some or all of your rights, and print its secret: it is shown now and never again."""
    end = datetime.now(UTC) + timedelta(seconds=expiration) if expiration else None
    made = client.create_token(name, namespace, end, _bindings(permissions))
    if as_json:
        print_json(made)
    else:
        click.echo(made.token)


@token.command("list")
@with_output
@with_client
def list_tokens(client: Client, as_json: bool) -> None:
    """List your tokens that still count, without their secrets."""
    found = client.tokens()
    if as_json:
        print_json(found)
        return
    rows = (
        (
            one.id,
            one.name,
            moment(one.expiration),
            moment(one.last_used_on),
            " ".join(f"{pattern}:{','.join(roles)}" for pattern, roles in one.role_bindings.items()),
        )
        for one in found
    )
    print_rows(rows, ("id", "name", "until", "last used", "roles"))


@token.command()
@click.argument("token_id", metavar="ID", type=click.IntRange(1))
@with_output
@with_client
def revoke(client: Client, token_id: int, as_json: bool) -> None:
    """End a token at once; `conda-store token list` tells its ID."""
    client.revoke_token(token_id)
    say(f"Token {token_id} counts no longer.", as_json, revoked=token_id)


def _bindings(permissions: tuple[str, ...]) -> dict[str, list[str]] | None:
    bindings: dict[str, list[str]] = {}
    for text in permissions:
        pattern, _, roles = text.rpartition(":")
        if "/" not in pattern or not roles:
            raise click.UsageError(f"{text!r} gives no role: write it like 'data/*:viewer'.")
        bindings.setdefault(pattern, []).extend(roles.split(","))
    return bindings or None
