"""Who answers in the measurement of the API: servers of ours over full databases of both kinds, and the rival."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from benchmarks.busy_database import ENVIRONMENTS, fill
from benchmarks.postgres import PostgresServer, postgres_program, running_postgres
from benchmarks.rival_server import TOKEN, VERSION, rival_python, rival_server
from benchmarks.server import serving
from benchmarks.workbench import Workbench
from conda_store.db import Database

#: How many times as many environments the larger databases have.
TIMES = 10
RIVAL = f"conda-store-server {VERSION}"


@dataclass(frozen=True)
class Contestant:
    """A server to ask; `url` is that of its API. `database` is "" for the rival."""

    url: str
    token: str
    database: str
    environments: int = ENVIRONMENTS


@contextmanager
def contestants(bench: Workbench) -> Iterator[tuple[list[Contestant], list[str]]]:
    """All of them, serving; and why others are not there."""
    with ExitStack() as stack:
        missing: list[str] = []
        postgres = stack.enter_context(_postgres(missing))
        found = []
        for times in (1,) if bench.quick else (1, TIMES):
            urls = {"SQLite": f"sqlite:///{bench.scratch}/api-{times}.sqlite"}
            if postgres is not None:
                urls["PostgreSQL"] = postgres.new_database()
            found += [stack.enter_context(_ours(bench, name, url, times)) for name, url in urls.items()]
        rival = None if bench.quick else _rival(bench, missing)
        if rival is not None:
            url = f"{stack.enter_context(rival)}api/v1/"
            found.append(Contestant(url, TOKEN, ""))
        yield found, missing


def _postgres(missing: list[str]) -> AbstractContextManager[PostgresServer | None]:
    initdb, postgres = postgres_program("initdb"), postgres_program("postgres")
    if initdb and postgres:
        return running_postgres(initdb, postgres)
    missing.append("PostgreSQL was not measured: it is not installed (`make system-packages`).")
    return nullcontext()


@contextmanager
def _ours(bench: Workbench, name: str, url: str, times: int) -> Iterator[Contestant]:
    database = Database(url)
    database.create_or_upgrade()
    fill(database, times)
    database.close()
    line, token = f"c.CondaStore.database_url = {url!r}", secrets.token_hex(16)
    with serving(bench, f"api-{name}-{times}", line, token=token) as server:
        yield Contestant(f"{server.url}api/v1/", token, name, ENVIRONMENTS * times)


def _rival(bench: Workbench, missing: list[str]) -> AbstractContextManager[str] | None:
    try:
        python = rival_python(bench.cache)
    except subprocess.CalledProcessError as error:
        missing.append(f"{RIVAL} was not measured: it cannot be installed from PyPI ({error}).")
        return None
    return rival_server(python, bench.scratch / "api-rival", bench.scratch / "api-1.sqlite")
