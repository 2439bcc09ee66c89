"""Who one is at which server: tokens that are kept for a server, and what they give."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from conda_store.client_commands.options import server, with_client, with_output
from conda_store.client_commands.printing import moment, print_json, print_rows, say
from conda_store.errors import BadInput

if TYPE_CHECKING:
    from conda_store.client import Caller, Client


@click.command()
@server
@click.option("--token", help="- reads the token from standard input; else it is asked for, and not shown.")
@with_output
def login(url: str, token: str | None, as_json: bool) -> None:
    """Keep a token for the server at --url, once the server has said whose it is.

    It stands in a file that you alone can read, conda-store/tokens.json in XDG_CONFIG_HOME (~/.config). The variable
    CONDA_STORE_TOKEN and --token of the other commands win over it. Tokens are made by `conda-store token create`, on
    the server's pages, or by the Hub.
    """
    from conda_store.client import Client
    from conda_store.client.credentials import Credentials

    proof = _asked_for(token)
    with Client(url, proof) as client:
        caller = client.caller()
        _check(client, caller)
    credentials = Credentials()
    credentials.keep(url, proof)
    if os.environ.get("CONDA_STORE_TOKEN"):
        click.echo("Warning: CONDA_STORE_TOKEN is set, and wins over the token that was kept now.", err=True)
    until = f" until {moment(caller.expiration)}" if caller.expiration else ""
    say(
        f"{client.url} knows you{until}; your namespace is {caller.primary_namespace}.",
        as_json,
        url=client.url,
        primary_namespace=caller.primary_namespace,
        expiration=caller.expiration,
        kept_in=str(credentials.path),
    )


@click.command()
@server
@with_output
def logout(url: str, as_json: bool) -> None:
    """Forget the token that `login` kept for the server at --url; `conda-store token revoke` ends it everywhere."""
    from conda_store.client.credentials import Credentials

    forgotten = Credentials().forget(url)
    said = "is forgotten" if forgotten else "was not there"
    say(f"The token for {url} {said}.", as_json, url=url, forgotten=forgotten)


@click.command()
@with_output
@with_client
def info(client: Client, as_json: bool) -> None:
    """Show which server answers, its version, who you are there, until when, and what you may do."""
    caller, version = client.caller(), client.version()
    if as_json:
        print_json({"url": client.url, "version": version, **asdict(caller)})
    else:
        print_rows(_told(client.url, version, caller))


def _told(url: str, version: str, caller: Caller) -> Iterator[tuple[str, str]]:
    yield "server", url
    yield "version", version
    yield "known", "yes" if caller.authenticated else "no: log in, or ask as anonymous"
    yield "namespace", caller.primary_namespace
    if caller.expiration:
        yield "until", moment(caller.expiration)
    for pattern, permissions in caller.permissions.items():
        roles = caller.roles.get(pattern)
        yield pattern, ", ".join(roles or permissions)


def _asked_for(token: str | None) -> str:
    if token is None:
        token = click.prompt("Token", hide_input=True, err=True)
    elif token == "-":  # noqa: S105  the word for standard input
        token = sys.stdin.readline()
    stripped = token.strip()
    if not stripped:
        raise BadInput("The token is empty: nothing was kept.")
    return stripped


def _check(client: Client, caller: Caller) -> None:
    if not caller.authenticated:
        from conda_store.client import NotAllowed

        raise NotAllowed(
            403, "credentials_invalid", f"{client.url} does not know this token, or no longer: nothing was kept."
        )
