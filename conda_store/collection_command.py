"""`conda-store gc`: the garbage of which server, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import humanize

from conda_store.app import CondaStore
from conda_store.collection_options import GarbageCollection
from conda_store.configuration import made
from conda_store.db import Database
from conda_store.executors.elsewhere import ElsewhereExecutor
from conda_store.limits import BuildLimits
from conda_store.managers.builds import BuildManager
from conda_store.managers.collecting import Collection, CollectionManager
from conda_store.managers.policies import Policies
from conda_store.storage.local import LocalStorage

_SHOWN = 20


def collect_garbage(
    config: Path | None, directory: Path | None, dry_run: bool, output: str, say: Callable[[str], None]
) -> None:
    """Collect the garbage of a server with these options. Raises `CollectionRunning`, `DatabaseRefused`, `BadInput`."""
    app = CondaStore()
    given = {"config": config, "directory": directory}
    app.initialize([f"--{name}={value}" for name, value in given.items() if value is not None])
    app.prepare()
    with closing(Database(app.database_url)) as database:
        database.check_schema()
        manager = _manager(app, database)
        done = manager.plan() if dry_run else manager.collect()
    say(json.dumps(_described(done, dry_run), indent=2) if output == "json" else "\n".join(account(done, dry_run)))


def _manager(app: CondaStore, database: Database) -> CollectionManager:
    jobs, limits = app.job_settings(), made(BuildLimits, app).of_submissions()
    executor, storage = ElsewhereExecutor(parent=app), LocalStorage(app.job_settings().store_directory)
    builds = BuildManager(database, executor, storage, jobs.places, Policies.under(jobs), limits, lambda: None)
    return CollectionManager(database, jobs, made(GarbageCollection, app).policy(), builds.delete)


def account(done: Collection, dry_run: bool) -> Iterator[str]:
    """What goes, in lines for a person."""
    word = "Would remove" if dry_run else "Removed"
    for kind, (number, size) in done.kinds.items():
        yield f"{word} {number:,} of '{kind}', {humanize.naturalsize(size)}:"
        names = [one for one in done.removals if one.kind == kind]
        yield from (f"  {one.name}  {humanize.naturalsize(one.size)}, {one.reason}" for one in names[:_SHOWN])
        if len(names) > _SHOWN:
            yield f"  … and {len(names) - _SHOWN:,} more (--output json names all)"
    yield f"{word} {len(done.removals):,} things, {humanize.naturalsize(done.size)} in all."


def _described(done: Collection, dry_run: bool) -> dict[str, object]:
    return {"dry_run": dry_run, "size": done.size, "removals": [one.model_dump() for one in done.removals]}
