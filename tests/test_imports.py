"""What idle processes have in memory: no libraries that only others need; and what is not looked at again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """\
import importlib, json, os, sys
importlib.import_module(sys.argv[1])
print(json.dumps([name for name in sys.modules if sys.modules[name] is not None]), flush=True)
os._exit(0)
"""
TERMINAL = {"rich", "pygments", "click"}


def modules_with(module: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, module], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("module", "needless"),
    [
        (
            "conda_store.app",
            TERMINAL | {"httpx", "alembic", "psycopg", "conda_lock", "conda_pack", "jupyterhub", "watchfiles"},
        ),
        (
            "conda_store.executors.preload",
            TERMINAL | {"tornado", "jinja2", "jwt", "alembic", "psycopg", "conda_lock", "watchfiles"},
        ),
        (
            "conda_store_labextension.extension",
            {"pydantic", "sqlalchemy", "rattler", "alembic", "conda_store.models", "conda_store.handlers"},
        ),
    ],
)
def test_server_and_workers_import_only_what_they_use(module: str, needless: set[str]) -> None:
    found = modules_with(module)
    assert module in found
    assert not needless & found


def test_the_http_client_of_workers_works_without_its_program() -> None:
    made = "httpx.Client().close(); print('made', flush=True); os._exit(0)"
    program = f"import conda_store.executors.preload, httpx, os; {made}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "made\n"


def test_what_stands_when_a_server_begins_is_not_collected_again_and_again() -> None:
    settled = "from conda_store.service import settle; import gc, os; settle()"
    program = f"{settled}; print(gc.get_freeze_count() > 10 * len(gc.get_objects()), flush=True); os._exit(0)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
