"""The audit trail on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from conda_store.client_commands.options import with_client, with_output
from conda_store.client_commands.printing import moment, print_json, print_rows

if TYPE_CHECKING:
    from conda_store.client import AuditEntry, Client


class _Moment(click.ParamType):  # type: ignore[type-arg]  # click before 8.5 has no arguments
    """A time in ISO 8601; without an offset it is UTC."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """A word of the command line."""
        try:
            time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            return time if time.tzinfo else time.replace(tzinfo=UTC)
        except ValueError:
            self.fail(f"{value!r} is no time: write it like 2026-11-26 or 2026-11-26T10:00:00+01:00.", param, ctx)


@click.command()
@click.argument("place", metavar="[NAMESPACE[/NAME]]", required=False)
@click.option("--actor", help="Only what this user did; anonymous for those without a name, conda-store for itself.")
@click.option("--action", help="Only this action, such as environment.deleted.")
@click.option("--build", "build_id", type=click.IntRange(1), help="Only what was done to the build of this number.")
@click.option("--since", type=_Moment(), help="Only from this time on (ISO 8601; UTC unless it has an offset).")
@click.option("--until", type=_Moment(), help="Only before this time (ISO 8601; UTC unless it has an offset).")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="Print at most so many entries, the newest."
)
@with_output
@with_client
def audit(client: Client, place: str | None, limit: int, as_json: bool, **filters: Any) -> None:
    """Show who changed what, when and from where, the newest first: of everything that you administer."""
    namespace, _, environment = (place or "").partition("/")
    found = islice(client.audit(namespace=namespace or None, environment=environment or None, **filters), limit)
    if as_json:
        print_json(list(found))
    else:
        print_rows(map(_cells, found), ("time", "who", "by", "from", "what", "environment", "build", "details"))


def _cells(entry: AuditEntry) -> tuple[object, ...]:
    place = "/".join(filter(None, (entry.namespace, entry.environment)))
    details = json.dumps(entry.details, ensure_ascii=False) if entry.details else ""
    return (
        moment(entry.time),
        entry.actor,
        entry.by,
        entry.address,
        entry.action,
        place,
        entry.build_id,
        details,
    )
