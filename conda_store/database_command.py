"""`conda-store upgrade-db`: which database it means, and what is said of the way that it went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conda_store.app import CondaStore
from conda_store.db.migrations import Moved, upgrade_db


def move_database(
    config: Path | None, directory: Path | None, database_url: str | None, revision: str, say: Callable[[str], None]
) -> None:
    """Bring the database of a server with these options to a revision. Raises `DatabaseRefused` and `BadInput`."""
    say("\n".join(account(upgrade_db(database_url or _url_of(config, directory), revision))))


def account(moved: Moved) -> list[str]:
    """What happened, in lines for a person."""
    came = "as before" if moved.before == moved.after else f"it was at {moved.before or 'none'}"
    lines = [f"The database {moved.database} is at revision {moved.after} now ({came})."]
    if moved.kept:
        rows = ", ".join(f"{count} of {table}" for table, count in moved.kept.items())
        lines.append(f"Rows that revision {moved.after} has no place for are kept for the way up: {rows}.")
    return lines


def _url_of(config: Path | None, directory: Path | None) -> str:
    """The database of a server, as `serve` would find it."""
    app = CondaStore()
    given = {"config": config, "directory": directory}
    app.initialize([f"--{name}={value}" for name, value in given.items() if value is not None])
    return app.database_url
