"""The people of `tests.visitors` at a real Hub whose service is conda-store: their tokens are known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from conda_store.db import Database
from tests.hubs import SERVICE, running_hub
from tests.people import secret_of
from tests.server import Site
from tests.visitors import PEOPLE, ROLES, submit

MORE = """
c.JupyterHub.api_tokens = {tokens!r}
c.JupyterHub.load_roles += [
    {{"name": "people", "users": {people!r}, "scopes": [access, "custom:conda-store:admin!user"]}},
]
"""
SETTINGS = """
c.Authenticator.cache_seconds = 1
c.GarbageCollection.keep_deleted_days = 0
c.CondaStore.executor_class = "tests.server.NeverExecutor"
c.CondaStore.default_channels = [{channel!r}]
c.CondaStore.allowed_channels = ["conda-forge", {channel!r}]
c.RoleBindings.users = {users!r}
c.RoleBindings.admin_users = ["root"]
"""


@contextmanager
def hub_of_people(directory: Path, channel: str) -> Iterator[Site]:
    """It runs while the block does; builds may use `channel`."""
    users = {name: {"lab/*": role} for name, role in ROLES.items()}
    more = MORE.format(people=list(PEOPLE), tokens={secret_of(name): name for name in PEOPLE})
    with running_hub(directory, SETTINGS.format(channel=channel, users=users), more) as hub:
        below = directory / "conda-store"
        database = Database(f"sqlite:///{below}/conda-store.sqlite")
        site = Site(hub.url, SERVICE, database, below)
        site.foreign = frozenset({"login/"})
        with closing(database), closing(site):
            # The namespace is there from its first environment on.
            submit(site, "first")
            yield site
